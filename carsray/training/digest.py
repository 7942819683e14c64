"""A digest inside a safetensors file, so that a damaged one is noticed when it is read. Imports no torch.

The file says how long its header is (8 bytes), then come the header, in JSON, and the values, whose digest it is:
https://huggingface.co/docs/safetensors/index#format
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

KEY = "digest"
UNKNOWN = "0" * 32
"""Stands in the metadata under KEY until `with_digest` puts the digest there."""


def with_digest(data: bytes) -> bytes:
    """The file with the digest of its values in place of UNKNOWN, which is as long."""
    start = 8 + int.from_bytes(data[:8], "little")
    header = data[:start].replace(UNKNOWN.encode(), _digest(data[start:]).encode(), 1)
    return header + data[start:]


def checked_metadata(data: bytes) -> Mapping[str, Any]:
    """The metadata of a file. Raises ValueError for what is cut short, no safetensors file, or damaged."""
    start = 8 + int.from_bytes(data[:8], "little")
    try:
        metadata = json.loads(data[8:start])["__metadata__"]
        found = metadata[KEY]
    except (ValueError, KeyError, TypeError):
        raise ValueError("no header with a digest") from None
    if found != _digest(data[start:]):
        raise ValueError("its values are not those that were written")
    assert isinstance(metadata, dict)
    return metadata


def _digest(values: bytes) -> str:
    return hashlib.blake2b(values, digest_size=len(UNKNOWN) // 2).hexdigest()
