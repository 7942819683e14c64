"""Whose turn it is when a slot is free: a trial that stands at a rung, a new one, or nobody's yet."""

from collections import Counter
from collections.abc import Iterable

from carsray.tuning.rungs import RungTable

LOSSES = 3
"""A trial whose actor is lost, most often with its node, comes again: so often without an epoch in between."""


class Turns:
    """What the searcher and the scheduler have to agree on. Knows trials by carsray's numbers; nothing of Ray."""

    def __init__(
        self, table: RungTable, slots: int, new: int, cut_off: Iterable[int] = (), baseline: int | None = None
    ) -> None:
        """``new`` trials are to begin; those ``cut_off`` in the middle of an earlier process run first.

        The ``baseline`` is what the others are to beat: it runs to its end without a pause.
        """
        self.table, self.new, self._baseline = table, new, baseline
        self.slots, self._cut_off = slots, list(cut_off)
        for trial in self._cut_off:
            table.go_on(trial)
        self.winds_down = False
        """Whether nothing is to begin or to be promoted any more."""
        self._running: set[int] = set()
        self._begun: set[int] = set()
        self._losses: Counter[int] = Counter()

    def free(self) -> bool:
        """Whether there is a slot for somebody: one that nobody has, and the sweep does not wind down."""
        return not self.winds_down and len(self._running) < self.slots

    def promoted(self) -> int | None:
        """The paused trial that is to go on now."""
        return self._next_promotion() if self.free() else None

    def _next_promotion(self) -> int | None:
        """Whose turn it would be, were a slot free."""
        promoted = self.table.next_promotion()
        if promoted is None and not self._running and not self.new and not self._cut_off:
            promoted = self.table.leader()
        return promoted

    def wants_new(self) -> bool:
        """Whether a new trial is to begin now."""
        return self.free() and self.new > 0 and not self._cut_off and self.promoted() is None

    def recalled(self) -> int | None:
        """The trial of an earlier process, or of an actor that was lost, that is to go on now."""
        if not self.free():
            return None
        if self._cut_off:
            return self._cut_off[0]
        promoted = self.promoted()
        return promoted if promoted not in self._begun else None

    def over(self) -> bool:
        """Whether nothing runs, and nothing will in this process."""
        return self.complete() or (self.winds_down and not self._running)

    def complete(self) -> bool:
        """Whether nothing runs, and nothing is left to run, not for a later process either."""
        return not self._running and not self.new and not self._cut_off and self._next_promotion() is None

    def begin(self, trial: int) -> None:
        """A trial that this process has not run before takes a slot."""
        if trial in self._cut_off:
            self._cut_off.remove(trial)
        elif trial in self.table.paused():
            self.table.go_on(trial)
        else:
            self.new -= 1
        self._begun.add(trial)
        self._running.add(trial)

    def go_on(self, trial: int) -> None:
        """A paused trial takes a slot."""
        self.table.go_on(trial)
        self._running.add(trial)

    def stand(self, trial: int) -> bool:
        """A trial has come to a rung, and gives up its slot there; whether it goes on at once."""
        self._running.discard(trial)
        if not self.free() or (trial != self._baseline and self.promoted() != trial):
            return False
        self.go_on(trial)
        return True

    def to_pass(self, trial: int) -> float | None:
        """What a trial will be asked for after its first epoch, as things stand; None where it will not be asked."""
        return None if trial == self._baseline else self.table.to_pass()

    def reached(self, trial: int, epoch: int, score: float, seconds: float | None = None) -> bool:
        """A trial has ended an epoch; a whole one takes so many ``seconds``. Whether it stands at a rung now."""
        del self._losses[trial]
        return self.table.record(trial, epoch, score, seconds)

    def lose(self, trial: int) -> None:
        """A trial has lost its actor, and with it its slot; it comes again, unless that happened too often."""
        self._losses[trial] += 1
        if self._losses[trial] <= LOSSES:
            self.leave(trial)
        else:
            self.fail(trial)

    def leave(self, trial: int) -> None:
        """A trial gives up its slot before its end, to go on later; one that has none keeps its place at its rung."""
        if trial in self._running:
            self._running.discard(trial)
            self._cut_off.append(trial)

    def comes_again(self, trial: int) -> bool:
        """Whether a trial waits to go on, where it was cut off or at its rung."""
        return trial in self._cut_off or trial in self.table.paused()

    def end(self, trial: int) -> None:
        """A trial gives up its slot and will not go on."""
        self.table.drop(trial)
        self._running.discard(trial)

    def fail(self, trial: int) -> None:
        """A trial gives up its slot, and its place in the table to the next."""
        self.table.fail(trial)
        self._running.discard(trial)

    def wind_down(self) -> None:
        """Begin nothing and promote nothing from now on: what is left is for a later process."""
        self.winds_down = True

    def close(self) -> None:
        """The sweep is over. Where it is complete, nobody goes on from a rung any more."""
        if self.complete():
            for trial in self.table.paused():
                self.table.drop(trial)
