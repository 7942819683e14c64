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
"""At the end of its first epoch a network has at most so many times the share of right answers of its second third:
at most 3.3 times as many in 48 random trials of MobileNetV2 on 40 classes."""


class Hopeless:
    """Follows the first epoch of a trial, from sums over the steps so far."""

    def __init__(self, steps: int, classes: int, to_pass: float) -> None:
        """``to_pass`` is the accuracy that the trial will be asked for after this epoch, as far as is known."""
        self._third, self._late = max(math.ceil(steps / SHARE), EARLIEST), math.ceil(2 * steps / SHARE)
        self._second = steps // SHARE
        """Where the second third begins."""
        self.looks = {1, self._third // 2, self._third}
        """Numbers of steps after which `found` is to be asked: a look at a device's sums waits for it."""
        if to_pass >= GAIN / classes and self._late >= EARLIEST:
            self.looks |= {self._second, self._late}
        self._classes, self._to_pass = classes, to_pass
        self._seen: dict[int, tuple[float, float, int]] = {}
        """By number of steps, the sums of losses and of right answers, over so many pictures."""

    def found(self, step: int, sums: Sequence[float], pictures: int) -> bool:
        """After a third: whether the loss has risen above the first step's, and above that of guessing, with no more
        right answers than guessing has. After two thirds, where much more than that is asked for: whether it still
        has no more.

        Takes the sums of losses and of right answers over the pictures of all steps so far.
        """
        loss, right = sums
        self._seen[step] = loss, right, pictures
        if step == self._third and self._diverges():
            return True
        return step == self._late and self._second in self._seen and self._lags()

    def _diverges(self) -> bool:
        (loss, right, pictures), (first, _, of) = self._between(self._third // 2, self._third), self._seen[1]
        rises = loss / pictures > RISE * max(first / of, math.log(self._classes))
        return rises and self._guesses(right, pictures)

    def _lags(self) -> bool:
        _, right, pictures = self._between(self._second, self._late)
        reach = GAIN * max(right / pictures, 1 / self._classes)
        return reach <= self._to_pass and self._guesses(right, pictures)

    def _between(self, before: int, step: int) -> tuple[float, float, int]:
        (loss_before, right_before, of), (loss, right, upto) = self._seen[before], self._seen[step]
        return loss - loss_before, right - right_before, upto - of

    def _guesses(self, right: float, pictures: int) -> bool:
        """Whether the right answers are as many as guessing gives, or two sigmas more."""
        chance = pictures / self._classes
        return right <= chance + 2 * math.sqrt(chance * (1 - 1 / self._classes))
