import json
from dataclasses import replace
from pathlib import Path

import pytest
from made_report import add_finalists, add_retrain, add_retrieval, made, made_sweep

from carsray.errors import ResultsError
from carsray.report.comparing import compared
from carsray.report.final_model import final_model
from carsray.report.finalists import finalists
from carsray.report.origin import origin
from carsray.report.reading import Sweep, read_sweep
from carsray.report.retrieved import retrieved
from carsray.report.thumbnails import Thumbnails


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """One that has been through all stages."""
    folder = made_sweep(tmp_path_factory.mktemp("later"))
    for add in (add_finalists, add_retrieval, add_retrain):
        add(folder, read_sweep(folder).split)
    return read_sweep(folder)


def test_a_finalist_has_its_interval_its_repetitions_and_what_the_search_said(sweep: Sweep) -> None:
    found = finalists(sweep)
    assert found is not None
    first, second = found.estimates.rows
    assert (first.label, first.number, first.style) == ("trial 2, the winner", "52.00% (40.00% to 64.00%)", "chosen")
    assert first.low is not None
    assert first.high is not None
    assert first.beside is not None
    assert first.low < first.spots[0] < first.at < first.spots[1] < first.beside < first.high
    assert (second.label, second.style) == ("trial 0", "other")


def test_differences_of_finalists_are_in_points(sweep: Sweep) -> None:
    found = finalists(sweep)
    assert found is not None
    assert found.table.rows[1][2:7] == ["50.00%", "45.00%", "30.00% to 60.00%", "+5.0", "-7.0 (-20.0 to +10.0)"]
    assert found.notes == ["a note"]


def test_that_the_sweep_has_gone_on_since_its_winner_was_named_stands_first(tmp_path: Path) -> None:
    folder = made_sweep(tmp_path)
    add_finalists(folder, read_sweep(folder).split)
    confirmed = json.loads(folder.finalists_json.read_text())
    folder.finalists_json.write_text(json.dumps(confirmed | {"among": {"trials": 1, "epochs": 2}}))
    found = finalists(read_sweep(folder))
    assert found is not None
    assert found.notes[0].startswith(
        "the winner was named among 1 trials with 2 epochs, and the sweep has gone on since"
    )
    assert found.notes[1:] == ["a note"]


def test_the_final_model_stands_beside_its_twin(sweep: Sweep) -> None:
    found = final_model(sweep)
    assert found is not None
    assert found.table.rows[0] == ["accuracy (top-1)", "91.67%", "65.00% to 98.50%", "91.67%"]
    assert "12 test pictures (held out, not the official test) at the first opening." in found.sentences[0]
    assert "+5.0 points, 95 % interval -10.0 to +20.0" in found.sentences[1]
    assert found.sentences[2].startswith("Over 2 seeds: mean 87.50%")


def test_retrieval_has_a_chart_a_distance_with_all_its_points(sweep: Sweep) -> None:
    found = retrieved(sweep, Thumbnails(sweep.split, sweep.settings.cache))
    assert found is not None
    assert [plot.title for plot in found.plots] == ["cosine", "euclidean"]
    assert [len(plot.dots) for plot in found.plots] == [12, 12]  # three k, two normalisations, two votes
    assert [tick.text for tick in found.plots[0].x.ticks] == ["1", "3", "5"]
    assert len(found.table.rows) == 24
    assert sum("best" in dot.style for plot in found.plots for dot in plot.dots) == 1


def test_queries_come_with_their_neighbours_and_whether_these_are_right(sweep: Sweep) -> None:
    found = retrieved(sweep, Thumbnails(sweep.split, sweep.settings.cache))
    assert found is not None
    assert len(found.queries) == 8
    for query in found.queries:
        assert query.picture.uri is not None
        assert query.picture.uri.startswith("data:image/jpeg;base64,")
        assert all(right == (picture.name == query.picture.name) for picture, right in query.neighbours)


def test_a_damaged_retrieval_is_named(tmp_path: Path) -> None:
    folder = made_sweep(tmp_path)
    add_retrieval(folder, read_sweep(folder).split)
    (folder.root / "retrieval.csv").write_text("k,accuracy\n1,much\n")
    sweep = read_sweep(folder)
    with pytest.raises(ResultsError, match=r"retrieval\.csv: cannot be read"):
        retrieved(sweep, Thumbnails(sweep.split, sweep.settings.cache))


def test_the_ledger_is_shown_with_short_digests(sweep: Sweep) -> None:
    found = origin(sweep)
    assert found.ledger_sentence == "The test was opened once."
    assert found.ledger is not None
    line = dict(zip(found.ledger.head, found.ledger.rows[0], strict=True))
    assert (line["by"], line["pictures"], line["weights"]) == ("retrain", "12", "a1" * 6)


def test_the_commands_lead_to_the_same_again(sweep: Sweep) -> None:
    begun, *later = origin(sweep).commands
    assert begun.startswith(f"carsray sweep {sweep.folder.space} --data ")
    place = f"made --results {sweep.folder.root.parent}"
    assert begun.endswith(f"--trials 4 --seed 0 --name {place}")
    assert later == ["carsray confirm made", f"carsray retrieval {place}", f"carsray retrain {place} --seeds 2"]


def test_so_do_those_of_a_trial_that_nobody_confirmed(sweep: Sweep) -> None:
    findings = sweep.findings
    assert findings.retrained is not None
    assert findings.retrieved is not None
    retrained = dict(findings.retrained) | {"confirmed": False, "trial": 17, "average": {"decay": 0.999}}
    retrieved = dict(findings.retrieved) | {"source": "results/made/trials/0017/checkpoint.safetensors"}
    other = replace(sweep, findings=replace(findings, retrained=retrained, retrieved=retrieved))
    place = f"made --results {sweep.folder.root.parent}"
    assert list(origin(other).commands)[-2:] == [
        f"carsray retrieval {place} --trial 17",
        f"carsray retrain {place} --trial 17 --seeds 2 --ema 0.999",
    ]


def test_so_do_those_of_a_sweep_that_was_extended(sweep: Sweep) -> None:
    settings = sweep.settings.model_copy(update={"trials": 9, "extended_from": (4, 6)})
    begun, *later = origin(replace(sweep, settings=settings)).commands
    place = f"made --results {sweep.folder.root.parent}"
    assert f"--trials 4 --seed 0 --name {place}" in begun
    assert later[:2] == [f"carsray extend {place} --trials 2", f"carsray extend {place} --trials 3"]


def test_an_unopened_test_is_said_to_be_so(tmp_path: Path) -> None:
    found = origin(made(tmp_path))
    assert (found.ledger, found.ledger_sentence) == (None, "The test has not been opened: its ledger is empty.")


def test_sweeps_are_compared_stage_by_stage(sweep: Sweep, tmp_path: Path) -> None:
    found = compared([sweep, made(tmp_path, name="other")])
    assert found is not None
    first, second = found.table.rows
    assert first[:7] == [
        "made",
        "complete",
        "4/4",
        "0.6000",
        "12",
        "52.00% (40.00% to 64.00%)",
        "91.67% (65.00% to 98.50%)",
    ]
    assert second[:7] == ["other", "complete", "4/4", "0.6000", "12", "not confirmed", "not opened"]
    assert found.sentence.startswith("All of them were judged on the same pictures of val.")


def test_sweeps_over_other_pictures_are_called_incomparable(sweep: Sweep, tmp_path: Path) -> None:
    found = compared([sweep, made(tmp_path, classes=("a", "b"))])
    assert found is not None
    assert "cannot be compared" in found.sentence


def test_one_sweep_is_compared_with_nothing(sweep: Sweep) -> None:
    assert compared([sweep]) is None
