"""The split of each family of experiments over one data set, which is looked at once."""

from collections.abc import Callable
from dataclasses import dataclass, field

from carsray.config import TrialConfig
from carsray.data.inspect import Inspection
from carsray.data.records import Catalog, DataSplit
from carsray.data.splits import make_split

DECIDING = ("classes", "split", "holdout", "split_seed", "crop_to_box")
"""The settings that a split depends on."""
HALVED = "50/25/25"
"""The proportions of Stanford Cars with its test halved."""


@dataclass
class Splits:
    """Splits a data set as configs ask, each way once."""

    catalog: Catalog
    inspection: Inspection
    warn: Callable[[str], None]
    _made: dict[tuple[object, ...], DataSplit] = field(default_factory=dict)

    def of(self, config: TrialConfig) -> DataSplit:
        """The split of a config; what a person should know about it goes to ``warn``. Raises DataError as make_split.

        Without a labelled test there is none to halve: then a half and two quarters of all pictures are taken.
        """
        way = tuple(getattr(config, name) for name in DECIDING)
        if way not in self._made:
            if config.split == "test-halved" and not any(p.split == "test" for p in self.catalog.pictures):
                self.warn(f"there is no labelled test to halve: train, val and test are {HALVED} of all pictures")
                config = config.model_copy(update={"split": HALVED})
            self._made[way], notes = make_split(self.catalog, self.inspection, config)
            for note in notes:
                self.warn(note)
        return self._made[way]
