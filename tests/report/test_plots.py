from carsray.report.plots import Axis, Dot, Plot, Tick, axis, joined, stepped, upward
from carsray.report.scales import Scale


def test_a_curve_goes_through_its_points_in_thousandths() -> None:
    assert joined([(0, 100), (12.5, 50)]) == "M0 1000L125 500"


def test_a_value_holds_until_the_next_one_and_the_last_one_until_the_end() -> None:
    assert stepped([(10, 80), (30, 20)], until=90) == "M100 800L300 800L300 200L900 200"


def test_upwards_the_highest_value_is_at_the_top() -> None:
    made = upward(axis("share", Scale(0, 1), str, [0.0, 0.25, 1.0]))
    assert made == Axis("share", [Tick(100, "0.0"), Tick(75, "0.25"), Tick(0, "1.0")])


def test_the_style_that_comes_last_is_drawn_on_top() -> None:
    dots = [Dot(1, 1, "pruned"), Dot(2, 2, "finished"), Dot(3, 3, "pruned"), Dot(4, 4, "best")]
    groups = Plot("", Axis(""), Axis(""), dots=dots).dots_by_style
    assert list(groups) == ["pruned", "finished", "best"]
    assert [dot.x for dot in groups["pruned"]] == [1, 3]
