"""Two Ray nodes on one machine give what one process gives."""

import hashlib
from collections.abc import Iterator

import numpy as np
import pytest
import ray
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from ray.cluster_utils import Cluster

from carsray.cluster.connect import Node
from carsray.cluster.crew import Crew, crew_of
from carsray.config import RunConfig, TrialConfig
from carsray.data.pack import ensure_pack
from carsray.data.records import Row
from carsray.errors import ClusterError, DataError
from carsray.models import build_network
from carsray.retrieval import shards
from carsray.retrieval.embed import embed
from carsray.retrieval.names import DISTANCES
from carsray.retrieval.search import search
from carsray.retrieval.shards import embed_in_shards, search_in_shards
from carsray.training.checkpoint import CheckpointInfo, checkpoint_bytes

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def crew() -> Iterator[Crew]:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=2)
    ray.init(cluster.address, log_to_driver=False)
    with Crew(3) as hands:
        yield hands
    ray.shutdown()
    cluster.shutdown()


def test_the_crew_works_on_both_nodes(crew: Crew) -> None:
    def node(_: int) -> str:  # within the test, since the workers cannot import this file
        return str(ray.get_runtime_context().get_node_id())

    assert len(set(crew.map(node, range(3)))) == 2


def test_who_finds_no_place_is_waited_for_so_long_and_told(crew: Crew) -> None:
    """All processors are the other crew's."""
    too_many = Crew(2, within=0.5)
    with pytest.raises(ClusterError, match=r"of 2 actors with 1 CPU and 0 GPU each 0 began within 0\.5 s"), too_many:
        pass


@pytest.mark.parametrize(
    ("nodes", "size", "with_gpu"),
    [
        ([(0, 2), (8, 2)], 2, True),  # of the head's GPUs none has a processor beside it
        ([(1, 4), (8, 2)], 3, True),
        ([(0, 2), (8, 0)], 8, False),
        ([(4, 0), (2, 0)], 6, False),
    ],
)
def test_a_crew_is_as_large_as_all_of_it_finds_a_place(
    nodes: list[tuple[float, float]], size: int, with_gpu: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[int, float]] = []
    monkeypatch.setattr("carsray.cluster.crew.Crew", lambda size, gpus: made.append((size, gpus)))
    crew_of([Node("", cpus, gpus) for cpus, gpus in nodes])
    assert made == [(size, 1 if with_gpu else 0)]


def test_a_cluster_without_processors_has_no_crew() -> None:
    with pytest.raises(ClusterError, match="no processors"):
        crew_of([Node("head", 0, 2)])


@given(st.integers(0, 2**32), st.integers(1, 5))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_ranking_is_that_of_one_node_to_the_last_bit(crew: Crew, seed: int, values: int) -> None:
    rng = np.random.default_rng(seed)
    gallery = rng.integers(0, values, (50, 6)) + np.float32(1)  # with few values there are ties across shards
    queries = rng.integers(0, values, (9, 6)) + np.float32(1)
    whole, parts = search(gallery, queries, 20, DISTANCES), search_in_shards(crew)(gallery, queries, 20, DISTANCES)
    for distance in DISTANCES:
        np.testing.assert_array_equal(parts[distance].rows, whole[distance].rows)
        np.testing.assert_array_equal(parts[distance].distances, whole[distance].distances)


def test_an_error_of_the_work_comes_back_as_it_is(crew: Crew) -> None:
    gallery = np.ones((9, 2), np.float32)
    gallery[7] = np.nan
    with pytest.raises(DataError, match="gallery: row 7 holds NaN or infinity"):
        search_in_shards(crew)(gallery, np.ones((1, 2)), 1, ["euclidean"])


def test_embeddings_are_those_of_one_machine(crew: Crew, tmp_path, monkeypatch) -> None:
    config = TrialConfig(backbone="cnn", depth=2, width=4, hidden=6, image_size=16, pack_size=16, precision="float32")
    rng = np.random.default_rng(0)
    rows = []
    for number in range(300):
        path = tmp_path / f"{number}.png"
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(path)
        rows.append(Row(str(path), 0, hashlib.sha256(path.read_bytes()).hexdigest()))
    network, run = build_network(config, 2), RunConfig(device="cpu", cache=tmp_path / "cache")
    checkpoint = checkpoint_bytes(network, CheckpointInfo(config, ("a", "b"), 1))
    monkeypatch.setattr(shards, "PICTURES", 128)
    found = embed_in_shards(crew, checkpoint, rows, run)
    whole = embed(network, ensure_pack(rows, config, run.cache), config, run)
    np.testing.assert_allclose(found, whole, rtol=1e-6)
