import torch

from carsray.final.inference import _exact


def test_on_a_gpu_cudnn_computes_and_rounds_nothing_further() -> None:
    """What torch.backends.cudnn.flags is not told it turns off, cuDNN itself among it: pytorch issue 77467."""
    before = torch.backends.cudnn.enabled, torch.backends.cudnn.allow_tf32
    with _exact(torch.device("cuda")):
        assert torch.backends.cudnn.enabled
        assert not torch.backends.cudnn.allow_tf32
    assert (torch.backends.cudnn.enabled, torch.backends.cudnn.allow_tf32) == before
