import os
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.optim.swa_utils import AveragedModel
from torchvision import models

from carsray.config import TrialConfig
from carsray.errors import ConfigError, WeightsError
from carsray.models import weights
from carsray.models.build import build_network
from carsray.models.network import Network
from carsray.models.state import trainable_state

BACKBONE = "mobilenet_v3_small"
FIRST = "features.0.0.weight"


def _network(weights: str | Path, backbone: str = BACKBONE, seed: int = 0) -> Network:
    return build_network(TrialConfig(backbone=backbone, weights=str(weights), seed=seed), 5)


def _published(backbone: str = BACKBONE, value: float = 0.5) -> dict[str, Tensor]:
    """A state dict as torchvision has it, classifier for 1000 classes included; on disk it takes hardly any room."""
    with torch.device("meta"):
        state = models.get_model(backbone).state_dict()
    return {name: torch.tensor(value).expand(tensor.shape) for name, tensor in state.items()}


def _saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


def _is_filled(network: Network) -> bool:
    state = network.backbone.state_dict()
    return all((tensor == 0.5).all() for name, tensor in state.items() if not name.endswith("tracked"))


def test_the_average_of_a_model_fills_the_backbone(tmp_path):
    model = AveragedModel(models.get_model(BACKBONE))
    model.module.load_state_dict(_published())
    assert _is_filled(_network(_saved(tmp_path / "w.pth", model.state_dict())))


@pytest.mark.parametrize("name", ["weights.pth", "weights.pt", "model_best.pth.tar", "last.ckpt", "model.bin", "best"])
def test_a_torch_file_fills_the_backbone_and_not_the_head(tmp_path, name):
    network = _network(_saved(tmp_path / name, _published()))
    assert _is_filled(network)
    assert torch.equal(network.head.linear.weight, _network("none").head.linear.weight)


def test_a_safetensors_file_fills_the_backbone(tmp_path):
    save_file({name: tensor.contiguous() for name, tensor in _published().items()}, tmp_path / "w.safetensors")
    assert _is_filled(_network(tmp_path / "w.safetensors"))


def test_a_file_of_the_old_torch_format_fills_the_backbone(tmp_path):
    torch.save(_published(), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert _is_filled(_network(tmp_path / "old.pth"))


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "module._orig_mod.", "_orig_mod.module."])
@pytest.mark.parametrize("wrapper", ["state_dict", "model_state_dict", "model"])
def test_a_training_scripts_wrapping_is_taken_off(tmp_path, wrapper, prefix):
    state = {f"{prefix}{name}": tensor for name, tensor in _published().items()}
    assert _is_filled(_network(_saved(tmp_path / "w.pth", {"epoch": 3, wrapper: state})))


def test_a_file_without_classifier_and_counters_fits(tmp_path):
    state = _published("resnet18")
    bare = {n: t for n, t in state.items() if not n.startswith("fc.") and not n.endswith("num_batches_tracked")}
    assert _is_filled(_network(_saved(tmp_path / "w.pth", bare), "resnet18"))


def test_the_old_names_of_densenet_files_fit(tmp_path):
    old = {}
    for name, tensor in _published("densenet121").items():
        for layer in ("norm1", "norm2", "conv1", "conv2"):
            name = name.replace(f".{layer}.", f".{layer[:-1]}.{layer[-1]}.")
        old[name] = tensor
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    assert _is_filled(_network(_saved(tmp_path / "w.pth", old), "densenet121"))


def test_a_checkpoint_of_carsray_serves_as_weights(tmp_path):
    trained = _network("none", seed=1)
    save_file(trainable_state(trained), tmp_path / "checkpoint.safetensors")
    network = _network(tmp_path / "checkpoint.safetensors")
    assert torch.equal(network.state_dict()[f"backbone.{FIRST}"], trained.state_dict()[f"backbone.{FIRST}"])


def test_values_do_not_depend_on_the_file_staying_there(tmp_path):
    path = _saved(tmp_path / "w.pth", _published())
    network = _network(path)
    path.unlink()
    assert _is_filled(network)


def test_a_file_that_was_written_anew_is_read_anew(tmp_path):
    path = _saved(tmp_path / "w.pth", _published(value=0.25))
    assert not _is_filled(_network(path))
    _saved(path, _published())
    os.utime(path, ns=(1, 1))
    assert _is_filled(_network(path))


def test_networks_of_one_file_do_not_share_values(tmp_path):
    path = _saved(tmp_path / "w.pth", _published())
    first = _network(path)
    with torch.no_grad():
        first.backbone.get_parameter(FIRST).zero_()
    assert _is_filled(_network(path))


def test_a_file_is_read_once_for_networks_that_follow_each_other(tmp_path, monkeypatch):
    path = _saved(tmp_path / "w.pth", _published())
    _network(path)
    monkeypatch.delattr(weights, "read_tensors")
    assert _is_filled(_network(path, seed=1))


def test_missing_tensors_are_counted_and_the_first_is_named(tmp_path):
    state = {name: tensor for name, tensor in _published().items() if not name.startswith("features.0.")}
    path = _saved(tmp_path / "w.pth", state)
    first = r"the first, features\.0\.0\.weight, should be \(16, 3, 3, 3\), and the file lacks it"
    with pytest.raises(WeightsError, match=rf"does not fit {BACKBONE}: of 241 tensors 5 are missing and 0 .*{first}"):
        _network(path)


def test_tensors_of_another_shape_are_counted_and_the_first_is_shown_with_both_shapes(tmp_path):
    state = {**_published(), FIRST: torch.zeros(8, 3, 3, 3)}
    with pytest.raises(WeightsError, match=r"1 have another shape; .*\(16, 3, 3, 3\), and the file has \(8, 3, 3, 3\)"):
        _network(_saved(tmp_path / "w.pth", state))


@pytest.mark.parametrize(("made_for", "backbone"), [("mobilenet_v2", BACKBONE), ("resnet34", "densenet121")])
def test_weights_of_another_backbone_are_recognised(tmp_path, made_for, backbone):
    with pytest.raises(WeightsError, match=rf"does not fit {backbone}: .*; it seems made for {made_for};"):
        _network(_saved(tmp_path / "w.pth", _published(made_for)), backbone)


def test_weights_of_a_deeper_sibling_are_refused(tmp_path):
    path = _saved(tmp_path / "w.pth", _published("resnet34"))
    with pytest.raises(WeightsError, match=r"96 tensors have no place in it, .* seems made for resnet34"):
        _network(path, "resnet18")


def test_a_refusal_is_one_line(tmp_path):
    with pytest.raises(WeightsError) as raised:
        _network(_saved(tmp_path / "w.pth", {"a": torch.zeros(1)}))
    assert "\n" not in str(raised.value)


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"weights = 'IMAGENET1K_V9': resnet50 has none, imagenet, IMAGENET1K_V1, IM"):
        _network("IMAGENET1K_V9", "resnet50")


@pytest.mark.parametrize(("weights", "file"), [("imagenet", "5c1a4163"), ("IMAGENET1K_V1", "8738ca79")])
def test_a_torchvision_name_reads_torchs_download_folder(tmp_path, monkeypatch, weights, file):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    _saved(folder / f"mobilenet_v3_large-{file}.pth", _published("mobilenet_v3_large"))
    assert _is_filled(_network(weights, "mobilenet_v3_large"))


def test_without_a_network_a_download_says_what_to_do(tmp_path, monkeypatch):
    def unreachable(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    with pytest.raises(WeightsError, match=r"cannot download https://.* give a file, .* or set weights = 'none'"):
        _network("imagenet")
