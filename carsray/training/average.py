"""An average of a network's weights over the steps of its training, which may do better than the last weights.

Polyak and Juditsky 1992, https://doi.org/10.1137/0330046; exponential, as torchvision trains its own networks:
https://github.com/pytorch/vision/blob/main/references/classification/utils.py (ExponentialMovingAverage).
"""

from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from carsray.models.network import Network


class Averaged(AveragedModel):
    """A copy that follows a network: after each step, decay times what it has plus (1 - decay) times what that has.

    It begins with the weights after the first step. BatchNorm statistics are averaged like weights, as in torchvision
    and in timm's ModelEmaV3: those of the last steps belong to weights that the average does not have.
    """

    module: Network

    def __init__(self, network: Network, decay: float) -> None:
        average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        super().__init__(network, multi_avg_fn=average, use_buffers=True)
