"""Whether a trial has lost already in its first epoch. The rest of that epoch would be waste."""

import math
from collections.abc import Sequence

RISE = 1.1
"""Of 50 random trials of MobileNetV2 on 40 classes this cuts nine, which all end their first epoch below 0.07."""
EARLIEST = 12
"""Steps before a verdict: the first ones may throw a network off that recovers."""
GAINS = {1 / 3: 8, 1 / 2: 5, 2 / 3: 4}
"""After this share of its first epoch, a network ends it with at most so many times the share of right answers that it
had in the second half of what it has trained: at most 6.6, 4.6 and 3.3 times as many in 48 random trials of
MobileNetV2 on 40 classes."""


class Hopeless:
    """Follows the first epoch of a trial, from sums over the steps so far."""

    def __init__(self, steps: int, classes: int, to_pass: float) -> None:
        """``to_pass`` is the accuracy that the trial will be asked for after this epoch, as far as is known."""
        self._classes, self._to_pass = classes, to_pass
        self._gains: dict[int, int] = {}
        """The verdicts, by number of steps. In a short epoch several fall together: the most patient holds."""
        for share, gain in GAINS.items():
            self._gains.setdefault(max(math.ceil(share * steps), EARLIEST), gain)
        self._third = min(self._gains)
        asked = {step for step, gain in self._gains.items() if step == self._third or to_pass >= gain / classes}
        self.looks = {1} | asked | {step // 2 for step in asked}
        """Numbers of steps after which `found` is to be asked: a look at a device's sums waits for it."""
        self._seen: dict[int, tuple[float, float, int]] = {}
        """By number of steps, the sums of losses and of right answers, over so many pictures."""

    def found(self, step: int, sums: Sequence[float], pictures: int) -> bool:
        """After a third, the loss has risen above the first step's, and above that of guessing, with no more right
        answers than guessing has. Or, now and later, there are still no more, where much more is asked for.

        Takes the sums of losses and of right answers over the pictures of all steps so far.
        """
        loss, right = sums
        self._seen[step] = loss, right, pictures
        if step not in self._gains or step // 2 not in self._seen:
            return False
        return self._guesses(step) and (self._lags(step) or (step == self._third and self._rises(step)))

    def _rises(self, step: int) -> bool:
        (loss, _, pictures), (first, _, of) = self._since_half(step), self._seen[1]
        return loss / pictures > RISE * max(first / of, math.log(self._classes))

    def _lags(self, step: int) -> bool:
        _, right, pictures = self._since_half(step)
        return self._gains[step] * max(right / pictures, 1 / self._classes) <= self._to_pass

    def _guesses(self, step: int) -> bool:
        """Whether the right answers are as many as guessing gives, or two sigmas more."""
        _, right, pictures = self._since_half(step)
        chance = pictures / self._classes
        return right <= chance + 2 * math.sqrt(chance * (1 - 1 / self._classes))

    def _since_half(self, step: int) -> tuple[float, float, int]:
        (loss_before, right_before, of), (loss, right, upto) = self._seen[step // 2], self._seen[step]
        return loss - loss_before, right - right_before, upto - of
