import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from carsray.training.digest import KEY, UNKNOWN, checked_metadata, with_digest

FILE = with_digest(safetensors.torch.save({"a": torch.arange(30.0), "b": torch.ones(3)}, {"x": "y", KEY: UNKNOWN}))


def test_the_file_stays_a_safetensors_file() -> None:
    loaded = safetensors.torch.load(FILE)
    assert torch.equal(loaded["a"], torch.arange(30.0))
    assert checked_metadata(FILE)["x"] == "y"


@given(at=st.integers(0, len(FILE) - 1), bit=st.integers(0, 7))
def test_no_changed_bit_goes_unnoticed(at: int, bit: int) -> None:
    damaged = bytearray(FILE)
    damaged[at] ^= 1 << bit
    with pytest.raises(ValueError, match=r"no header with a digest|not what was written"):
        checked_metadata(bytes(damaged))


@given(end=st.integers(0, len(FILE) - 1))
def test_a_file_cut_short_anywhere_is_refused(end: int) -> None:
    with pytest.raises(ValueError, match=r"no header with a digest|not what was written"):
        checked_metadata(FILE[:end])


@given(data=st.binary(max_size=200))
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="no header with a digest"):
        checked_metadata(data)
