import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carsray.data.records import Row
from carsray.data.stratify import quotas, stratify
from carsray.errors import DataError


@settings(deadline=None)
@given(st.integers(2, 500), st.floats(0.01, 0.5))
def test_a_quota_is_the_nearest_number_that_leaves_one(count: int, share: float) -> None:
    wanted = quotas(count, {"val": share})["val"]
    assert 1 <= wanted <= count - 1
    assert abs(wanted - count * share) <= 1


@settings(deadline=None)
@given(st.integers(3, 500), st.floats(0.01, 0.49))
def test_two_quotas_leave_one(count: int, share: float) -> None:
    wanted = quotas(count, {"val": share, "test": share})
    assert min(wanted.values()) >= 1
    assert sum(wanted.values()) <= count - 1


def rows(copies: list[int], label: int = 0) -> list[Row]:
    return [Row(f"{label}-{n}-{c}", label, f"{label}-{n}") for n, count in enumerate(copies) for c in range(count)]


@settings(deadline=None)
@given(st.lists(st.integers(1, 6), min_size=3, max_size=12), st.integers(0, 5))
def test_every_side_gets_something_however_many_copies_there_are(copies: list[int], seed: int) -> None:
    sides = stratify(rows(copies), ["a"], {"val": 0.3, "test": 0.3}, "train", seed)
    digests = [{row.digest for row in side} for side in sides.values()]
    assert all(digests)
    assert sum(map(len, digests)) == len(copies)
    assert sum(map(len, sides.values())) == sum(copies)


def test_a_copy_under_another_label_counts_as_the_rest() -> None:
    torn = [Row("x", 0, "same"), Row("y", 1, "same")]
    sides = stratify([*torn, *rows([1]), *rows([1], label=1)], ["a", "b"], {"val": 0.5}, "train", 0)
    assert sorted(row.path for row in sides["train"]) == ["x", "y"]
    assert sorted(row.label for row in sides["val"]) == [0, 1]


def test_a_class_of_copies_of_other_classes_has_nothing_to_hold_out() -> None:
    torn = [Row("x", 0, "same"), Row("y", 1, "same")]
    with pytest.raises(DataError, match="class 'b': 0 distinct pictures"):
        stratify([*torn, *rows([1])], ["a", "b"], {"val": 0.5}, "train", 0)
