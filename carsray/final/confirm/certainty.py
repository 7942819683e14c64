"""How far the mean accuracy of a config over repetitions may be from the true one, and its difference from another's.

The true one is that over seeds and over pictures like these, for the training pictures at hand. What a repetition
finds differs from it by its pictures, which all finalists share, and by its seed, which is its own:

    accuracy of repetition r  =  truth of its finalist  +  pictures of r  +  seed of r
    covariance                =  V, known from n answers each            +  s I

With a handful of repetitions s is the hard part. It is one number for all finalists, found by restricted maximum
likelihood: what two finalists answer differently on the same pictures says more of it than their accuracies do. How
badly it is known then decides on the degrees of freedom of Student's t, after Satterthwaite; an estimate that cannot
fall below zero is known a little better than the likelihood's curvature says. The interval of a share is taken on the
logit scale, since a share near 1 is more often far too high than far too low:

    REML: Patterson and Thompson 1971, https://doi.org/10.1093/biomet/58.3.545
    Degrees of freedom: Satterthwaite 1946, https://doi.org/10.2307/3002019, for such models as in
    Giesbrecht and Burns 1985, https://doi.org/10.2307/2530872
    Logit: Newcombe 2001, https://doi.org/10.1198/000313001317098167
    Two right answers and two wrong ones added: Agresti and Coull 1998, https://doi.org/10.1080/00031305.1998.10480550

`scripts/bench intervals` tries it on simulated searches. What it cannot see: that the repetitions share most of their
training pictures, so that other training pictures might shift all of them (Bengio and Grandvalet 2004,
https://www.jmlr.org/papers/v5/grandvalet04a.html: no variance of that kind can be estimated from one data set).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit, ndtr, stdtrit

from carsray.interval import Interval

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Answers:
    """What one repetition of a finalist got right."""

    finalist: int
    """From 0."""
    pictures: np.ndarray
    """int64 (n,): a number for each picture, the same in all repetitions that have it."""
    right: np.ndarray
    """bool (n,)."""


@dataclass(frozen=True, slots=True)
class Certainty:
    """Mean accuracies of F finalists, and how well they are known."""

    means: np.ndarray
    """float64 (F,)."""
    by_pictures: np.ndarray
    """float64 (F, F): covariance of the means through the pictures."""
    by_seeds: np.ndarray
    """float64 (F, F): the same through seeds, as multiples of seed_variance."""
    seed_variance: float
    """Of the accuracy of one training."""
    seed_variance_error: float
    """The variance of that estimate; infinite where no finalist was repeated, so that nothing is known of seeds."""

    @property
    def seeds_seen(self) -> bool:
        """Whether the intervals hold for other seeds as well."""
        return math.isfinite(self.seed_variance_error)

    def interval(self, finalist: int) -> Interval:
        """Of a finalist's true accuracy, 95 %."""
        weights = np.zeros(len(self.means))
        weights[finalist] = 1
        return _on_logit_scale(float(self.means[finalist]), self._half_width(weights, LEVEL))

    def difference(self, finalist: int, other: int, comparisons: int = 1) -> Interval:
        """Of a finalist's true accuracy less another's: all of so many ``comparisons`` hold with 95 % (Bonferroni)."""
        weights = np.zeros(len(self.means))
        weights[finalist], weights[other] = 1, -1
        value, half = float(weights @ self.means), self._half_width(weights, 1 - (1 - LEVEL) / comparisons)
        return value - half, value + half

    def _half_width(self, weights: np.ndarray, level: float) -> float:
        of_seeds = float(weights @ self.by_seeds @ weights)
        variance = float(weights @ self.by_pictures @ weights) + of_seeds * self.seed_variance
        error = self.seed_variance_error * of_seeds**2 if self.seeds_seen else 0.0
        freedom = min(2 * variance**2 / error, 1e9) if error else 1e9
        return float(stdtrit(freedom, (1 + level) / 2)) * math.sqrt(variance)


def assess(repetitions: Sequence[Answers]) -> Certainty:
    """What the answers of all finalists' repetitions say; of each finalist one at least, in any order."""
    accuracies = np.array([each.right.mean() for each in repetitions])
    member = _member(repetitions)
    averaging = (member / member.sum(axis=0)).T
    pictures = picture_covariance(repetitions)
    seeds, error = seed_variance(accuracies, member, pictures)
    return Certainty(averaging @ accuracies, averaging @ pictures @ averaging.T, averaging @ averaging.T, seeds, error)


def picture_covariance(repetitions: Sequence[Answers]) -> np.ndarray:
    """How the accuracies of R repetitions vary together through their pictures: (R, R)."""
    answers, right = np.array([[len(each.right), each.right.sum()] for each in repetitions], dtype=float).T
    member = _member(repetitions)
    # All right would mean that nothing can go wrong: count two more right and two more wrong answers of each finalist.
    shares = member @ ((member.T @ right + 2) / (member.T @ answers + 4))
    columns = np.unique(np.concatenate([each.pictures for each in repetitions]))
    off = np.zeros((len(repetitions), len(columns)))
    for row, each, share in zip(off, repetitions, shares, strict=True):
        row[np.searchsorted(columns, each.pictures)] = each.right - share
    seen = member @ ((member.T @ (off**2).sum(axis=1)) / (member.T @ answers))
    off /= answers[:, None]
    return off @ off.T + np.diag(np.maximum(shares * (1 - shares) - seen, 0) / answers)


def _member(repetitions: Sequence[Answers]) -> np.ndarray:
    """Which finalist each of R repetitions is of: 0 or 1, (R, F)."""
    finalists = max(each.finalist for each in repetitions) + 1
    return np.array([[float(each.finalist == f) for f in range(finalists)] for each in repetitions])


def seed_variance(accuracies: np.ndarray, member: np.ndarray, pictures: np.ndarray) -> tuple[float, float]:
    """The s of accuracies (R,) ~ N(member @ truth, pictures + s I), and the variance of that estimate.

    ``member`` (R, F) says which finalist a repetition is of.
    """
    left, sizes, _ = np.linalg.svd(member)
    free = left[:, len(sizes) :]
    """What is left of R numbers when each finalist's mean is taken out: R - F directions."""
    if not free.shape[1]:
        return 0.0, math.inf
    known, turned = np.linalg.eigh(free.T @ pictures @ free)
    known = np.maximum(known, 1e-9 * float(pictures.trace()))
    squares = (turned.T @ free.T @ accuracies) ** 2

    def slope(s: float) -> float:
        """Twice the derivative of the restricted likelihood."""
        return float(((squares - known - s) / (known + s) ** 2).sum())

    most = float(squares.max())
    found = float(brentq(slope, 0.0, most, xtol=1e-12)) if slope(0.0) > 0 else 0.0
    at_none, here = (2 / float((1 / (known + s) ** 2).sum()) for s in (0.0, found))
    return found, here * _cut_off(found / math.sqrt(at_none))


def _cut_off(mean: float) -> float:
    """The variance of a normal number of variance 1 whose negative values count as 0: of such a kind is a small s."""
    above, below = float(ndtr(mean)), float(ndtr(-mean))
    density = math.exp(-mean * mean / 2) / math.sqrt(2 * math.pi)
    return above + mean * mean * above * below + mean * density * (below - above) - density**2


def _on_logit_scale(share: float, half: float) -> Interval:
    """The interval share - half to share + half with the skew of a share: it ends before 0 and 1."""
    if not 0 < share < 1:
        return max(0.0, share - half), min(1.0, share + half)
    at, width = float(logit(share)), half / (share * (1 - share))
    return float(expit(at - width)), float(expit(at + width))
