"""optuna-dashboard on a study that a sweep writes."""

import builtins
import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from carsray.errors import ResultsError
from carsray.results import SweepFolder
from carsray.tuning import dashboard
from carsray.tuning.dashboard import dashboard_server
from carsray.tuning.study import NUMBER, StudyFile

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:optuna_dashboard.*", "ignore::ResourceWarning")


def trial_of(number: int, state: TrialState = TrialState.RUNNING, value: float | None = None) -> FrozenTrial:
    return create_trial(
        state=state,
        value=value,
        params={"lr": 0.1},
        distributions={"lr": FloatDistribution(0.01, 1.0)},
        user_attrs={NUMBER: number},
        intermediate_values={1: 0.25} if value else {},
    )


@pytest.fixture
def folder(tmp_path: Path) -> SweepFolder:
    return SweepFolder(tmp_path / "cars-1")


@pytest.fixture
def study(folder: SweepFolder) -> StudyFile:
    folder.root.mkdir()
    file = StudyFile(folder.study, folder.name)
    file.begin(trial_of(0))
    return file


@contextmanager
def served(folder: SweepFolder) -> Iterator[str]:
    """The address of a server that serves."""
    with dashboard_server(folder, 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://{server.server_address[0]}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def asked(url: str, method: str = "GET") -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=60) as answer:
        return json.load(answer)


def states(url: str) -> list[str]:
    return [trial["state"] for trial in asked(f"{url}/api/studies/1")["trials"]]


def test_the_page_follows_the_study_while_a_sweep_writes_it(
    folder: SweepFolder, study: StudyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It looks into the file every two seconds or more; here, whenever it is asked.
    monkeypatch.setattr("optuna_dashboard._storage.timedelta", lambda seconds: timedelta(0))
    with served(folder) as url:
        assert asked(f"{url}/api/studies")["study_summaries"][0]["study_name"] == "cars-1"
        assert states(url) == ["Running"]
        study.end(trial_of(0, TrialState.COMPLETE, 0.5))
        study.begin(trial_of(1))
        assert study.problem == ""
        assert states(url) == ["Complete", "Running"]


def test_nobody_can_change_the_study_from_the_page(folder: SweepFolder, study: StudyFile) -> None:
    with served(folder) as url:
        with pytest.raises(urllib.error.HTTPError) as caught:
            asked(f"{url}/api/studies/1", "DELETE")
        caught.value.close()
        assert states(url) == ["Running"]


def test_it_listens_on_this_machine_alone(folder: SweepFolder, study: StudyFile) -> None:
    with dashboard_server(folder, 0) as server:
        assert server.server_address[0] == "127.0.0.1"


def test_a_port_that_is_taken_is_told(folder: SweepFolder, study: StudyFile) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ResultsError, match=rf"--port {port}: .*Choose another"), dashboard_server(folder, port):
            pass


@pytest.mark.parametrize("content", [None, b"no database, although it is long enough to be one"])
def test_a_study_that_is_not_there_or_is_none_is_told(folder: SweepFolder, content: bytes | None) -> None:
    folder.root.mkdir()
    if content:
        folder.study.write_bytes(content)
    with pytest.raises(ResultsError, match="carsray resume cars-1"), dashboard_server(folder, 0):
        pass


def test_without_the_library_there_is_a_line_with_the_command(
    folder: SweepFolder, study: StudyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = builtins.__import__

    def missing(name: str, *rest: Any) -> Any:
        if name == "optuna_dashboard":
            raise ImportError(name)
        return there(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ResultsError, match="pip install optuna-dashboard"), dashboard.dashboard_server(folder, 0):
        pass
