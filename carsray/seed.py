"""One seed in; every other one is derived from it by name, so that the order of use does not matter."""

import hashlib


def derive(seed: int, *names: str | int) -> int:
    """A 63-bit seed for the thing named, e.g. ``derive(seed, "trial", 17)``. Stable over versions and machines."""
    text = "/".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1
