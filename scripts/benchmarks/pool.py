"""A pool of recorded learning curves as a world to search in: any point of the space has a curve, with fresh noise.

The curve of a point is the mean of a Gaussian process over the recorded ones: one kernel for all epochs, its length
scales (one a dimension) and its noise found by maximum likelihood. Ranges are scaled to [0, 1], log where the space
says so; each choice is a dimension of its own. The nearest recorded point would be the simpler answer, but it has
plateaus to sit on, and its distance would have to be chosen by hand. `explained` says how well points left out are
foretold, `reaching` whether the target is as rare in this world as among the recorded points.
"""

import csv
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.model_selection import KFold, cross_val_predict

from carsray.space import Parameter, Space, Value, Values

QUANTILE = 95
"""The target is this percentile of the best scores recorded."""


@dataclass(frozen=True)
class Pool:
    """Curves of a space, between its recorded points and at them."""

    space: Space
    pictures: int
    """Validation pictures: a score is a share of them."""
    target: float
    points: int
    explained: float
    """Share of the variance of the last epoch's accuracy at points left out, tenfold."""
    process: GaussianProcessRegressor

    def reaching(self, points: Sequence[Values]) -> float:
        """The share of some points that reach the target when trained to the end."""
        return sum(max(self.curve(values, [n])) >= self.target for n, values in enumerate(points)) / len(points)

    def curve(self, values: Mapping[str, Value], noise: Sequence[int]) -> list[float]:
        """Accuracy after each epoch, as one training would measure it; the same ``noise``, the same luck."""
        foretold = self._mean(values)
        right = np.random.default_rng(noise).binomial(self.pictures, np.clip(foretold, 0, 1))
        return [float(count) / self.pictures for count in right]

    def highest(self, values: Mapping[str, Value]) -> float:
        """The best accuracy of a point's curve without any luck: what its trainings are worth."""
        return float(self._mean(values).max())

    def _mean(self, values: Mapping[str, Value]) -> np.ndarray:
        foretold: np.ndarray = self.process.predict(np.array([place(self.space, values)]))[0]
        return foretold


def read_pool(path: Path, space: Space, pictures: int) -> Pool:
    """The pool of a file that the benchmark `curves` has written. A curve that broke off stays at zero from there."""
    rows = list(csv.DictReader(path.open()))
    points = [_values(space, row) for row in rows]
    scores = np.array([[float(row[f"epoch_{n + 1}"] or 0) for n in range(space.epochs)] for row in rows])
    places = np.array([place(space, values) for values in points])
    process = _process(places.shape[1])
    with warnings.catch_warnings(category=ConvergenceWarning, action="ignore"):  # a length scale at its bound
        process.fit(places, scores)
        fixed = _process(places.shape[1]).set_params(kernel=process.kernel_, optimizer=None)
        foretold = cross_val_predict(fixed, places, scores, cv=KFold(10, shuffle=True, random_state=0))[:, -1]
    missed = np.mean((foretold - scores[:, -1]) ** 2) / np.var(scores[:, -1])
    target = float(np.percentile(scores.max(axis=1), QUANTILE))
    return Pool(space, pictures, target, len(rows), float(1 - missed), process)


def place(space: Space, values: Mapping[str, Value]) -> list[float]:
    """Where a point lies: a number from 0 to 1 for each range and each choice."""
    return [number for name, parameter in space.parameters.items() for number in _scaled(parameter, values[name])]


def _scaled(parameter: Parameter, value: Value) -> list[float]:
    if parameter.choices:
        return [float(value == choice) for choice in parameter.choices]
    low, high, at = parameter.low, parameter.high, float(value)
    if parameter.log:
        low, high, at = math.log(low), math.log(high), math.log(at)
    return [(at - low) / (high - low)]


def _values(space: Space, row: Mapping[str, str]) -> Values:
    """A row's point, read as the space's own types."""
    values: Values = {}
    for name, parameter in space.parameters.items():
        by_text = {str(choice): choice for choice in parameter.choices}
        values[name] = by_text[row[name]] if parameter.choices else float(row[name])
    return values


def _process(dimensions: int) -> GaussianProcessRegressor:
    shape = ConstantKernel(1.0, (0.1, 10)) * RBF(np.ones(dimensions), (0.1, 20))
    kernel = shape + WhiteKernel(0.1, (0.03, 1))
    return GaussianProcessRegressor(kernel, normalize_y=True, n_restarts_optimizer=2, random_state=0)
