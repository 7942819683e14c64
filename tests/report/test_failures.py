from pathlib import Path

import pytest
from made_report import USUAL, Told, made

from carsray.report.failures import failures, kind


@pytest.mark.parametrize(
    ("reason", "found"),
    [
        ("loss became nan in epoch 3, step 12 (lr 0.05)", "loss became nan in epoch …, step … (lr …)"),
        ("weights became inf (lr 1.2e-05)", "weights became inf (lr …)"),
        ("CUDA out of memory. Tried to allocate 1,024.50 MiB", "CUDA out of memory. Tried to allocate … MiB"),
        ("resnet50 has no conv2d", "resnet50 has no conv2d"),
        ("ValueError: no\nTraceback", "ValueError: no"),
        ("", "no reason was recorded"),
    ],
)
def test_a_kind_is_the_first_line_without_its_numbers(reason: str, found: str) -> None:
    assert kind(reason) == found


def test_kinds_are_counted_the_most_frequent_first(tmp_path: Path) -> None:
    reasons = ["the training process died", "loss became nan in epoch 1", "loss became nan in epoch 2"]
    found = failures(made(tmp_path, [*USUAL[:1], *(Told([], state="failed", reason=reason) for reason in reasons)]))
    assert found is not None
    assert [(bar.label, bar.number) for bar in found.bars.bars] == [
        ("loss became nan in epoch …", "2"),
        ("the training process died", "1"),
    ]
    assert [row[0] for row in found.table.rows] == ["1", "2", "3"]


def test_a_traceback_is_kept_whole(tmp_path: Path) -> None:
    found = failures(made(tmp_path, [Told([], state="failed", reason="KeyError: 'a'\n  File x, line 3")]))
    assert found is not None
    assert found.examples == [("trial 0", "KeyError: 'a'\n  File x, line 3")]


def test_where_nothing_failed_there_is_no_such_section(tmp_path: Path) -> None:
    assert failures(made(tmp_path, USUAL[:3])) is None
