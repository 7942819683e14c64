"""Whether a cheaper rung ranks trials as the full one would: recorded learning curves of the same points, side by side.

    scripts/bench curves --data split.csv --trials 24 --set image_size=128 --out full.csv
    scripts/bench curves --data split.csv --trials 24 --set image_size=64  --out small.csv
    scripts/bench rungs full.csv small.csv

For each rung: Kendall's tau-b between the best accuracy up to there and the best of the whole full curve, with a 95 %
interval from resampled points; what share of the points that go on (one of three) are among those that the full curve's
end would choose; and what the points cost. Both files must hold the same points, of the same space and seed.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from harness import Condition, Figures, publish, significant
from scipy.stats import kendalltau

RUNGS = (1, 3)
REDUCTION = 3
RESAMPLES = 2000
WITHIN = 0.05
"""A cheap rung agrees if its tau is at most this far below that of the full one."""


def read(path: Path) -> pd.DataFrame:
    """A file of `curves`, a row a point, by its number."""
    return pd.read_csv(path).set_index("trial").sort_index()


def best_by(table: pd.DataFrame, epoch: int) -> np.ndarray:
    """Best accuracy of each point up to an epoch, float64 (N,); 0 for those that never got there."""
    columns = [f"epoch_{n + 1}" for n in range(epoch)]
    best: np.ndarray = table[columns].max(axis=1).fillna(0.0).to_numpy()
    return best


def tau(found: np.ndarray, final: np.ndarray) -> float:
    """Kendall's tau-b; 0 where one side cannot tell any two points apart."""
    value = float(kendalltau(found, final).statistic)
    return value if np.isfinite(value) else 0.0


def interval(found: np.ndarray, final: np.ndarray) -> tuple[float, float]:
    """95 % of the resampled taus."""
    rng = np.random.default_rng(0)
    draws = rng.integers(0, len(final), (RESAMPLES, len(final)))
    low, high = np.quantile([tau(found[rows], final[rows]) for rows in draws], (0.025, 0.975))
    return float(low), float(high)


def kept(found: np.ndarray, final: np.ndarray) -> float:
    """The share of those that the end would let go on which this rung lets go on as well."""
    count = max(1, len(final) // REDUCTION)
    ours, theirs = (set(np.argsort(-scores, kind="stable")[:count].tolist()) for scores in (found, final))
    return len(ours & theirs) / count


def compare(table: pd.DataFrame, final: np.ndarray, epochs: int) -> Figures:
    """What the rungs of one file say of the end of the full one."""
    figures: Figures = {"seconds_an_epoch": significant(float(table["seconds"].mean()) / epochs)}
    for rung in RUNGS:
        found = best_by(table, rung)
        low, high = interval(found, final)
        figures[f"rung_{rung}"] = {
            "tau": significant(tau(found, final)),
            "interval": [significant(low), significant(high)],
            "kept": significant(kept(found, final)),
        }
    return figures


def measure(options: argparse.Namespace) -> tuple[Figures, list[Condition]]:
    """The full file against itself and against the cheap one."""
    full, cheap = read(options.full), read(options.cheap)
    shared = full.index.intersection(cheap.index)
    parameters = [name for name in full.columns if name != "seconds" and not name.startswith(("epoch_", "loss_"))]
    full, cheap = full.loc[shared], cheap.loc[shared]
    if not full[parameters].astype(str).equals(cheap[parameters].astype(str)):
        raise SystemExit("rungs: the two files hold different points. Record both with the same space and seed")
    epochs = sum(name.startswith("epoch_") for name in full.columns)
    final = best_by(full, epochs)
    figures = {name: compare(table, final, epochs) for name, table in (("full", full), ("cheap", cheap))}
    conditions = [
        Condition(
            f"rung {rung}: tau of the cheap one, less that of the full one",
            figures["cheap"][f"rung_{rung}"]["tau"] - figures["full"][f"rung_{rung}"]["tau"],
            -WITHIN,
        )
        for rung in RUNGS
    ]
    return {**figures, "points": len(shared), "epochs": epochs}, conditions


def main() -> None:
    """Compare two files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("full", type=Path, help="curves at full size")
    parser.add_argument("cheap", type=Path, help="curves of the same points, cheaper")
    parser.add_argument("--name", default="rungs", help="of the file in results/benchmarks/")
    options = parser.parse_args()
    publish(options.name, partial(measure, options), ("torch", "pandas", "scipy"))


if __name__ == "__main__":
    main()
