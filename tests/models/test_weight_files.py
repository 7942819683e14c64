import hashlib
import pickle

import pytest
import torch
from torch import nn

from carsray.errors import WeightsError
from carsray.models.weight_files import download, read_tensors


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(WeightsError, match=r"nowhere\.pth: there is no such file"):
        read_tensors(tmp_path / "nowhere.pth")


def test_a_file_that_cannot_be_read_is_not_called_broken(tmp_path):
    with pytest.raises(WeightsError, match=r"cannot be read \(Is a directory\)"):
        read_tensors(tmp_path)


@pytest.mark.parametrize("name", ["w.pth", "w.pt", "w.safetensors"])
@pytest.mark.parametrize("content", [b"", b"no checkpoint at all", b"PK\x03\x04", b"\x80\x02}q\x00."])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=name):
        read_tensors(tmp_path / name)


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.99])
def test_a_file_cut_short_is_refused(tmp_path, kept):
    path = tmp_path / "w.pth"
    torch.save({"weight": torch.rand(1000)}, path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(WeightsError, match=r"w\.pth: is broken"):
        read_tensors(path)


class _Trap:
    def __reduce__(self):
        return print, ("executed",)


@pytest.mark.parametrize("save", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))])
def test_code_in_a_file_is_refused_and_not_run(tmp_path, capsys, save):
    save({"weight": _Trap()}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="not safe to open"):
        read_tensors(tmp_path / "w.pth")
    assert "executed" not in capsys.readouterr().out


def test_a_whole_saved_module_is_refused(tmp_path):
    torch.save(nn.Linear(2, 2), tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="not safe to open"):
        read_tensors(tmp_path / "w.pth")


@pytest.mark.parametrize("content", [{}, {"epoch": 3}, [torch.zeros(1)], torch.zeros(1), {"model": {}}])
def test_a_file_without_named_tensors_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="holds no tensors by name"):
        read_tensors(tmp_path / "w.pth")


def _offered(folder, content: bytes, digits: str) -> str:
    path = folder / f"net-{digits}.pth"
    path.write_bytes(content)
    return path.as_uri()


def test_a_download_is_kept_in_torchs_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    url = _offered(tmp_path, b"values", hashlib.sha256(b"values").hexdigest()[:8])
    path = download(url)
    assert path.is_relative_to(tmp_path / "home" / "hub" / "checkpoints")
    assert path.read_bytes() == b"values"


def test_a_download_happens_once(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    url = _offered(tmp_path, b"values", hashlib.sha256(b"values").hexdigest()[:8])
    download(url)
    next(tmp_path.glob("net-*.pth")).unlink()
    assert download(url).read_bytes() == b"values"


def test_a_download_with_other_content_is_refused_and_not_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    url = _offered(tmp_path, b"values", "00000000")
    with pytest.raises(WeightsError, match="cannot download"):
        download(url)
    assert not list(tmp_path.glob("home/**/*.pth"))


def test_a_download_folder_that_cannot_be_written_is_an_error_of_one_line(tmp_path, monkeypatch):
    (tmp_path / "home").write_text("a file where a folder should be")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    with pytest.raises(WeightsError, match="set weights = 'none'"):
        download(_offered(tmp_path, b"values", "00000000"))
