import importlib.util
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from tiny_export import SETTINGS

from carsray.config import TrialConfig
from carsray.errors import ConfigError, ResultsError
from carsray.final.inference import infer
from carsray.final.package.onnx_file import OPSET, check_parity, require_onnx, write_onnx
from carsray.final.preprocessing import prepare
from carsray.models import build_network

CONFIG = TrialConfig(**SETTINGS)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    write_onnx(build_network(CONFIG, 3).eval(), CONFIG, path)
    return path


def squares(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 20, 20, 3), dtype=np.uint8)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_onnxruntime_answers_any_number_of_pictures_as_torch_does(file: Path, count: int) -> None:
    session = onnxruntime.InferenceSession(file)
    found = session.run(["logits", "embedding"], {"pictures": prepare(squares(count), CONFIG).numpy()})
    for ours, theirs in zip(found, infer(build_network(CONFIG, 3).eval(), CONFIG, squares(count)), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_the_graph_is_plain_and_says_nothing_of_this_machine(file: Path) -> None:
    model = onnx.load(file)
    onnx.checker.check_model(model, full_check=True)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", OPSET)]
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    assert str(Path.cwd()).encode() not in file.read_bytes()
    assert b"carsray/" not in file.read_bytes()


def test_parity_is_measured(file: Path) -> None:
    parity = check_parity(build_network(CONFIG, 3).eval(), CONFIG, file, squares(5))
    assert parity.pictures == 5
    assert 0 < parity.logits < 1e-5
    assert 0 <= parity.embedding < 1e-5


def test_a_network_that_differs_by_more_than_rounding_is_refused_in_one_line(file: Path) -> None:
    network = build_network(CONFIG, 3).eval()
    with torch.no_grad():
        network.head.linear.bias += 1e-3
    with pytest.raises(ResultsError, match=r"model\.onnx: logits differ from torch's by 0.001 on 5 pictures") as told:
        check_parity(network, CONFIG, file, squares(5))
    assert "\n" not in str(told.value)


def test_a_network_that_gives_no_number_is_refused(file: Path) -> None:
    network = build_network(CONFIG, 3).eval()
    with torch.no_grad():
        network.head.linear.bias.fill_(float("nan"))
    with pytest.raises(ResultsError, match="logits differ"):
        check_parity(network, CONFIG, file, squares(2))


def test_missing_packages_are_one_line_with_the_command(monkeypatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name != "onnx" else object())
    with pytest.raises(ConfigError, match="pip install onnxscript onnxruntime; or leave it out with --no-onnx"):
        require_onnx()
