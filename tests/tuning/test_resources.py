import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from carsray.cluster.connect import Node
from carsray.config import SweepSettings
from carsray.errors import ClusterError, ConfigError
from carsray.tuning.resources import MOST_WITHOUT_GPUS, Resources, require_spent, room_for, share_out, trials_per_gpu


def settings_of(trials: int = 100, **asked: Any) -> SweepSettings:
    return SweepSettings(data=Path("/cars"), cache=Path("/cache"), trials=trials, **asked)


def nodes_of(*shapes: tuple[float, float]) -> list[Node]:
    return [Node(f"node{number}", cpus, gpus) for number, (cpus, gpus) in enumerate(shapes)]


@pytest.mark.parametrize(
    ("nodes", "asked", "expected"),
    [
        # Without GPUs: a trial a processor, eight at most.
        ([(4, 0)], {}, Resources(1, 0, 4)),
        ([(16, 0)], {}, Resources(2, 0, 8)),
        ([(16, 0)], {"concurrent": 3}, Resources(5, 0, 3)),
        ([(2, 0)], {"concurrent": 4}, Resources(0.5, 0, 4)),
        ([(8, 0), (8, 0)], {}, Resources(2, 0, 8)),
        ([(8, 0), (0, 0)], {}, Resources(1, 0, 8)),
        ([(16, 0)] * 7, {}, Resources(8, 0, 8)),  # on one of them are two, and all are alike
        ([(16, 0)] * 7, {"concurrent": 14}, Resources(8, 0, 14)),
        ([(4, 0)], {"trials": 2}, Resources(2, 0, 2)),
        # With GPUs: one each, and the node's processors divided among its trials.
        ([(8, 2)], {}, Resources(4, 1, 2)),
        ([(2, 0), (16, 4), (16, 4)], {}, Resources(4, 1, 8)),
        ([(2, 0), (16, 4), (16, 4)], {"gpus_per_trial": 0.5}, Resources(2, 0.5, 16)),
        ([(16, 4)], {"gpus_per_trial": 0.25}, Resources(1, 0.25, 16)),
        ([(16, 4)], {"gpus_per_trial": 2}, Resources(8, 2, 2)),
        ([(16, 3)], {"gpus_per_trial": 2}, Resources(16, 2, 1)),
        ([(2, 4)], {}, Resources(0.5, 1, 4)),
        ([(16, 4)], {"concurrent": 2}, Resources(8, 1, 2)),
        ([(16, 4)], {"concurrent": 9}, Resources(4, 1, 4)),
        # A head that is to hold no trials offers no processors, whatever GPUs it has.
        ([(0, 2), (8, 2)], {}, Resources(4, 1, 2)),
        ([(8, 2)], {"gpus_per_trial": 0}, Resources(1, 0, 8)),
        ([(2, 1)], {"gpus_per_trial": 1 / 3}, Resources(2 / 3, 1 / 3, 3)),
    ],
)
def test_the_cluster_is_divided(nodes: list[tuple[float, float]], asked: dict[str, Any], expected: Resources) -> None:
    assert share_out(nodes_of(*nodes), settings_of(**asked)) == expected


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 8)), min_size=1, max_size=5),
    st.none() | st.integers(1, 30),
    st.none() | st.sampled_from([0.0, 1.0, 2.0, 0.5, 1 / 3, 0.25]),
    st.integers(1, 50),
)
def test_what_is_promised_fits_at_the_same_time(
    shapes: list[tuple[int, int]], concurrent: int | None, gpus: float | None, trials: int
) -> None:
    nodes = nodes_of(*shapes)
    try:
        found = share_out(nodes, settings_of(trials, concurrent=concurrent, gpus_per_trial=gpus))
    except ClusterError:
        assert (gpus or 0) > max((node.gpus for node in nodes if node.cpus), default=-1.0)
        return
    assert 1 <= found.concurrent <= min(trials, concurrent or trials)
    assert found.cpus > 0
    assert found.threads >= 1
    held = sum(
        math.floor(min(node.cpus / found.cpus, node.gpus / found.gpus if found.gpus else math.inf) + 1e-6)
        for node in nodes
    )
    assert held >= found.concurrent


@pytest.mark.parametrize(
    ("needed", "cpus", "expected"),
    [
        (5, 16, 8),
        (9, 16, 8),
        (10, 16, 4),
        (36, 16, 2),
        (40, 16, 1),
        (120, 16, 1),  # it does not fit at all: batches will be cut
        (5, 7, 4),
        (5, 1, 1),
        (5, 0.5, 1),
    ],
)
def test_trials_share_a_gpu_as_memory_and_processors_allow(needed: int, cpus: float, expected: int) -> None:
    assert trials_per_gpu(needed * 2**30, 80 * 2**30, cpus) == expected


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 8)), min_size=1, max_size=5),
    st.none() | st.integers(1, 30),
    st.none() | st.sampled_from([0.0, 1.0, 2.0, 0.5, 1 / 3, 0.25]),
    st.integers(1, 50),
)
def test_while_no_node_joins_there_is_room_for_what_was_promised(
    shapes: list[tuple[float, float]], concurrent: int | None, gpus: float | None, trials: int
) -> None:
    nodes, asked = nodes_of(*shapes), settings_of(trials, concurrent=concurrent, gpus_per_trial=gpus)
    try:
        share = share_out(nodes, asked)
    except ClusterError:
        assume(False)
    assert room_for(nodes, share, asked) >= min(share.concurrent, MOST_WITHOUT_GPUS)


@pytest.mark.parametrize(
    ("joined", "asked", "room"),
    [
        ([(16, 4)], {}, 8),
        ([(16, 4), (4, 0)], {}, 8),
        ([(2, 4)], {}, 4),  # with no processors for them, GPUs are of no use
        ([(16, 4)], {"concurrent": 6}, 6),
        ([(16, 4)], {"trials": 5}, 5),
    ],
)
def test_nodes_that_join_are_room_for_more(joined: list[tuple[float, float]], asked: dict[str, Any], room: int) -> None:
    begun = nodes_of((16, 4))
    share = share_out(begun, settings_of(**asked))
    assert room_for([*begun, *nodes_of(*joined)], share, settings_of(**asked)) == room


def test_without_gpus_there_is_no_room_for_more_than_the_sampler_can_learn_from() -> None:
    share = share_out(nodes_of((4, 0)), settings_of())
    assert room_for(nodes_of((4, 0), (64, 0)), share, settings_of()) == 8


@pytest.mark.parametrize("fit", [1, 2, 4, 8])
def test_a_share_that_is_recommended_is_one_that_is_accepted(fit: int) -> None:
    assert share_out(nodes_of((16, 2)), settings_of(gpus_per_trial=float(f"{1 / fit:g}"))).concurrent == 2 * fit


@pytest.mark.parametrize("gpus", [0.3, 0.4, 0.75])
def test_a_part_of_a_gpu_that_does_not_fill_it_is_refused(gpus: float) -> None:
    with pytest.raises(ClusterError, match=rf"--gpus-per-trial {gpus}: below 1 only 1/n is allowed"):
        share_out(nodes_of((4, 2)), settings_of(gpus_per_trial=gpus))


def test_one_and_a_half_gpus_are_refused() -> None:
    with pytest.raises(ClusterError, match=r"--gpus-per-trial 1\.5: above 1 only whole numbers"):
        share_out(nodes_of((4, 2)), settings_of(gpus_per_trial=1.5))


def test_more_gpus_than_any_node_has_are_refused_with_the_numbers() -> None:
    with pytest.raises(ClusterError, match=r"--gpus-per-trial 3: .*largest has 2 \(GPUs by node: 0, 2, 2\).*at most 2"):
        share_out(nodes_of((2, 0), (4, 2), (4, 2)), settings_of(gpus_per_trial=3))


def test_gpus_asked_of_a_cluster_without_any_are_refused() -> None:
    with pytest.raises(ClusterError, match="run on processors"):
        share_out(nodes_of((2, 0)), settings_of(gpus_per_trial=1))


def test_a_cluster_without_processors_is_refused() -> None:
    with pytest.raises(ClusterError, match="no processors"):
        share_out(nodes_of((0, 0)), settings_of())


@pytest.mark.parametrize(("gpus", "device"), [(None, "auto"), (0.5, "auto"), (0, "cpu")])
def test_a_trial_without_a_share_of_a_gpu_does_not_take_one(gpus: float | None, device: str) -> None:
    assert share_out(nodes_of((8, 2)), settings_of(gpus_per_trial=gpus)).device == device


@pytest.mark.parametrize("node", [(8, 2), (8, 0)])
def test_a_budget_of_gpu_hours_that_nobody_spends_is_refused(node: tuple[float, float]) -> None:
    share = share_out(nodes_of(node), settings_of(gpus_per_trial=0))
    with pytest.raises(ConfigError, match="--budget-gpu-hours 5: trials have no GPU here"):
        require_spent(5.0, share)
    require_spent(None, share)
    require_spent(5.0, share_out(nodes_of((8, 2)), settings_of()))
