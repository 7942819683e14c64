from tiny_sweeps import TEXT, space_of

from carsray.tuning.plan import sample_configs
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
