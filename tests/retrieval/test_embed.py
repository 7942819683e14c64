import numpy as np
import torch

from carsray.config import RunConfig, TrialConfig
from carsray.data.batches import eval_batches
from carsray.data.pack import Pack
from carsray.models import build_network
from carsray.retrieval.embed import embed

TINY = TrialConfig(backbone="cnn", depth=2, width=4, hidden=6, image_size=16, pack_size=16, precision="float32")


def test_embeddings_come_in_the_order_of_the_pack_with_progress(tmp_path) -> None:
    rng = np.random.default_rng(0)
    pack = Pack(rng.integers(0, 256, (300, 16, 16, 3), dtype=np.uint8), np.zeros(300, np.int64), "noise")
    network = build_network(TINY, 3)
    shown: list[tuple[int, int]] = []
    found = embed(
        network, pack, TINY, RunConfig(device="cpu", cache=tmp_path), lambda done, total: shown.append((done, total))
    )
    with torch.inference_mode():
        batches = [network.eval().embed(batch.images) for batch in eval_batches(pack, TINY, torch.device("cpu"))]
    np.testing.assert_allclose(
        found, torch.cat(batches).numpy(), rtol=1e-5, atol=1e-5
    )  # BatchNorm is part of the convolutions
    assert (found.shape, found.dtype) == ((300, network.embedding_size), np.float32)
    assert shown == [(128, 300), (256, 300), (300, 300)]
