import json
from pathlib import Path

from made_report import Told, add_finalists, add_retrain, made, made_sweep

from carsray.report.answer import answer
from carsray.report.comparing import compared
from carsray.report.cost import Cost
from carsray.report.reading import read_sweep


def test_before_confirm_the_best_trial_is_named_with_what_speaks_against_it(tmp_path: Path) -> None:
    found = answer(made(tmp_path))
    assert (found.kind, found.value) == ("Best trial so far, not confirmed", "60.00%")
    assert found.interval.startswith("no interval: it is the largest of 3 scores, which flatters it; differences below")
    assert found.interval.endswith("points are within its noise")
    assert found.meaning == "val accuracy of trial 2 after 4 epochs, on 12 pictures"
    assert found.settings == [("lr", "0.001"), ("optimizer", "adam"), ("batch_size", "32")]
    assert found.doubts[0].startswith("Not confirmed: `carsray confirm made --results")
    assert "Best batch_size 32 sits at the high end of 8 to 32; a higher one may be better." in found.doubts
    assert "1 of 4 trials failed." in found.doubts
    assert found.stages is None


def test_a_single_score_is_not_called_the_largest(tmp_path: Path) -> None:
    assert "largest" not in answer(made(tmp_path, [Told([0.25])])).interval


def test_after_confirm_the_mean_over_repetitions_is_the_answer(tmp_path: Path) -> None:
    folder = made_sweep(tmp_path)
    add_finalists(folder, read_sweep(folder).split)
    found = answer(read_sweep(folder))
    assert (found.kind, found.value, found.interval) == (
        "The winner, confirmed",
        "52.00%",
        "95 % interval 40.00% to 64.00%",
    )
    assert found.stages is not None
    assert [row.number for row in found.stages.rows] == ["60.00%, no interval", "52.00% (40.00% to 64.00%)"]
    assert found.stages.rows[0].low is None


def test_after_retrain_the_final_model_on_test_is_the_answer(tmp_path: Path) -> None:
    folder = made_sweep(tmp_path)
    for add in (add_finalists, add_retrain):
        add(folder, read_sweep(folder).split)
    found = answer(read_sweep(folder))
    assert (found.kind, found.value) == ("Final model, on test", "91.67%")
    assert "12 test pictures (held out, not the official test)" in found.meaning
    assert found.costs == [
        Cost("Search", "1 min 40 s", "not recorded"),
        Cost("4 repetitions, summed", "42 s", "not recorded"),
        Cost("Retrain and test", "1 min 15 s", "0.50"),
    ]


def test_of_another_trial_than_the_winner_nothing_is_told_that_is_the_winner_s(tmp_path: Path) -> None:
    folder = made_sweep(tmp_path)
    for add in (add_finalists, add_retrain):
        add(folder, read_sweep(folder).split)
    record = json.loads((folder.root / "retrain/retrain.json").read_text())
    (folder.root / "retrain/retrain.json").write_text(json.dumps(record | {"confirmed": False, "trial": 0}))
    sweep = read_sweep(folder)
    found = answer(sweep)
    score = next(row.score for row in sweep.rows if row.trial == 0)
    assert found.stages is not None
    assert [row.number for row in found.stages.rows] == [f"{score:.2%}, no interval", "91.67% (65.00% to 98.50%)"]
    assert found.doubts[0].startswith("Not confirmed: the final model is of another config than the winner")
    table = compared([sweep, sweep])
    assert table is not None
    assert dict(zip(table.table.head, table.table.rows[0], strict=True))["repeated, 95 %"] == "not confirmed"


def test_without_an_epoch_there_is_no_result(tmp_path: Path) -> None:
    found = answer(made(tmp_path, [Told([], state="failed", reason="no memory")]))
    assert (found.kind, found.value) == ("No result", "")
    assert found.meaning == "none of 1 trials reached the end of an epoch"
