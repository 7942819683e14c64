"""Bytes on their way from an actor to the driver's recorder, through Ray Tune."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Parcel:
    """Weights or a snapshot in a result.

    Not plain bytes: Ray Tune formats every result as text, several times, even where nothing logs it (the f-strings of
    its controller's debug messages), which takes half a second for a few megabytes.
    """

    content: bytes = field(repr=False)
