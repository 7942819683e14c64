"""What is to be retrained: the winner that was confirmed, or a trial that a person names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from carsray.config import TrialConfig
from carsray.errors import ConfigError, ResultsError
from carsray.final.confirm.finalists import fixed_length
from carsray.final.confirm.record import read_finalists, settings_of
from carsray.published.experiments_file import load_experiments
from carsray.published.splits import DECIDING
from carsray.results import MICRO_BATCHES, SweepFolder

WINNER = "winner"
"""The id of the one experiment in winner.toml."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A config whose length and schedule are fixed before it is trained."""

    config: TrialConfig
    confirmed: bool
    """Whether it was repeated on fresh pictures before it was named."""
    trial: int | None
    """Of the sweep; None where nobody says which, as where a person wrote winner.toml or changed it."""
    val_losses: tuple[float, ...] = ()
    """By epoch, for schedule plateau: mean over the repetitions, or of the trial itself."""
    statement: str = ""
    """What was found of its lead over the other finalists."""
    micro_batches: int = 1
    """Parts that its batches were cut into in the sweep, for lack of memory."""

    @property
    def id(self) -> str:
        """As the ledger of test openings has it."""
        return WINNER if self.confirmed or self.trial is None else f"trial-{self.trial:04d}"

    def seeded(self, seed: int) -> TrialConfig:
        """The config of one training; augmentation differs from seed to seed as well."""
        return self.config.model_copy(update={"seed": seed, "view_seed": seed})


def read_chosen(folder: SweepFolder, trial: int | None) -> Chosen:
    """The winner, or with ``trial`` that trial, unconfirmed.

    Raises ResultsError where there is none, or its schedule lacks what it is to look at; ConfigError where winner.toml
    does not fit the sweep's pictures.
    """
    chosen = _winner(folder) if trial is None else _trial(folder, trial)
    _check_pictures(folder, chosen.config)
    if chosen.config.schedule == "plateau" and len(chosen.val_losses) < chosen.config.epochs:
        raise ResultsError(
            f"{folder.root / 'finalists.json'}: {len(chosen.val_losses)} val_losses, and schedule plateau needs one "
            f"for each of {chosen.config.epochs} epochs. Run carsray confirm {folder.arguments} again, or set another "
            "schedule"
        )
    return chosen


def _winner(folder: SweepFolder) -> Chosen:
    path = folder.root / "winner.toml"
    if not path.is_file():
        raise ResultsError(
            f"{path}: no winner yet. Run carsray confirm {folder.arguments} first, "
            "or retrain a trial unconfirmed with --trial N"
        )
    config = load_experiments(path).of(WINNER).config()
    told = read_finalists(folder)
    # What was repeated is not what a person has written there since. Older records name no settings.
    if not told or told.get("settings", settings_of(config)) != settings_of(config):
        return Chosen(config, False, None)
    losses = tuple(map(float, told.get("val_losses", ())))
    number = told.get("chosen")
    history = [] if number is None else folder.trial(number).read_history()
    return Chosen(config, True, number, losses, str(told.get("statement", "")), _parts(history))


def _trial(folder: SweepFolder, number: int) -> Chosen:
    trial = folder.trial(number)
    history = trial.read_history()
    if not history:
        there = [str(each.number) for each in folder.all_trials() if each.history.exists()]
        raise ResultsError(f"--trial {number}: has no epoch on record. Trials that have: {', '.join(there) or 'none'}")
    config = trial.read_trial_config()
    config = config.model_copy(update={"epochs": fixed_length(config, history)})
    losses = tuple(float(line["val/loss"]) for line in history[: config.epochs])
    return Chosen(config, False, number, losses, micro_batches=_parts(history))


def _parts(history: Sequence[Mapping[str, Any]]) -> int:
    return int(history[-1].get(MICRO_BATCHES, 1)) if history else 1


def _check_pictures(folder: SweepFolder, config: TrialConfig) -> None:
    """Raise ConfigError where the config asks for other pictures than the sweep's split holds."""
    searched = next((trial.read_trial_config() for trial in folder.all_trials() if trial.config.exists()), config)
    for name in DECIDING:
        if (asked := getattr(config, name)) != (used := getattr(searched, name)):
            raise ConfigError(
                f"{folder.root / 'winner.toml'}: {name} = {asked!r}, but the sweep's pictures were split with "
                f"{used!r}. Put it back, or begin a sweep with it"
            )
