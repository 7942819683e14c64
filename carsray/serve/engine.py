"""Questions to answers, several at once: the model and its gallery, without HTTP and without Ray."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from carsray.errors import DataError
from carsray.final.package.gallery import Gallery, Neighbour
from carsray.final.package.model import Model
from carsray.serve.answers import Answer, Guess, Near

TOP = 5


@dataclass(frozen=True, slots=True)
class Question:
    """About a picture, or about a gallery picture."""

    asked: np.ndarray | int
    """A square uint8 (S, S, 3), as Model.read makes it, or a row of the gallery."""
    k: int
    label: int | None = None
    """Neighbours of this class only."""

    @property
    def row(self) -> int | None:
        """Of the gallery; none for a picture."""
        return self.asked if isinstance(self.asked, int) else None


class Engine:
    """Answers with a loaded model."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """One answer to each. Raises DataError where a row or a label is none of the model's."""
        gallery = self.model.gallery  # another may take its place meanwhile
        for question in questions:
            self._check(question, gallery)
        embeddings = np.empty((len(questions), self.model.network.embedding_size), np.float32)
        guesses: list[list[Guess]] = [[] for _ in questions]
        self._see(questions, embeddings, guesses)
        for at, question in enumerate(questions):
            if question.row is not None:
                embeddings[at] = gallery.rows[question.row]
        near = _neighbours(gallery, questions, embeddings)
        return [
            Answer(asked=_asked(gallery, question), guesses=guessed, neighbours=list(map(_near, found)))
            for question, guessed, found in zip(questions, guesses, near, strict=True)
        ]

    def _check(self, question: Question, gallery: Gallery) -> None:
        rows, classes = len(gallery.rows), len(self.model.classes)
        if question.row is not None and not 0 <= question.row < rows:
            raise DataError(f"row {question.row}: the gallery has rows 0 to {rows - 1}")
        if question.label is not None and not 0 <= question.label < classes:
            raise DataError(f"label {question.label}: there are labels 0 to {classes - 1}")

    def _see(self, questions: Sequence[Question], embeddings: np.ndarray, guesses: list[list[Guess]]) -> None:
        """Fill in embeddings (Q, D) and guesses of those that are pictures, by one pass through the network."""
        places = [at for at, question in enumerate(questions) if question.row is None]
        if places:
            logits, embeddings[places] = self.model.run(np.stack([questions[at].asked for at in places]))
            for at, guessed in zip(places, self.model.guesses(logits, TOP), strict=True):
                guesses[at] = [Guess(label=g.label, name=g.name, probability=g.probability) for g in guessed]


def _neighbours(gallery: Gallery, questions: Sequence[Question], embeddings: np.ndarray) -> list[tuple[Neighbour, ...]]:
    """Those who ask alike are searched for together."""
    found: list[tuple[Neighbour, ...]] = [()] * len(questions)
    alike: dict[tuple[int, int | None], list[int]] = {}
    for at, question in enumerate(questions):
        alike.setdefault((question.k, question.label), []).append(at)
    for (k, label), places in alike.items():
        # One more: a gallery picture is its own neighbour.
        for at, some in zip(places, gallery.nearest(embeddings[places], k + 1, label), strict=True):
            found[at] = tuple(near for near in some if near.row != questions[at].row)[:k]
    return found


def _asked(gallery: Gallery, question: Question) -> Near | None:
    if question.row is None:
        return None
    file, label, name, thumbnail = gallery.entries[question.row]
    return Near(row=question.row, file=file, label=label, name=name, distance=None, thumbnail=thumbnail is not None)


def _near(found: Neighbour) -> Near:
    return Near(
        row=found.row,
        file=found.file,
        label=found.label,
        name=found.name,
        distance=found.distance,
        thumbnail=found.thumbnail is not None,
    )
