import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch

from carsray.cluster.connect import connected
from carsray.errors import ClusterError, ConfigError, WeightsError
from carsray.models.build import build_network
from carsray.space_file import parse_space
from carsray.tuning.check import check_networks

TEXT = """
[fixed]
backbone = "mobilenet_v2"
image_size = 64
[search]
unfreeze_depth = { choices = [0, 3, "all"] }
lr = { low = 1e-3, high = 1e-1, log = true }
"""


def check(text: str = TEXT, **pinned: Any) -> None:
    check_networks(parse_space(text, "tiny.toml", pinned))


def test_a_space_whose_networks_can_be_built_passes() -> None:
    check()


def test_a_depth_among_the_choices_that_the_network_lacks_is_told() -> None:
    with pytest.raises(ConfigError, match="unfreeze_depth = 99: this network has 19 blocks"):
        check(TEXT.replace("[0, 3,", "[0, 99,"))


@pytest.mark.parametrize(("high", "fits"), [(19, True), (30, False)])
def test_a_range_of_depths_that_goes_beyond_the_network_is_told(high: int, fits: bool) -> None:
    text = TEXT.replace('{ choices = [0, 3, "all"] }', f"{{ low = 0, high = {high} }}")
    if fits:
        check(text)
    else:
        with pytest.raises(ConfigError, match="unfreeze_depth = 30: this network has 19 blocks"):
            check(text)


APART = """
[fixed]
image_size = 32
[search]
backbone = { choices = ["cnn", "resnet18"], default = "resnet18" }
lr = { low = 0.01, high = 0.1, default = 0.01 }
depth = { low = 2, high = 6, default = 6, when = { backbone = "cnn" } }
"""
"""A CNN of the default depth would halve the picture to nothing."""


def test_settings_that_do_not_fit_together_are_left_out() -> None:
    check(APART)


def test_a_missing_weights_file_is_told() -> None:
    with pytest.raises(WeightsError, match=r"nofile\.pth"):
        check(weights="nofile.pth")


def test_weights_are_tried_with_every_backbone_that_is_searched(tmp_path: Path) -> None:
    config = parse_space(TEXT, "tiny.toml", {}).config({"unfreeze_depth": "all", "lr": 0.01})
    torch.save(build_network(config, 3).backbone.state_dict(), tmp_path / "mobilenet.pth")
    check(weights=str(tmp_path / "mobilenet.pth"))
    both = TEXT.replace('backbone = "mobilenet_v2"', "") + 'backbone = { choices = ["mobilenet_v2", "resnet18"] }\n'
    with pytest.raises(WeightsError, match="does not fit resnet18"):
        check(both, weights=str(tmp_path / "mobilenet.pth"))


def test_an_address_where_nothing_answers_is_told_at_once() -> None:
    with pytest.raises(ClusterError, match=r"127\.0\.0\.1:1: nothing answers"), connected("127.0.0.1:1"):
        pass


@pytest.mark.parametrize("address", [None, "local"])
def test_a_ray_that_cannot_start_here_is_told_with_the_folder_that_it_writes_to(
    monkeypatch: pytest.MonkeyPatch, address: str | None
) -> None:
    """As on a full disk, where Ray waits for a file until it gives up."""

    def no_file(*_: object, **__: object) -> None:
        raise RuntimeError("Timed out waiting for file\nmore")

    monkeypatch.setattr("ray.is_initialized", lambda: False)  # other tests may have left a connection open
    monkeypatch.setattr("ray.init", no_file)
    folder = re.escape(tempfile.gettempdir())
    with (
        pytest.raises(ClusterError, match=rf"machine \(Timed out waiting for file\).* to {folder}"),
        connected(address),
    ):
        pass


def test_what_does_not_fit_together_is_not_drawn_and_so_not_built() -> None:
    check(
        "[fixed]\nimage_size = 32\n[search]\nbackbone = { choices = ['resnet18', 'cnn'], default = 'resnet18' }\n"
        "depth = { low = 2, high = 6, default = 6 }\n"
    )
