"""README.md of a package, the model card. Every number in it comes from a file of the package, named beside it."""

import textwrap
from pathlib import Path
from typing import Any

from carsray.files import write_text
from carsray.final.confirm.record import is_of
from carsray.final.package.card_tables import confused_table, numbers_table, search_table, weakest_table
from carsray.final.package.config_file import read_config
from carsray.final.package.folder import Package

WITHOUT_CARSRAY = Path(__file__).with_name("without_carsray.py")
USE = """```python
import carsray

model = carsray.load("PACKAGE")  # this folder; its SHA-256 sums are checked, nothing is unpickled or downloaded
answer = model.predict("car.jpg", top=5, k=5)  # a path, a Pillow image, an array; of several, a list of answers
for guess in answer.guesses:
    print(f"{guess.probability:.4f} {guess.name}")
for near in answer.neighbours:
    print(f"{near.distance:.4f} {near.name} {near.file}")
```

```bash
carsray predict PACKAGE car.jpg folder/
```"""
STANFORD_CARS = (
    "The pictures are those of Stanford Cars, which are for research use only; so are models made of them, and the"
    " thumbnails in `gallery/`. Cite J. Krause, M. Stark, J. Deng, L. Fei-Fei: *3D Object Representations for"
    " Fine-Grained Categorization*, 2013."
)
OTHER_DATA = (
    "The pictures came with a licence of their own, which carsray does not know: write it here before you hand this"
    " folder on. It also covers the thumbnails in `gallery/` (`carsray export --no-pictures` leaves them out)."
)


def write_card(package: Package) -> None:
    """Write the card of a package whose other files are there."""
    facts = package.read_json(package.facts)
    retrain = package.read_json(package.record / "retrain.json")
    sections = {
        facts["name"]: _head(facts),
        "How to use it": ["With carsray; without it, see the end of this page.", USE],
        "How good it is": _numbers(package, retrain),
        "What it is for, and its limits": _limits(package),
        "Data": _data(package, facts, retrain),
        "How it was found": _search(package, facts, retrain),
        "Licence": _licence(package, facts),
        "Files": _files(package),
        "Without carsray": _without_carsray(facts),
    }
    parts = [part for title, texts in sections.items() for part in (f"## {title}", *map(_wrapped, texts))]
    write_text(package.card, "\n\n".join(parts).removeprefix("#") + "\n")


def _head(facts: dict[str, Any]) -> list[str]:
    model, data = facts["model"], facts["data"]
    return [
        f"Says which of {data['classes']} classes a picture shows, with calibrated probabilities, and finds the"
        f" pictures most like it. The network is {model['backbone']} with {model['weights']:,} weights; its embeddings"
        f" have {model['embedding']:,} numbers (`export.json`).",
        "Found, trained and written down by carsray. Each number on this page stands in the file named beside it, in"
        " this folder; intervals are made to hold the true value in 95 % of cases.",
    ]


def _numbers(package: Package, retrain: dict[str, Any]) -> list[str]:
    pictures, kind = retrain["pictures"]["test"], retrain["test_kind"]
    times = retrain.get("opening", 1)
    opened = "opened once" if times == 1 else f"opened {times} times, so no longer fresh"
    parts = [
        f"On {pictures:,} test pictures ({kind}), {opened} (`record/retrain.json`):",
        numbers_table(package, retrain),
    ]
    if kind == "held out, not the official test":
        parts.append("They were held out of the data: results on an official test set are something else.")
    if table := weakest_table(package):
        parts += ["The weakest classes. With few pictures each, their order is mostly chance:", table]
    if table := confused_table(package):
        parts += ["Taken for each other most often:", table]
    return parts


def _data(package: Package, facts: dict[str, Any], retrain: dict[str, Any]) -> list[str]:
    data, trained = facts["data"], retrain["pictures"]["train"]
    more = package.read_json(package.retrieval)["gallery"] - trained
    added = f" {more:,} more pictures were added to the gallery (`retrieval.json`)." if more else ""
    return [
        f"{data['train']:,} pictures of train, {data['val']:,} of val, {data['test']:,} of test (`export.json`). The"
        " search was judged on val; the temperature was fitted on val, with a twin that had been trained without it."
        f" The model itself was trained on train and val, {trained:,} pictures"
        f" (`record/retrain.json`), which are also its gallery, and on nothing of test.{added}"
    ]


def _search(package: Package, facts: dict[str, Any], retrain: dict[str, Any]) -> list[str]:
    search, cost = facts["search"], retrain["cost"]
    stopped = search["trials"] - search["finished"] - search["failed"]  # pruned, or left where a limit ended the sweep
    parts = [
        f"{search['trials']} trials, of which {search['finished']} ran to their end, {stopped} were stopped"
        f" early and {search['failed']} failed; {search['epochs']} epochs in all (`export.json`). Each trial is a line"
        " of `record/trials.csv`, the space is `record/space.toml`, all settings of the winner are in `config.toml`.",
        search_table(search["parameters"], search["chosen"]),
    ]
    finalists = package.record / "finalists.json"
    if finalists.exists() and is_of(found := package.read_json(finalists), retrain):
        parts.append(f"{found['statement']} (`record/finalists.json`)")
    elif finalists.exists():
        parts.append("This model is of another config than the one that was repeated and named the winner.")
    else:
        parts.append("The best trials were not repeated before one was chosen: it may have been lucky.")
    spent = cost["search_gpu_hours"]
    hours = "an unknown number of" if spent is None else f"{spent:.2f}"  # where an older record does not say
    parts.append(
        f"Cost: the search took {cost['search_seconds']:,.0f} s and {hours} GPU-hours, the last training"
        f" {cost['seconds']:,.0f} s and {cost['gpu_hours']:.2f} GPU-hours on {cost['device']} (`record/retrain.json`)."
    )
    return parts


def _limits(package: Package) -> list[str]:
    lines = [
        "Made to tell the classes of `classes.json` apart in pictures like those it was trained on, with one of"
        " them in each. Whatever a picture shows, the answer is one of these classes: the model does not say that"
        " something is none of them, and does not find where in a picture something is.",
        "Probabilities are calibrated for pictures from the same source. On others they are often too sure.",
    ]
    if package.read_json(package.preprocessing)["trained_on_boxes"]:
        lines.insert(
            1,
            "It was trained and measured on pictures cut to the box around the car. Nothing cuts yours: do it before,"
            " or expect worse answers than the numbers above.",
        )
    return ["\n".join(textwrap.fill(line, 120, initial_indent="- ", subsequent_indent="  ") for line in lines)]


def _licence(package: Package, facts: dict[str, Any]) -> list[str]:
    text = STANFORD_CARS if facts["data"]["stanford_cars"] else OTHER_DATA
    if (weights := read_config(package.config).weights) != "none":
        text += f" Training began from other weights, whose terms apply too: `{Path(weights).name}` (`config.toml`)."
    return [text]


def _files(package: Package) -> list[str]:
    known = {
        package.weights: "all weights of the network, the frozen ones too, under torchvision's names",
        package.onnx: "the same network for onnxruntime and others",
        package.config: "every setting of the training",
        package.classes: "the names of the classes, in the order of the logits",
        package.preprocessing: "what is done to a picture before the network sees it",
        package.calibration: "the temperature: probabilities are softmax(logits / temperature)",
        package.gallery: "`embeddings` and `labels` of the gallery, in the order of the table",
        package.gallery_table: "the pictures of the gallery: row, file, label, class, thumbnail",
        package.pictures: "their thumbnails",
        package.retrieval: "how neighbours are found",
        package.index: "an approximate index of the gallery, for faiss.read_index",
        package.facts: "what was counted and measured at export",
        package.record: "what the search and the training wrote down",
    }
    rows = [f"| `{package.name(path)}` | {what} |" for path, what in known.items() if path.exists()]
    rows.append(f"| `{package.name(package.sums)}` | the SHA-256 of every file: `sha256sum -c {package.sums.name}` |")
    return ["\n".join(["| file | what |", "| --- | --- |", *rows])]


def _without_carsray(facts: dict[str, Any]) -> list[str]:
    onnx = facts["onnx"]
    if not onnx:
        return ["This package was exported without `model.onnx`; `preprocessing.json` says what the network takes."]
    return [
        "`model.onnx` takes `pictures` and gives `logits` and `embedding`, for any number of pictures. What is done to"
        f" a picture first is in `preprocessing.json`. On {onnx['pictures']} pictures its logits are within"
        f" {onnx['logits']:.2g} of torch's, its embeddings within {onnx['embedding']:.2g} (`export.json`). With"
        " onnxruntime, numpy and Pillow:",
        f"```python\n{WITHOUT_CARSRAY.read_text(encoding='utf-8').strip()}\n```",
    ]


def _wrapped(text: str) -> str:
    """A paragraph in lines; code, tables and lists as they are."""
    return text if text.startswith(("`" * 3, "|", "- ")) else textwrap.fill(text, 120, break_on_hyphens=False)
