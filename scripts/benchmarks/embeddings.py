"""Real embeddings for the retrieval benchmark: every picture of a folder through a frozen backbone.

    .venv/bin/python scripts/benchmarks/embeddings.py ~/cars --weights imagenet --out mobilenet.npz
    scripts/bench retrieval --embeddings mobilenet.npz --name retrieval-mobilenet_v2

The train pictures are cut in two by chance: one half is the gallery, the other one asks.
"""

import argparse
from pathlib import Path

import numpy as np

from carsray.config import RunConfig, TrialConfig
from carsray.data.inspect import inspect
from carsray.data.pack import ensure_pack
from carsray.data.records import Row
from carsray.data.sources.catalog import open_catalog
from carsray.models import build_network
from carsray.progress import bar
from carsray.retrieval.embed import embed


def main() -> None:
    """Embed and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, help="Stanford Cars, a folder per class, or a CSV")
    parser.add_argument("--weights", default="imagenet", help="imagenet, or a file")
    parser.add_argument("--backbone", default="mobilenet_v2")
    parser.add_argument("--image-size", type=int, default=160)
    parser.add_argument("--cache", type=Path, default=Path(".cache/bench"))
    parser.add_argument("--out", type=Path, required=True, help="the .npz to write")
    args = parser.parse_args()
    catalog = open_catalog(args.pictures)
    looks = inspect(catalog, args.cache)
    pictures = [each for each in catalog.pictures if each.split != "test" and looks[each.path].problem is None]
    rows = [Row(str(each.path), each.label, looks[each.path].digest) for each in pictures]
    config = TrialConfig(
        backbone=args.backbone,
        weights=args.weights,
        unfreeze_depth=0,
        image_size=args.image_size,
        pack_size=args.image_size,
    )
    with bar("Packing") as report:
        pack = ensure_pack(rows, config, args.cache, report)
    network = build_network(config, len(catalog.classes))
    with bar("Embedding") as report:
        found = embed(network, pack, config, RunConfig(cache=args.cache), report)
    order = np.random.default_rng(0).permutation(len(found))
    one, two = np.sort(order[: len(order) // 2]), np.sort(order[len(order) // 2 :])
    sides = {"gallery": found[one], "gallery_labels": pack.labels[one]}
    np.savez(args.out, **sides, queries=found[two], query_labels=pack.labels[two])


if __name__ == "__main__":
    main()
