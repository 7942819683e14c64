"""Addresses of storage: ``s3://bucket/prefix``, ``gs://bucket/prefix``, or the path of a folder that machines share.

An S3 address may say where its server is: ``s3://bucket/prefix?endpoint=http://minio:9000&region=eu-central-1``. What
is not said there comes from the environment (AWS_ENDPOINT_URL, AWS_REGION), credentials always do.
"""

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from carsray.errors import ConfigError

FORMS = "s3://bucket/prefix, gs://bucket/prefix or the path of a folder"
OPTIONS = ("endpoint", "region")
_PARTS = re.compile(
    r"(?P<scheme>\w+)://(?P<bucket>[^/?]+)(?P<path>(?:/.*?)?)(?:\?(?P<options>\w+=[^&]*(?:&\w+=[^&]*)*))?"
)
"""Names of objects may contain anything: only NAME=VALUE after a ? is no part of one."""


@dataclass(frozen=True, slots=True)
class Address:
    """A place for objects."""

    scheme: Literal["file", "s3", "gs"]
    bucket: str
    """Empty for a folder."""
    path: str
    """What all names there begin with; without a slash at either end."""
    endpoint: str | None = None
    region: str | None = None

    def __truediv__(self, name: str) -> "Address":
        return replace(self, path=f"{self.path}/{name}" if self.path else name)

    @property
    def parent(self) -> "Address":
        """Where this is one of several."""
        return replace(self, path=self.path.rpartition("/")[0])

    def __str__(self) -> str:
        if self.scheme == "file":
            return f"/{self.path}"
        said = "&".join(f"{name}={value}" for name in OPTIONS if (value := getattr(self, name)))
        return f"{self.scheme}://{self.bucket}/{self.path}".rstrip("/") + (f"?{said}" if said else "")


def in_full(address: Address) -> Address:
    """An address that means the same on another machine: with what this one's environment says of its server."""
    if address.scheme != "s3":
        return address
    said = os.environ
    endpoint = address.endpoint or said.get("AWS_ENDPOINT_URL_S3") or said.get("AWS_ENDPOINT_URL")
    return replace(
        address, endpoint=endpoint, region=address.region or said.get("AWS_REGION") or said.get("AWS_DEFAULT_REGION")
    )


def is_remote(text: str) -> bool:
    """Whether this is an address in a bucket, or meant as one, and not a path."""
    return "://" in text


def _has_secret(bucket: str, options: str) -> bool:
    """A secret key may contain a slash: then what is taken for the bucket ends within it, and has a colon only."""
    return any(mark in bucket for mark in "@:") or "@" in options


def parse_address(text: str, option: str = "--storage") -> Address:
    """The address that a person gave with an option; a path may be relative to the current folder.

    Raises ConfigError for another form, and for one that contains a secret: addresses are written down.
    """
    if not is_remote(text):
        return Address("file", "", str(Path(text).expanduser().resolve()).strip("/"))
    parts = _PARTS.fullmatch(text)
    if parts and _has_secret(parts["bucket"], parts["options"] or ""):
        raise ConfigError(
            f"{option} {parts['scheme']}://...: no secrets here, they would be written down. "
            "Set them in the environment"
        )
    if not parts and "@" in text:
        raise ConfigError(f"{option} {text.partition('://')[0]}://...: must be {FORMS}")  # the rest may be a secret
    if not parts or parts["scheme"] not in ("s3", "gs"):
        raise ConfigError(f"{option} {text}: must be {FORMS}")
    said = dict(pair.split("=", 1) for pair in (parts["options"] or "").split("&") if pair)
    allowed = OPTIONS if parts["scheme"] == "s3" else ()
    if unknown := [name for name in said if name not in allowed]:
        known = f"only {' and '.join(allowed)} may" if allowed else "nothing may"
        shown = f"{text.partition('?')[0]}?{unknown[0]}=..."  # what follows may be a secret
        raise ConfigError(f"{option} {shown}: {known} follow the ?")
    scheme: Literal["s3", "gs"] = "s3" if parts["scheme"] == "s3" else "gs"
    return Address(scheme, parts["bucket"], parts["path"].strip("/"), said.get("endpoint"), said.get("region"))
