import pytest

from carsray.cli.plan import disk_line

GIB = 2**30


@pytest.mark.parametrize(
    ("cached", "said"),
    [
        (0, "Disk: at most 1.50 GiB (pack, weights and snapshots); 40 GiB free"),
        (
            20 * GIB,
            "Disk: at most 1.50 GiB (pack, weights and snapshots), and up to 20 GiB of what is left for cached"
            " activations; 40 GiB free",
        ),
    ],
)
def test_plan_says_what_the_disk_must_hold_and_what_may_fill_it(cached: int, said: str) -> None:
    assert disk_line(GIB * 3 // 2, cached, 40 * GIB) == said
