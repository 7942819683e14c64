"""The verdict from repetitions that are on disk already: nothing is trained here."""

import csv
import io
import json
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from carsray.config import TrialConfig
from carsray.data.records import DataSplit, Row
from carsray.data.splits import as_split
from carsray.errors import ResultsError, SweepFailed
from carsray.final.confirm.finalists import Finalist
from carsray.final.confirm.record import Asked, gone_on, write_verdict
from carsray.final.confirm.repetitions import Repetition, plan_repetitions
from carsray.final.confirm.table import finalists_table, settings_lines
from carsray.final.confirm.verdict import Verdict, reach_verdict, statement
from carsray.published.experiments_file import load_experiments
from carsray.results import SweepFolder

ODD = 'it\'s "C:\\weights\\é😀.pth"'


def split() -> DataSplit:
    rows = [Row(f"/{n}.jpg", n % 2, str(n)) for n in range(1000)]
    return as_split(("a", "b"), {"train": rows[:800], "val": rows[800:], "test": []}, "as given")


def finalist(trial: int, score: float, **config: Any) -> Finalist:
    return Finalist(trial, score, {"lr": 0.1 * (trial + 1), "depth": 4}, TrialConfig(epochs=2, **config))


def repeated(root: Path, shares: list[float], seconds: list[float], seeds: int = 3) -> list[Repetition]:
    """Finalists that get these shares of their pictures right, the same ones as far as they go."""
    folder = SweepFolder(root / "cars-1")
    finalists = [finalist(trial, share + 0.05) for trial, share in enumerate(shares)]
    made = plan_repetitions(folder, finalists, split(), seeds, 0)
    for each in made:
        each.folder.begin(each.settings)
        labels = np.array([row.label for row in each.split.val])
        wrong = np.arange(len(labels)) >= round(shares[each.finalist.trial] * len(labels))
        for epoch in (1, 2):
            took = {"seconds/compute": seconds[each.finalist.trial] / 2, "seconds/start": 100.0}
            each.folder.add_epoch({"epoch": epoch, "val/loss": 1 / epoch + each.number, **took})
        each.folder.write_answers(each.split, np.where(wrong, 1 - labels, labels))
    return made


def verdict_of(root: Path, shares: list[float], seconds: list[float], seeds: int = 3) -> Verdict:
    return reach_verdict(repeated(root, shares, seconds, seeds), {})


def test_of_those_alike_the_cheapest_is_named_whatever_starting_took(tmp_path: Path) -> None:
    found = verdict_of(tmp_path, [0.60, 0.61, 0.30], [20, 30, 1])
    assert [standing.finalist.trial for standing in found.standings] == [1, 0, 2]
    assert found.chosen.finalist.trial == 0
    assert (found.chosen.seconds, found.chosen.mean) == (20, pytest.approx(0.6))
    assert "Trials 1 and 0 cannot be told apart; trial 0 is named" in statement(found)
    assert "(trial 1 has the best mean)" in statement(found)


def test_who_computed_the_activations_that_others_share_is_no_dearer_for_that(tmp_path: Path) -> None:
    made = repeated(tmp_path, [0.60, 0.61], [20, 30])
    for each in made:
        if each.finalist.trial == 0:
            each.folder.add_epoch({"epoch": 3, "val/loss": 0.1, "seconds/prefix": 50.0})
    found = reach_verdict(made, {})
    assert (found.chosen.finalist.trial, found.chosen.seconds) == (0, 70)


def test_one_that_is_better_than_all_others_is_named_for_that(tmp_path: Path) -> None:
    found = verdict_of(tmp_path, [0.3, 0.9], [1, 30])
    assert found.separable
    assert statement(found).startswith("Trial 1 is better than the other finalists.")
    assert "the search said 95.00%, 5.0 points more" in statement(found)


def test_one_seed_says_nothing_of_seeds(tmp_path: Path) -> None:
    found = verdict_of(tmp_path, [0.6], [1], seeds=1)
    assert found.seed_deviation is None
    assert "Trial 0 is the only finalist. Trained once more" in statement(found)
    assert "what another seed would change is not in" in statement(found)


def test_a_finalist_with_fewer_repetitions_takes_part_and_one_with_none_does_not(tmp_path: Path) -> None:
    made = repeated(tmp_path, [0.6, 0.5, 0.4], [1, 1, 1])
    for each in made:
        if each.finalist.trial == 2 or (each.finalist.trial == 1 and each.number == 0):
            each.folder.answers.unlink()
    found = reach_verdict(made, {})
    assert {s.finalist.trial: len(s.accuracies) for s in found.standings} == {0: 3, 1: 2}
    assert found.lost == {1: (1, 3), 2: (3, 3)}
    assert "Of trial 1, 1 of 3 repetitions failed and do not count. Of trial 2, 3 of 3" in statement(found)


def test_whoever_is_left_over_is_not_called_the_only_finalist(tmp_path: Path) -> None:
    made = repeated(tmp_path, [0.6, 0.5], [1, 1])
    for each in made:
        if each.finalist.trial == 1:
            each.folder.answers.unlink()
    assert "Trial 0 is the only finalist of which a repetition has ended." in statement(reach_verdict(made, {}))


def test_without_one_repetition_there_is_no_verdict_but_a_reason(tmp_path: Path) -> None:
    made = repeated(tmp_path, [0.6], [1], seeds=1)
    made[0].folder.answers.unlink()
    with pytest.raises(SweepFailed, match="none of 1 repetitions reached its last epoch; the first: out of luck"):
        reach_verdict(made, {made[0].name: "out of luck\nTraceback"})


def written(root: Path, found: Verdict) -> tuple[SweepFolder, dict[str, Any]]:
    folder = SweepFolder(root / "cars-1")
    return folder, write_verdict(folder, found, Asked("carsray confirm cars-1", 3, 3), ["lr", "depth"])


def test_the_files_agree(tmp_path: Path) -> None:
    found = verdict_of(tmp_path, [0.60, 0.61, 0.30], [20, 30, 1])
    folder, said = written(tmp_path, found)
    rows = list(csv.DictReader(io.StringIO(folder.finalists.read_text())))
    assert [row["trial"] for row in rows] == ["1", "0", "2"]
    assert [row["chosen"] for row in rows] == ["False", "True", "False"]
    assert [row["separable"] for row in rows] == ["False", "False", "True"]
    assert rows[0]["difference_low"] == ""
    assert float(rows[2]["difference_high"]) < 0
    assert rows[1]["lr"] == "0.1"
    assert json.loads(folder.finalists_json.read_text()) == said
    assert said["val_losses"] == [2.0, 1.5]
    assert said["curse"] == pytest.approx(0.05)
    assert [each["trial"] for each in said["finalists"]] == [1, 0, 2]


def test_a_winner_knows_whether_the_sweep_has_gone_on(tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path / "cars-1")
    assert gone_on(folder) == ""
    folder.trial(0).root.mkdir(parents=True)
    folder.trial(0).append({"epoch": 1})
    written(tmp_path, verdict_of(tmp_path, [0.6], [1]))
    assert gone_on(folder) == ""
    folder.trial(1).root.mkdir()  # one that has begun says nothing yet
    assert gone_on(folder) == ""
    folder.trial(1).append({"epoch": 1})
    assert "named among 1 trials with 1 epochs" in gone_on(folder)
    assert "2 trials, 2 epochs. To name it anew: carsray confirm cars-1" in gone_on(folder)


@pytest.mark.parametrize("text", ["", "[", "3"])
def test_of_a_verdict_that_cannot_be_read_nobody_says_that_it_holds(tmp_path: Path, text: str) -> None:
    folder = SweepFolder(tmp_path)
    folder.finalists_json.write_text(text)
    with pytest.raises(ResultsError, match=r"finalists\.json: cannot be read"):
        gone_on(folder)


def test_every_setting_comes_back_from_the_winners_file(tmp_path: Path) -> None:
    found = verdict_of(tmp_path, [0.6], [1])
    config = TrialConfig(
        weights=ODD, lr=1.0000000000000002e-05, unfreeze_depth=3, nesterov=True, classes=7, split="70/15/15", seed=9,
        warmup_epochs=1, epochs=2,
    )  # fmt: skip
    odd = replace(found.chosen, finalist=Finalist(0, 0.6, {}, config))
    folder, _ = written(tmp_path, replace(found, standings=(odd,), chosen=odd))
    assert load_experiments(folder.winner).of("winner").config() == config.model_copy(update={"seed": 0})
    (entry,) = tomllib.loads(folder.winner.read_text())["experiment"]
    assert "seed" not in entry
    assert "momentum" not in entry  # as usual


def test_the_table_marks_the_winner_and_fits_a_terminal(tmp_path: Path) -> None:
    found = verdict_of(tmp_path, [0.60, 0.61, 0.30], [20, 30, 1])
    console = Console(width=100, file=io.StringIO(), highlight=False)
    console.print(finalists_table(found))
    file = console.file
    assert isinstance(file, io.StringIO)
    lines = file.getvalue().splitlines()
    assert len(lines) == 4
    assert lines[2].split()[:4] == ["→", "0", "65.00%", "60.00%"]
    assert "…" not in file.getvalue()
    assert list(settings_lines(found)) == ["trial 1: lr=0.2", "trial 0: lr=0.1", "trial 2: lr=0.3"]
