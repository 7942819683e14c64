"""The workspace and the report that a server gets, panel by panel."""

from pathlib import Path
from typing import Any

import pytest
from made_record import FINALISTS, RETRIEVAL, ended_sweep, training
from wandb_server import Stored
from wandb_views import all_panels, asked_for, chapters, panels_of, sections, there, views

from carsray.errors import TrackingError
from carsray.progress import silent
from carsray.results import SweepFolder
from carsray.tracking.dashboard import make
from carsray.tracking.dashboard.make import make_dashboard
from carsray.tracking.dashboard.tables import markdown
from carsray.tracking.facts import read_facts
from carsray.tracking.sync import sync

pytestmark = pytest.mark.usefixtures("sdk")

SCORE = "summary:val/accuracy_best.max"
SEARCHED = ("optimizer", "lr", "momentum")


@pytest.fixture
def sweep(tmp_path: Path, server: Stored) -> SweepFolder:
    """With every stage that there is, its runs sent."""
    folder = ended_sweep(tmp_path)
    training(folder.root / "confirm/0000/seed-0", 0.5)
    (folder.root / "finalists.csv").write_text(FINALISTS)
    (folder.root / "retrieval.csv").write_text(RETRIEVAL)
    sync(folder, "carsray", silent)
    return folder


def only(panels: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [panel["config"] for panel in panels if panel["viewType"] == kind]


def test_every_panel_of_the_workspace_asks_for_what_the_runs_have(sweep: SweepFolder, server: Stored) -> None:
    make_dashboard(sweep, "carsray")
    workspace, _ = views(server)
    found = sections(workspace)
    assert list(found) == [
        *("Best so far", "What matters", "Learning curves and rungs", "Cost", "Failures"),
        *("Finalists", "Finalists with intervals", "Retrain", "Retrieval", "Each parameter", "Machines"),
    ]
    [best] = only(found["Best so far"], "Scatter Plot")
    assert (best["xAxis"], best["yAxis"], best["showMaxYAxisLine"]) == ("summary:sweep/hours", SCORE, True)
    [importance] = only(found["What matters"], "Parameter Importance")
    assert importance["targetKey"] == "val/accuracy_best.max"
    [parallel] = only(found["What matters"], "Parallel Coordinates Plot")
    axes = [column["accessor"] for column in parallel["columns"]]
    assert axes == [*(f"config:{name}.value" for name in SEARCHED), SCORE]
    assert [column.get("log") for column in parallel["columns"]] == [None, True, None, None]
    curve = only(found["Learning curves and rungs"], "Run History Line Plot")[0]
    assert (curve["xAxis"], curve["metrics"]) == ("epoch", ["val/accuracy_best", "rung/accuracy_best"])
    assert curve["chartTitle"].endswith("at epochs 1, 2")
    [cost] = only(found["Cost"], "Scatter Plot")
    assert (cost["xAxis"], cost["yAxis"]) == ("summary:cost/gpu_hours", SCORE)
    assert [each["groupBy"] for each in only(found["Failures"], "Bar Chart")] == ["outcome.value"] * 2
    [intervals] = only(found["Finalists with intervals"], "Run History Line Plot")
    assert (intervals["xAxis"], intervals["metrics"]) == (
        "finalist/rank",
        ["finalist/mean", "finalist/low", "finalist/high"],
    )
    [retrieval] = only(found["Retrieval"], "Run History Line Plot")
    assert (retrieval["xAxis"], retrieval["metricRegex"]) == ("k", "retrieval/.*/accuracy")
    assert [each["xAxis"] for each in only(found["Each parameter"], "Scatter Plot")] == [
        f"config:{name}.value" for name in SEARCHED
    ]


def test_every_panel_asks_for_what_the_runs_have(sweep: SweepFolder, server: Stored) -> None:
    make_dashboard(sweep, "carsray")
    # This one was never retrained, has no GPU to look at, and is no real training: tests/tuning has one.
    absent = {"system/gpu", "system/gpu_memory_gb", "system/memory_gb", "system/cache_gb"}
    absent |= {"train/accuracy", "val/loss", "seconds/data"}
    known = there(server) | {("history", name) for name in absent}
    for panel in all_panels(server):
        assert asked_for(panel) <= known, panel


def test_the_workspace_shows_this_sweep_ungrouped_best_first(sweep: SweepFolder, server: Stored) -> None:
    make_dashboard(sweep, "carsray")
    [runs] = views(server)[0]["runSets"]
    [kept] = runs["filters"]["filters"]
    assert (kept["key"], kept["op"], kept["value"]) == (
        {"section": "config", "name": "sweep_id"},
        "=",
        read_facts(sweep).id,
    )
    assert runs["grouping"] == []
    assert runs["sort"]["keys"] == [
        {"key": {"section": "summary", "name": "val/accuracy_best.max"}, "ascending": False}
    ]


def test_each_chapter_of_the_report_is_about_runs_of_its_kind(sweep: SweepFolder, server: Stored) -> None:
    make_dashboard(sweep, "carsray")
    found = chapters(views(server)[1])
    kinds = {title: grid["runSets"][0]["filters"]["filters"][1]["value"] for title, (_, grid) in found.items()}
    assert {title: kind for title, kind in kinds.items() if kind != "trial"} == {
        "Finalists": "finalist",
        "Finalists with intervals": "verdict",
        "Retrain": "retrain",
        "Retrieval": "retrieval",
    }
    for _, grid in found.values():
        places = [panel["layout"] for panel in panels_of(grid)]
        assert all(place["x"] + place["w"] <= 24 for place in places)
        assert len({(place["x"], place["y"]) for place in places}) == len(places)


def test_the_report_says_the_answer_and_the_figures_in_words(sweep: SweepFolder, server: Stored) -> None:
    make_dashboard(sweep, "carsray")
    report = views(server)[1]
    answer = next(block["content"] for block in report["blocks"] if block["type"] == "markdown-block")
    assert "Best of 3 trials (1 finished, 1 pruned, 1 failed): **trial 0**, val/accuracy 0.5000." in answer
    assert "**trial 7**, mean accuracy 0.5500, 95 % interval 0.5000 to 0.6000" in answer
    found = {title: text for title, (text, _) in chapters(report).items()}
    assert "| 0 | finished | 3 | 0.5000 | sgd | 0.01 | 0.5 |" in found["Best so far"]
    assert "| trial | 1 | 2 | loss became nan |" in found["Failures"]
    assert "| 7 (chosen) | 3 | 0.5500 | 0.5000 to 0.6000 | 0.6000 |" in found["Finalists with intervals"]
    assert "| 5 | cosine | l2 | majority | 0.9000 | 0.8000 to 0.9500 |" in found["Retrieval"]


def test_before_the_later_stages_the_report_says_how_to_get_them(tmp_path: Path, server: Stored) -> None:
    folder = ended_sweep(tmp_path)
    sync(folder, "carsray", silent)
    make_dashboard(folder, "carsray")
    found = {title: text for title, (text, _) in chapters(views(server)[1]).items()}
    assert "carsray confirm cars-1" in found["Finalists with intervals"]
    assert "carsray retrieval cars-1" in found["Retrieval"]


def test_a_second_call_changes_what_the_first_one_made(sweep: SweepFolder, server: Stored) -> None:
    first = make_dashboard(sweep, "carsray")
    (sweep.root / "finalists.csv").write_text(FINALISTS.replace("0.55", "0.57"))
    assert make_dashboard(sweep, "carsray") == first
    assert len(server.views) == 2
    assert "0.5700" in chapters(views(server)[1])["Finalists with intervals"][0]


def test_what_somebody_has_deleted_is_made_anew(sweep: SweepFolder, server: Stored) -> None:
    make_dashboard(sweep, "carsray")
    server.views.clear()
    make_dashboard(sweep, "carsray")
    assert len(server.views) == 2


def test_a_sweep_that_was_not_sent_has_nothing_to_show(tmp_path: Path, server: Stored) -> None:
    with pytest.raises(TrackingError, match="carsray wandb sync cars-1"):
        make_dashboard(ended_sweep(tmp_path), "carsray")


def test_without_the_library_there_is_a_line_with_the_command(
    sweep: SweepFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make, "find_spec", lambda name: None)
    with pytest.raises(TrackingError, match="pip install wandb-workspaces"):
        make_dashboard(sweep, "carsray")


def test_a_server_that_will_not_have_it_is_a_line(sweep: SweepFolder, server: Stored) -> None:
    server.unknown.add("upsertView")
    with pytest.raises(TrackingError, match="cannot be saved") as caught:
        make_dashboard(sweep, "carsray")
    assert "\n" not in str(caught.value)


def test_a_bar_within_a_cell_does_not_end_it() -> None:
    assert markdown(["a"], [["x|y"]]).splitlines()[2] == "| x\\|y |"
