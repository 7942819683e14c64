import itertools
from statistics import mean

import numpy as np
import pytest
from tiny_sweeps import TEXT, space_of

from carsray.tuning.plan import sample_configs
from carsray.tuning.rungs import expected_epochs


def epochs_of(order: tuple[int, ...], rungs: list[int], reduction: float, last: int) -> tuple[int, dict[int, int]]:
    """Epochs trained if trials of these merits run one after the other, by the rule as it is written down."""
    seen: dict[int, list[int]] = {rung: [] for rung in rungs}
    trained, reaching = 0, dict.fromkeys([*rungs, last], 0)
    for merit in order:
        for rung in rungs:
            reaching[rung] += 1
            stop = bool(seen[rung]) and merit < np.quantile(seen[rung], 1 - 1 / reduction)
            seen[rung].append(merit)
            if stop:
                trained += rung
                break
        else:
            reaching[last] += 1
            trained += last
    return trained, reaching


@pytest.mark.parametrize("trials", [1, 2, 4, 6])
def test_expected_epochs_are_the_mean_over_all_orders(trials: int) -> None:
    space = space_of(epochs=9)
    found = [epochs_of(order, [1, 2], 2, 9) for order in itertools.permutations(range(trials))]
    reaching, epochs = expected_epochs(space, trials)
    assert epochs == pytest.approx(mean(trained for trained, _ in found), rel=0.06)
    for end in (1, 2, 9):
        assert reaching[end] == pytest.approx(mean(ends[end] for _, ends in found), rel=0.08)


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
