"""What a reproduction sets aside before it trains anything."""

from carsray.config import TrialConfig
from carsray.data.records import DataSplit, Row
from carsray.published.experiments_file import find_experiments, load_experiments
from carsray.published.plan import make_plan, with_sources

ALMOG = load_experiments(find_experiments("almog2025"))
CHOSEN = with_sources(ALMOG, ["cnn-1", "retrieval-1"])


def split_of(train: int, test: int) -> DataSplit:
    rows = [Row(f"/{at}.jpg", at % 2, f"{at:064x}") for at in range(train + test + 2)]
    return DataSplit(("a", "b"), tuple(rows[:train]), tuple(rows[-2:]), tuple(rows[train:-2]), "as given", "f")


def impossible(split: DataSplit) -> dict[str, str]:
    def split_for(config: TrialConfig) -> DataSplit:
        return split

    return make_plan(CHOSEN, 1, split_for).impossible


def test_what_has_all_its_pictures_is_planned() -> None:
    assert impossible(split_of(40, 4)) == {}


def test_an_experiment_without_pictures_to_report_on_is_set_aside_before_hours_of_training() -> None:
    found = impossible(split_of(40, 0))
    assert "there are no test pictures to report on" in found["cnn-1"]
    assert found.keys() >= {"cnn-1", "retrieval-1"}


def test_a_retrieval_that_asks_for_more_neighbours_than_there_are_is_set_aside_alone() -> None:
    k = ALMOG.of("retrieval-1").retrieval().k
    assert impossible(split_of(k - 1, 4)).keys() == {"retrieval-1"}
