"""What can go wrong through a person's doing. Each message reads: place, value given, what is allowed, what to do.

    CarsrayError            one line on stderr, exit code 2
      SpaceError            a space or experiments file; carries all of its problems at once
      ConfigError           a setting
      DataError             pictures, labels, splits, packs
        SealedTestError     a sweep tried to open a picture of the test split
      WeightsError          a weights file that does not fit the network
      ResultsError          a folder of results or caches
      PackageError          an exported model that is damaged, or a folder that is none
      StorageError          a bucket, or a shared folder, that holds records or pictures
      ClusterError          Ray, or a request that no node can hold
      TrackingError         W&B: a wrong key, or two that send one sweep
      SweepFailed           the sweep ended without one usable trial
    TrialFailed             this trial is bad; it is recorded and the sweep goes on

Everything else is a bug and keeps its traceback.
"""

from collections.abc import Sequence


class CarsrayError(Exception):
    """Something a person can cause and mend."""


class SpaceError(CarsrayError):
    """All problems of one space or experiments file, one line each."""

    def __init__(self, place: str, problems: Sequence[str]) -> None:
        self.place = place
        self.problems = list(problems)
        super().__init__(place, self.problems)

    def __str__(self) -> str:
        if len(self.problems) == 1:
            return f"{self.place}: {self.problems[0]}"
        lines = "".join(f"\n  {problem}" for problem in self.problems)
        return f"{len(self.problems)} problems in {self.place}:{lines}"


class ConfigError(CarsrayError):
    """A setting outside what is allowed."""


class DataError(CarsrayError):
    """Pictures, labels or splits that cannot be used."""


class SealedTestError(DataError):
    """The test split is sealed while a sweep runs."""


class WeightsError(CarsrayError):
    """A weights file that does not fit the network."""


class ResultsError(CarsrayError):
    """A folder of results or caches that is missing, taken, unreadable or full."""


class PackageError(CarsrayError):
    """An exported model that is damaged or was changed, or a folder that is none."""


class StorageError(CarsrayError):
    """A bucket, or a shared folder, that cannot be reached, read or written."""


class ClusterError(CarsrayError):
    """Ray is not there, or cannot hold what was asked for."""


class TrackingError(CarsrayError):
    """W&B refuses, or something that it needs is missing."""


class SweepFailed(CarsrayError):
    """No usable trial came out."""


class TrialFailed(Exception):
    """This trial cannot go on (non-finite loss, say); the sweep does."""
