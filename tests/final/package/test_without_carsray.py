"""The card's snippet: the same answers as carsray, without it."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_export import SETTINGS, merged

import carsray
from carsray.config import TrialConfig
from carsray.data.augment import centre
from carsray.data.augment import resize as torch_resize
from carsray.data.batches import eval_batches
from carsray.data.given import squash_given
from carsray.data.pack import ensure_pack
from carsray.data.split_file import read_split
from carsray.final.package.without_carsray import open_square, resize
from carsray.final.package.without_carsray import prepare as prepare_alone
from carsray.final.preprocessing import describe, prepare
from carsray.results import SweepFolder
from carsray.training.checkpoint import load_checkpoint

ONLY_THREE = """
import runpy, sys

class Refusing:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in {"onnxruntime", "numpy", "PIL"} and top not in sys.stdlib_module_names:
            raise ImportError(f"refused: {name}")

sys.meta_path.insert(0, Refusing())
"""


def snippet(package: Path) -> str:
    (code,) = (
        code for code in re.findall(r"```python\n(.*?)```", (package / "README.md").read_text(), re.S) if "onnx" in code
    )
    return str(code)


def run_alone(package: Path, folder: Path, code: str) -> str:
    """Run with nothing but onnxruntime, numpy, Pillow and the standard library."""
    (folder / "recognise.py").write_text(snippet(package))
    command = [sys.executable, "-I", "-c", ONLY_THREE + code]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder).stdout


def pictures_of(sweep: SweepFolder) -> list[str]:
    return [row.path for row in merged(read_split(sweep.split))]


def test_the_snippet_gives_the_logits_of_training_and_of_the_package(
    exported_sweep: SweepFolder, package: Path, tmp_path: Path
) -> None:
    split = read_split(exported_sweep.split)
    network, info = load_checkpoint(exported_sweep.root / "retrain/seed-0/checkpoint.safetensors")
    pack = ensure_pack(merged(split), info.config, tmp_path)
    with torch.inference_mode():
        batches = eval_batches(pack, info.config, torch.device("cpu"))
        trained = torch.cat([network(batch.images) for batch in batches]).numpy()
    paths = pictures_of(exported_sweep)
    model = carsray.load(package, device="cpu")
    squares = np.stack([model.read(path) for path in paths])
    np.testing.assert_allclose(model.run(squares)[0], trained, atol=1e-6)
    code = f"""
import numpy, pathlib
run = runpy.run_path("recognise.py")["run"]
numpy.save("logits.npy", run(pathlib.Path({str(package)!r}), {paths!r})[0])
"""
    run_alone(package, tmp_path, code)
    np.testing.assert_allclose(np.load(tmp_path / "logits.npy"), trained, atol=1e-4)


def test_the_snippet_prints_calibrated_classes(exported_sweep: SweepFolder, package: Path, tmp_path: Path) -> None:
    path = pictures_of(exported_sweep)[0]
    code = f"sys.argv = ['', {str(package)!r}, {path!r}]\nrunpy.run_path('recognise.py', run_name='__main__')"
    printed = run_alone(package, tmp_path, code).splitlines()
    guesses = carsray.load(package, device="cpu").predict(path).guesses
    assert printed == [f"{path}: {guess.probability:.4f} {guess.name}" for guess in guesses]


def test_the_hook_refuses_other_packages(package: Path, tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as failed:
        run_alone(package, tmp_path, "import torch")
    assert "refused: torch" in failed.value.stderr


@pytest.mark.parametrize(("side", "size"), [(20, 16), (20, 19), (64, 17), (331, 40), (24, 32), (280, 224)])
def test_the_snippet_resizes_as_torch_does_bit_by_bit(side: int, size: int) -> None:
    square = np.random.default_rng(side).integers(0, 256, (side, side, 3), dtype=np.uint8)
    expected = torch_resize(torch.from_numpy(square[None]), size)[0].permute(1, 2, 0).mul(255).round().byte().numpy()
    np.testing.assert_array_equal(resize(square, size), expected)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"eval_crop": 0.7},
        {"eval_crop": 0.5},
        {"pack_size": 16},
        {"normalize": "half", "image_size": 24, "pack_size": 80},
    ],
)
def test_the_snippet_prepares_as_evaluation_does_under_all_settings(tmp_path: Path, changes: dict[str, object]) -> None:
    config = TrialConfig(**(SETTINGS | changes))
    path = str(tmp_path / "a.jpg")
    coarse = np.random.default_rng(0).integers(0, 256, (15, 20, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((300, 210)).save(path, quality=90)
    expected = prepare(squash_given(path, config.packed_size)[None], config)[0].numpy()
    np.testing.assert_allclose(prepare_alone(path, describe(config)), expected, atol=1e-6)


def saved(image: Image.Image, **options: object) -> Callable[[Path], Path]:
    def save(folder: Path) -> Path:
        image.save(folder / "picture", **options)
        return folder / "picture"

    return save


def noise(mode: str = "RGB", size: tuple[int, int] = (60, 44)) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


@pytest.mark.parametrize(
    "save",
    [
        saved(noise(), format="JPEG", exif=turned()),
        saved(noise(), format="TIFF", exif=turned()),
        saved(noise(), format="JPEG", exif=b"Exif\0\0garbagegarbage", dpi=(72, 72)),
        saved(noise("CMYK"), format="JPEG"),
        saved(noise("P"), format="GIF", save_all=True, append_images=[noise("L"), noise("L")]),
        saved(noise("L"), format="PNG"),
        saved(noise("RGBA").rotate(30), format="PNG"),
        saved(Image.fromarray(np.arange(0, 65000, 13, dtype=np.uint16).reshape(50, 100)), format="PNG"),
    ],
    ids=["EXIF", "EXIF of a TIFF", "unreadable EXIF", "CMYK", "animated palette", "grey", "transparent", "16 bits"],
)
def test_the_snippet_reads_odd_pictures_as_carsray_does(tmp_path: Path, save: Callable[[Path], Path]) -> None:
    path = save(tmp_path)
    np.testing.assert_array_equal(open_square(str(path), 20), squash_given(path, 20))


def test_the_described_crop_is_the_one_that_is_taken() -> None:
    config = TrialConfig(**(SETTINGS | {"eval_crop": 0.63, "pack_size": 51}))
    how = describe(config)
    square = np.arange(51 * 51, dtype=np.int64).reshape(1, 51, 51, 1)
    middle = slice(how["crop_start"], how["crop_start"] + how["crop_size"])
    np.testing.assert_array_equal(centre(torch.from_numpy(square), 0.63).numpy(), square[:, middle, middle])
