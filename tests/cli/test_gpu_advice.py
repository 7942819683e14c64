import pytest

from carsray.cli.plan import gpu_advice


@pytest.mark.parametrize(
    ("asked", "fit", "said"),
    [
        (1, 1, "GPU memory: 1 trial fits on a GPU"),
        (1, 4, "GPU memory: 4 trials fit on a GPU; where one leaves it idle, try --gpus-per-trial 0.25"),
        (0.25, 4, "GPU memory: 4 trials fit on a GPU"),
        (0.25, 2, "GPU memory: may not hold 4 trials; --gpus-per-trial 0.5 leaves room"),
        (1 / 3, 1, "GPU memory: may not hold 3 trials; --gpus-per-trial 1 leaves room"),
        (2, 1, "GPU memory: 1 trial fits on a GPU"),
    ],
)
def test_plan_says_how_many_trials_a_gpu_holds(asked: float, fit: int, said: str) -> None:
    assert gpu_advice(asked, fit) == said
