"""A digest inside a safetensors file, so that a damaged one is noticed when it is read. Imports no torch.

The file says how long its header is (8 bytes), then come the header, in JSON, and the values. The digest is of all
that, with UNKNOWN in its own place: https://huggingface.co/docs/safetensors/index#format
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

KEY = "digest"
UNKNOWN = "0" * 32
"""Stands in the metadata under KEY until `with_digest` puts the digest there."""


def with_digest(data: bytes) -> bytes:
    """The file with its digest in place of UNKNOWN, which is as long."""
    return data.replace(UNKNOWN.encode(), _digest(data).encode(), 1)


def checked_metadata(data: bytes) -> Mapping[str, Any]:
    """The metadata of a file. Raises ValueError for what is cut short, no safetensors file, or damaged."""
    start = 8 + int.from_bytes(data[:8], "little")
    try:
        metadata = json.loads(data[8:start])["__metadata__"]
        found = metadata[KEY].encode()
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError("no header with a digest") from None
    if found.decode() != _digest(data.replace(found, UNKNOWN.encode(), 1)):
        raise ValueError("it is not what was written")
    assert isinstance(metadata, dict)
    return metadata


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=len(UNKNOWN) // 2).hexdigest()
