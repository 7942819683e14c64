import pytest
from tiny_sweeps import TEXT, space_of

from carsray.tuning.plan import START_SECONDS, sample_configs, total_seconds
from carsray.tuning.resources import Resources
from carsray.tuning.rungs import expected_epochs


def test_without_rungs_every_trial_runs_to_its_end() -> None:
    space = space_of(TEXT.replace("rungs = [1, 2]", "rungs = []"))
    assert expected_epochs(space, 5) == ({3: 5.0}, 15.0)


def test_rungs_past_the_last_epoch_play_no_part() -> None:
    assert expected_epochs(space_of(epochs=1), 7) == ({1: 7.0}, 7.0)


def test_a_plan_tries_the_first_start_point_and_random_ones() -> None:
    space = space_of()
    configs = sample_configs(space, 4, seed=1)
    assert configs[0] == space.config(space.start[0])
    assert len({config.key() for config in configs}) == 4
    assert configs == sample_configs(space, 4, seed=1)
    assert configs[1:] != sample_configs(space, 4, seed=2)[1:]


def test_a_space_without_start_points_is_drawn_from_alone() -> None:
    text = TEXT.split("[[start]]")[0]
    for default in (', default = "sgd"', ", default = 0.01", ", default = 0.5"):
        text = text.replace(default, "")
    space = space_of(text)
    assert space.start == ()
    assert len(sample_configs(space, 3, seed=0)) == 3


APART = """
[fixed]
backbone = "cnn"

[search]
image_size = { choices = [32, 64, 128] }
lr = { low = 0.01, high = 0.1 }
depth = { low = 3, high = 6 }
"""
"""A picture of 32 pixels cannot be halved six times."""


def test_a_plan_leaves_out_what_does_not_fit_together() -> None:
    configs = sample_configs(space_of(APART), 40, seed=0)
    assert len(configs) == 40
    assert {(config.image_size, config.depth) for config in configs} >= {(64, 6), (128, 6), (32, 5)}


def test_of_very_many_trials_as_much_is_expected_of_each_as_of_many() -> None:
    space = space_of()
    (of_many, many), (of_more, more) = expected_epochs(space, 1000), expected_epochs(space, 1_000_000)
    assert more == pytest.approx(1000 * many)
    assert of_more == pytest.approx({rung: 1000 * count for rung, count in of_many.items()})


@pytest.mark.parametrize(
    ("resources", "bounds"),
    [
        (Resources(1, 0, 4), (25.0, 50.0)),
        (Resources(1, 1, 4), (25.0, 50.0)),
        (Resources(1, 2, 4), (25.0, 50.0)),
        (Resources(1, 0.25, 4), (25.0, 200.0)),
    ],
)
def test_trials_that_share_a_gpu_may_take_as_long_as_one_after_the_other(
    resources: Resources, bounds: tuple[float, float]
) -> None:
    totals = total_seconds(10.0, [10.0, 20.0], resources)
    assert (min(totals) - START_SECONDS, max(totals) - START_SECONDS) == bounds
