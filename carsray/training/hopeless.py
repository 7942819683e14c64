"""Whether a trial has lost already in its first epoch. The rest of that epoch would be waste."""

import math
from collections.abc import Sequence

RISE = 1.1
"""Of 50 random trials of MobileNetV2 on 40 classes this cuts nine, which all end their first epoch below 0.07."""
EARLIEST = 12
"""Steps before a verdict: the first ones may throw a network off that recovers."""
SHARE = 3
"""The verdicts fall after one part in so many of the epoch, and after two."""
GAIN = 4
"""From the second third of its first epoch to its end a network comes to at most so many times as many right answers:
to 3.3 times in 48 random trials of MobileNetV2 on 40 classes."""

_Sums = tuple[float, float, int]
"""Of the losses and of the right answers, over so many pictures."""


class Hopeless:
    """Follows the first epoch of a trial, from sums over the steps so far."""

    def __init__(self, steps: int, classes: int, to_pass: float) -> None:
        """``to_pass`` is the accuracy that the trial will be asked for after this epoch, as far as is known."""
        third = max(math.ceil(steps / SHARE), EARLIEST)
        late = math.ceil(2 * steps / SHARE)
        self.looks = {1, third // 2, third}
        """Numbers of steps after which `found` is to be asked: a look at a device's sums waits for it."""
        if to_pass >= GAIN / classes and late > third:
            self.looks.add(late)
        self._classes = classes
        self._seen: list[_Sums] = []

    def found(self, sums: Sequence[float], pictures: int) -> bool:
        """After a third: whether the loss has risen above the first step's, and above that of guessing, with no more
        right answers than guessing has. After two, where more than that is asked for: whether it still has no more.

        Takes the sums of losses and of right answers over the pictures of all steps so far.
        """
        loss, right = sums
        self._seen.append((loss, right, pictures))
        if len(self._seen) < 3 or not self._guesses():
            return False
        return len(self._seen) > 3 or self._rises()

    def _guesses(self) -> bool:
        """Whether the right answers since the last look are as many as guessing gives, or two sigmas more."""
        (_, before, pictures), (_, right, upto) = self._seen[-2:]
        chance = (upto - pictures) / self._classes
        return right - before <= chance + 2 * math.sqrt(chance * (1 - 1 / self._classes))

    def _rises(self) -> bool:
        (first, _, of), (before, _, pictures), (loss, _, upto) = self._seen
        return (loss - before) / (upto - pictures) > RISE * max(first / of, math.log(self._classes))
