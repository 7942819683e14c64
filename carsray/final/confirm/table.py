"""The finalists as a person reads them on a terminal."""

from collections.abc import Iterator

from rich.table import Table

from carsray.final.confirm.verdict import Standing, Verdict
from carsray.tuning.picture import duration, number

HEADS = ("", "trial", "search", "repeated", "95 %", "curse", "behind the best", "epochs", "training")


def finalists_table(verdict: Verdict) -> Table:
    """One row a finalist, best mean first; an arrow marks the winner. Curse and difference are in points."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for head in HEADS:
        table.add_column(head, justify="right", no_wrap=True)
    for standing in verdict.standings:
        named = standing is verdict.chosen
        table.add_row("→" if named else "", *_cells(standing), style="green" if named else None)
    return table


def settings_lines(verdict: Verdict) -> Iterator[str]:
    """In what the finalists differ, one line each."""
    all_params = [standing.finalist.params for standing in verdict.standings]
    names = dict.fromkeys(name for params in all_params for name in params)
    differing = [name for name in names if len({repr(params.get(name)) for params in all_params}) > 1]
    for standing in verdict.standings:
        params = standing.finalist.params
        values = " ".join(f"{name}={number(params[name])}" for name in differing or names if name in params)
        yield f"trial {standing.finalist.trial}: {values}"


def _cells(standing: Standing) -> tuple[str, ...]:
    finalist = standing.finalist
    low, high = standing.interval
    return (
        str(finalist.trial),
        f"{finalist.score:.2%}",
        f"{standing.mean:.2%}",
        f"{low:.2%} to {high:.2%}",
        f"{standing.curse * 100:+.1f}",
        _behind(standing),
        str(finalist.config.epochs),
        duration(standing.seconds),
    )


def _behind(standing: Standing) -> str:
    """Points, with the interval of the difference."""
    if standing.behind is None:
        return "best"
    low, high = (bound * 100 for bound in standing.behind)
    return f"{-standing.difference * 100:.1f} ({-high:.1f} to {-low:.1f})"
