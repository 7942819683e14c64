from pathlib import Path
from typing import Any

import pytest
import safetensors
import safetensors.torch
import torch
from tiny_training import config_of

from carsray.errors import ResultsError
from carsray.models.build import build_network
from carsray.models.network import Network
from carsray.training.checkpoint import CheckpointInfo, checkpoint_bytes, load_checkpoint
from carsray.training.digest import KEY, UNKNOWN, with_digest

FROZEN = {"backbone": "mobilenet_v2", "weights": "none", "unfreeze_depth": 2, "image_size": 32, "pack_size": 40}


def trained(**changes: Any) -> tuple[Network, CheckpointInfo, torch.Tensor]:
    """A network after one step, whose weights and BatchNorm statistics are therefore no longer those of its seed."""
    config = config_of(**changes)
    network = build_network(config, 3)
    pictures = torch.randn(4, 3, config.image_size, config.image_size, generator=torch.Generator().manual_seed(1))
    network.train()
    network(pictures).square().sum().backward()
    torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.01).step()
    return network.eval(), CheckpointInfo(config, ("a", "b", "ç"), 7), pictures


def saved(path: Path, **changes: Any) -> Path:
    network, info, _ = trained(**changes)
    path.write_bytes(checkpoint_bytes(network, info))
    return path


@pytest.mark.parametrize(
    "changes", [{}, {"hidden": 8, "hidden_batchnorm": True}, FROZEN, FROZEN | {"unfreeze_depth": 0}]
)
def test_a_loaded_network_answers_bit_for_bit_as_the_saved_one(changes: dict[str, Any], tmp_path: Path) -> None:
    network, info, pictures = trained(**changes)
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(checkpoint_bytes(network, info))
    loaded, found = load_checkpoint(path)
    assert found == info
    assert not loaded.training
    with torch.inference_mode():
        assert torch.equal(loaded(pictures), network(pictures))


def test_a_frozen_prefix_is_not_stored(tmp_path: Path) -> None:
    network, info, _ = trained(**FROZEN)
    stored = safetensors.torch.load(checkpoint_bytes(network, info))
    prefix = {id(tensor) for tensor in network.prefix.state_dict(keep_vars=True).values()}
    names = {name for name, tensor in network.state_dict(keep_vars=True).items() if id(tensor) not in prefix}
    assert stored.keys() == names
    assert 0 < len(names) < len(network.state_dict())


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "checkpoint.safetensors")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ResultsError, match="no readable checkpoint"):
        load_checkpoint(path)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    path.write_text("not a checkpoint at all")
    with pytest.raises(ResultsError, match="no readable checkpoint"):
        load_checkpoint(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=r"absent\.safetensors.*no readable checkpoint"):
        load_checkpoint(tmp_path / "absent.safetensors")


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_safetensors_of_other_programs_are_refused(metadata: dict[str, str] | None, tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    safetensors.torch.save_file({"weight": torch.zeros(2)}, path, metadata)
    with pytest.raises(ResultsError, match="no readable checkpoint"):
        load_checkpoint(path)


def test_a_file_of_an_earlier_format_says_which(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    metadata = {"format": "carsray-9", KEY: UNKNOWN}
    path.write_bytes(with_digest(safetensors.torch.save({"weight": torch.zeros(2)}, metadata)))
    with pytest.raises(ResultsError, match="format 'carsray-9' is not carsray-2"):
        load_checkpoint(path)


def test_a_single_changed_bit_is_noticed(tmp_path: Path) -> None:
    path = saved(tmp_path / "checkpoint.safetensors")
    damaged = bytearray(path.read_bytes())
    damaged[-1000] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(ResultsError, match="it is not what was written"):
        load_checkpoint(path)


def weights_file(path: Path, seed: int) -> Path:
    torch.save(build_network(config_of(**FROZEN, seed=seed), 3).backbone.state_dict(), path)
    return path


def test_a_prefix_of_weights_that_were_overwritten_is_refused(tmp_path: Path) -> None:
    weights = weights_file(tmp_path / "backbone.pth", seed=1)
    path = saved(tmp_path / "checkpoint.safetensors", **FROZEN | {"weights": str(weights)})
    load_checkpoint(path)
    weights_file(weights, seed=22)
    with pytest.raises(ResultsError, match=r"other frozen blocks than weights = .*backbone\.pth' gives now"):
        load_checkpoint(path)


def test_a_checkpoint_that_says_nothing_of_its_prefix_is_loaded(tmp_path: Path) -> None:
    path = saved(tmp_path / "checkpoint.safetensors", **FROZEN)
    with safetensors.safe_open(path, "pt") as file:
        metadata = file.metadata()
    del metadata["prefix"]
    older = safetensors.torch.save(safetensors.torch.load(path.read_bytes()), metadata | {KEY: UNKNOWN})
    path.write_bytes(with_digest(older))
    load_checkpoint(path)


@pytest.mark.parametrize("depth", ["all", 19])
def test_where_every_block_is_trained_the_first_weights_are_not_needed(depth: Any, tmp_path: Path) -> None:
    weights = weights_file(tmp_path / "backbone.pth", seed=1)
    network, info, pictures = trained(**FROZEN | {"weights": str(weights), "unfreeze_depth": depth})
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(checkpoint_bytes(network, info))
    weights.unlink()
    with torch.inference_mode():
        assert torch.equal(load_checkpoint(path)[0](pictures), network(pictures))
