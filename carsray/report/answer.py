"""The answer, first on the page: the winner, its number with what is sure about it, and what it has cost."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from carsray.leaderboard import TrialRow
from carsray.report.cost import Cost, costs
from carsray.report.numbers import bounds, counted, points, round_share, share
from carsray.report.plots import Estimate, Estimates, Key, axis
from carsray.report.reading import Sweep
from carsray.report.scales import Scale, share_span
from carsray.tuning.doubts import edges, noise_note
from carsray.tuning.picture import number


@dataclass(frozen=True, slots=True)
class Answer:
    """What a reader came for."""

    kind: str
    """How far the answer has got."""
    value: str
    interval: str
    """Or what is said instead of one."""
    meaning: str
    stages: Estimates | None
    costs: Sequence[Cost]
    settings: Sequence[tuple[str, str]]
    doubts: Sequence[str]


def answer(sweep: Sweep) -> Answer:
    """The surest number there is: on test, else over repetitions, else the best trial's."""
    kind, value, interval, meaning = _headline(sweep)
    shown = _shown(sweep)
    settings = [(name, number(value)) for name, value in shown.params.items()] if shown else []
    return Answer(kind, value, interval, meaning, _stages(sweep), costs(sweep), settings, list(_doubts(sweep, shown)))


def _headline(sweep: Sweep) -> tuple[str, str, str, str]:
    confirmed, retrained, best = sweep.findings.confirmed, sweep.findings.retrained, sweep.best
    if retrained:
        test, count = retrained["test"], retrained["pictures"]["test"]
        kind = "Final model, on test" if retrained.get("confirmed", True) else "Final model, on test; not confirmed"
        meaning = f"of {count:,} test pictures ({retrained['test_kind']}) are recognised: top-1 accuracy"
        return kind, share(test["accuracy"]), f"95 % interval {bounds(test['accuracy_interval'])}", meaning
    if confirmed:
        times = confirmed["seeds"]
        meaning = (
            f"mean accuracy of trial {confirmed['chosen']}, trained {times} more times, "
            "on pictures that did not choose it"
        )
        return (
            "The winner, confirmed",
            share(confirmed["mean"]),
            f"95 % interval {bounds(confirmed['interval'])}",
            meaning,
        )
    if best:
        pictures, scores = len(sweep.split.val), len(sweep.scored)
        epochs = counted(best.epochs, "epoch")
        meaning = f"val accuracy of trial {best.trial} after {epochs}, on {counted(pictures, 'picture')}"
        largest = f"it is the largest of {scores} scores, which flatters it; " if scores > 1 else ""
        unsure = f"no interval: {largest}{noise_note(best.score, pictures)}"
        return "Best trial so far, not confirmed", share(best.score), unsure, meaning
    if sweep.standing == "running":
        return "No result yet", "", "", "no trial has reached the end of an epoch"
    return "No result", "", "", f"none of {len(sweep.rows)} trials reached the end of an epoch"


def _shown(sweep: Sweep) -> TrialRow | None:
    """The trial that the headline is about."""
    findings, best = sweep.findings, sweep.best
    chosen = findings.confirmed["chosen"] if findings.confirmed else best.trial if best else None
    if findings.retrained:
        chosen = findings.retrained.get("trial", chosen)
    return next((row for row in sweep.rows if row.trial == chosen), None)


def _stages(sweep: Sweep) -> Estimates | None:
    """The same model's number at each stage; None before there are two."""
    retrained, shown = sweep.findings.retrained, _shown(sweep)
    confirmed = sweep.findings.confirmed if sweep.findings.confirms_final else None
    told: list[tuple[str, float, Sequence[float] | None, Sequence[float]]] = []
    score = confirmed["search_score"] if confirmed else shown.score if shown else None
    if score is not None:
        told.append(("Search, on val", score, None, ()))
    if confirmed:
        chosen = next(row for row in confirmed["finalists"] if row["chosen"])
        told.append(("Repeated, fresh pictures", confirmed["mean"], confirmed["interval"], chosen["accuracies"]))
    if retrained:
        test = retrained["test"]
        told.append(("Test, opened by retrain", test["accuracy"], test["accuracy_interval"], retrained["test_by_seed"]))
    if len(told) < 2:
        return None
    scale = share_span(x for _, at, interval, spots in told for x in (at, *(interval or ()), *spots))
    rows = [_estimate(scale, *each) for each in told]
    said = "; ".join(f"{row.label}: {row.number}" for row in rows)
    keys = [Key("interval", "95 % interval"), Key("spot", "single trainings", shape="dot")]
    return Estimates(f"Accuracy from search to test. {said}", axis("accuracy", scale, round_share), rows, keys)


def _estimate(
    scale: Scale, label: str, at: float, interval: Sequence[float] | None, spots: Sequence[float]
) -> Estimate:
    number, style = (share(at), "chosen") if interval else (f"{share(at)}, no interval", "hollow")
    low, high = map(scale.at, interval) if interval else (None, None)
    spotted = [scale.at(spot) for spot in spots] if len(spots) > 1 else []
    if interval:
        number = f"{number} ({bounds(interval)})"
    return Estimate(label, number, scale.at(at), style, low, high, spots=spotted)


def _doubts(sweep: Sweep, shown: TrialRow | None) -> Iterator[str]:
    findings = sweep.findings
    if sweep.standing == "running":
        yield "The sweep is still running: all of this may change."
    if findings.confirmed and findings.confirms_final:
        yield str(findings.confirmed["statement"])
    elif findings.confirmed:
        yield "Not confirmed: the final model is of another config than the winner that `carsray confirm` has named."
    elif shown:
        confirm = f"`carsray confirm {sweep.arguments}`"
        yield f"Not confirmed: {confirm} repeats the best trials on pictures that did not choose them."
    if findings.retrained and len(findings.openings) > 1:
        times = len(findings.openings)
        yield f"Test was opened {times} times; what is chosen after the first is not judged by fresh pictures."
    if findings.retrained and (gain := findings.retrained.get("twin", {}).get("gain")) is not None:
        low, high = findings.retrained["twin"]["gain_interval"]
        yield (
            f"Training on val as well changed the accuracy on test by {points(gain)} points"
            f" ({points(low)} to {points(high)}{'' if findings.retrained['mean_interval'] else ', for these seeds'})."
        )
    if shown:
        yield from (line[0].upper() + line[1:] + "." for line in edges(sweep.space, shown))
    if failed := sum(row.state == "failed" for row in sweep.rows):
        yield f"{failed} of {len(sweep.rows)} trials failed."
