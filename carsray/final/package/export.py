"""`carsray export`: a retrained model becomes a folder that runs elsewhere."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.torch

from carsray.config import RunConfig
from carsray.data.pack import Pack, ensure_pack
from carsray.data.remote import copied, local_paths
from carsray.data.seal import sealed
from carsray.files import write_bytes, write_json
from carsray.final.inference import infer
from carsray.final.package.card import write_card
from carsray.final.package.config_file import write_config
from carsray.final.package.facts import collect_facts
from carsray.final.package.folder import Package, check_free, written_whole
from carsray.final.package.gallery import SearchPoint, readable
from carsray.final.package.gallery_files import (
    entries_of,
    thumbnail_path,
    write_embeddings,
    write_search,
    write_table,
    write_thumbnails,
)
from carsray.final.package.onnx_file import PICTURES, Parity, check_parity, require_onnx, write_onnx
from carsray.final.package.retrained import Retrained, read_retrained
from carsray.final.preprocessing import describe
from carsray.progress import Bar
from carsray.results import SweepFolder
from carsray.training.device import resolve_device


@dataclass(frozen=True, slots=True)
class Wanted:
    """What goes into a package, and where it goes."""

    folder: Path
    force: bool = False
    """Replace an earlier export."""
    pictures: bool = True
    """Thumbnails of the gallery."""
    onnx: bool = True


def export(sweep: SweepFolder, wanted: Wanted, bar: Bar) -> Parity | None:
    """Write the package of a retrained sweep, whole or not at all; how far ONNX is from torch, where it was wanted.

    The test pictures stay sealed. Raises ResultsError where the folder is taken, the retraining missing or a parity
    not given; ConfigError where packages are missing; DataError where pictures are gone.
    """
    check_free(wanted.folder, wanted.force)
    if wanted.onnx:
        require_onnx()
    source = read_retrained(sweep)
    test = local_paths(source.split.test, source.settings.cache)
    with sealed(test), written_whole(wanted.folder, wanted.force) as package:
        return _write(package, source, wanted, bar)


def _write(package: Package, source: Retrained, wanted: Wanted, bar: Bar) -> Parity | None:
    _write_model(package, source)
    some = _some_pictures(source, bar)
    parity = None
    if wanted.onnx:
        write_onnx(source.network, source.config, package.onnx)
        parity = check_parity(source.network, source.config, package.onnx, some.images)

    source.network.to(resolve_device(RunConfig(cache=source.settings.cache)))
    _write_gallery(package, source, wanted, bar)
    package.record.mkdir()
    for name, path in source.kept().items():
        shutil.copyfile(path, package.record / name)
    write_json(package.facts, collect_facts(source, parity))
    write_card(package)
    return parity


def _write_model(package: Package, source: Retrained) -> None:
    """Weights, settings, classes, preprocessing, temperature."""
    state = {name: tensor.contiguous() for name, tensor in source.network.state_dict().items()}
    write_bytes(package.weights, safetensors.torch.save(state))
    summary = source.summary
    which = "what winner.toml says" if summary.trial is None else f"trial {summary.trial}"
    which = "the winner" if summary.confirmed else which
    header = (
        f"The settings of this model: {which} of the sweep {source.sweep.name}, trained on train and val.\n"
        "Their meaning: carsray/config.py. `weights` says where training began; nothing is read from there any more."
    )
    write_config(source.config, package.config, header)
    write_json(package.classes, [readable(name) for name in source.split.classes])
    write_json(package.preprocessing, describe(source.config))
    fitted = "the answers of the train-only twin to val"
    write_json(package.calibration, {"temperature": summary.temperature, "fitted_on": fitted})


def _write_gallery(package: Package, source: Retrained, wanted: Wanted, bar: Bar) -> None:
    """Of train and val, in this order."""
    rows = copied((*source.split.train, *source.split.val), source.settings.cache)
    parts = []
    for name in ("train", "val"):
        with bar(f"Embedding {name}") as report:
            parts.append(infer(source.network, source.config, _pack(source, name, bar).images, report)[1])
    embeddings = np.concatenate(parts)
    write_embeddings(package, embeddings, np.array([row.label for row in rows], np.int64))
    entries = entries_of(package, rows, source.split.classes, source.data, wanted.pictures)
    write_table(package, entries)
    if wanted.pictures:
        with bar("Thumbnails") as report:
            write_thumbnails([(row, thumbnail_path(package, at)) for at, row in enumerate(rows)], report)
    point, chosen_by = source.search_point()
    directed = bool(embeddings.any(axis=1).all())
    if point is not None and point.needs_direction and not directed:
        point, chosen_by = None, f"default, for {chosen_by} asks for directions and an embedding is zero"
    if point is None:
        # A small network may give zeros, which have no direction.
        point = SearchPoint(distance="cosine" if directed else "euclidean")
    write_search(package, embeddings, point, chosen_by)


def _some_pictures(source: Retrained, bar: Bar) -> Pack:
    """Real pictures to compare answers on, spread evenly over val; of train where val is smaller."""
    side = "val" if len(source.split.val) >= PICTURES else "train"
    pack = _pack(source, side, bar)
    rows = np.unique(np.linspace(0, len(pack.labels) - 1, PICTURES).astype(int))
    return Pack(pack.images[rows], pack.labels[rows], f"{pack.key}-some")


def _pack(source: Retrained, side: str, bar: Bar) -> Pack:
    with bar(f"Packing {side}") as report:
        return ensure_pack(getattr(source.split, side), source.config, source.settings.cache, report)
