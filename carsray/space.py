"""A search space: what may vary, what is fixed, when trials are compared. space_file.py reads one from a file."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from carsray.config import TOGETHER, TrialConfig

Value = bool | int | float | str
Values = dict[str, Value]


def same(one: object, other: object) -> bool:
    """Whether two values of a setting are one: 1 is 1.0, but not true."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


class Objective(BaseModel):
    """When trials are compared. What they are ranked by is always val/accuracy_best."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    rungs: list[Annotated[int, Field(ge=1)]] = [1, 3, 9]
    """Epochs at which ASHA compares trials; those past the last epoch are dropped."""
    reduction: Annotated[float, Field(gt=1, le=10)] = 3
    """Of this many trials at a rung one goes on."""
    noise: bool = True
    """Whether who lies within the noise of a cut goes on as well, unless its epochs are dear; else cuts are sharp."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One searched setting: a range (low to high, bounds inclusive) or a choice."""

    name: str
    low: float = 0
    high: float = 0
    log: bool = False
    integer: bool = False
    choices: tuple[Value, ...] = ()
    default: Value | None = None
    when: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    """Active only if each of these choices has one of these values."""

    @property
    def ends(self) -> tuple[Value, ...]:
        """The choices, or the ends of the range."""
        kind = int if self.integer else float
        return self.choices or (kind(self.low), kind(self.high))

    def active(self, values: Mapping[str, Value]) -> bool:
        """Whether this parameter exists beside the other values."""
        return all(values.get(name) in allowed for name, allowed in self.when.items())

    def contains(self, value: object) -> bool:
        """Whether the value lies in the range or among the choices."""
        if self.choices:
            fits = not (self.integer and isinstance(value, float))
            return fits and any(same(value, choice) for choice in self.choices)
        if isinstance(value, bool) or not isinstance(value, int if self.integer else int | float):
            return False
        return self.low <= value <= self.high

    def __str__(self) -> str:
        if self.choices:
            text = "one of " + ", ".join(map(str, self.choices))
        else:
            text = f"{self.low:g} to {self.high:g}" + (", log scale" if self.log else "")
        conditions = [f"{name} is {' or '.join(map(str, allowed))}" for name, allowed in self.when.items()]
        return text + (f", when {' and '.join(conditions)}" if conditions else "")


@dataclass(frozen=True, slots=True)
class Space:
    """A checked search space."""

    name: str
    text: str
    objective: Objective
    fixed: Values
    parameters: dict[str, Parameter]
    start: tuple[Values, ...]
    """Points tried first: the defaults, then each [[start]]."""
    pinned: Values = field(default_factory=dict)
    """Settings given from outside, which override the file."""

    def config(self, values: Mapping[str, Value], **derived: int) -> TrialConfig:
        """The TrialConfig of one point; values that are inactive there are left out."""
        return TrialConfig.model_validate({**self.fixed, **self.only_active(values), **derived})

    def only_active(self, values: Mapping[str, Value]) -> Values:
        """The values of the parameters that exist at this point, in the order of the file."""
        all_values = {**self.fixed, **values}
        return {n: values[n] for n, p in self.parameters.items() if n in values and p.active(all_values)}

    @property
    def first(self) -> Values:
        """The first start point; where there is none, of each parameter its first choice or low end, if that fits."""
        if self.start:
            return self.start[0]
        lows = {name: parameter.ends[0] for name, parameter in self.parameters.items()}
        return next(point for point in ({**lows, **some} for some in self.meetings()) if self.fits(point))

    def meetings(self) -> Iterator[Values]:
        """Every way in which settings that have to fit together can meet, beside what they are searched under."""
        bound = [parameter for name, parameter in self.parameters.items() if name in TOGETHER]
        names = dict.fromkeys(name for p in bound for name in (*p.when, p.name) if name in self.parameters)
        for values in itertools.product(*(self.parameters[name].ends for name in names)):
            yield dict(zip(names, values, strict=True))

    def fits(self, values: Mapping[str, Value]) -> bool:
        """Whether the settings of a point, each allowed alone, are allowed together."""
        try:
            self.config(values)
        except ValidationError:
            return False
        return True

    def beginning_with(self, values: Mapping[str, Value]) -> "Space":
        """The same space with this point before its other ones; its values may lie outside of what is searched."""
        first = {name: values[name] for name in self.parameters if name in values}
        return replace(self, start=(first, *(point for point in self.start if point != first)))

    def outside(self, point: Mapping[str, Value]) -> Values:
        """The values of a point that are not among what is searched."""
        return {n: v for n, v in point.items() if n in self.parameters and not self.parameters[n].contains(v)}

    @property
    def epochs(self) -> int:
        """The full length of a trial."""
        return int(self.fixed.get("epochs", TrialConfig.model_fields["epochs"].default))

    @property
    def rungs(self) -> tuple[int, ...]:
        """The epochs at which a trial can be stopped early."""
        return tuple(sorted({rung for rung in self.objective.rungs if rung < self.epochs}))

    def describe(self) -> list[tuple[str, str]]:
        """(name, what it may be) of every parameter."""
        return [(name, str(parameter)) for name, parameter in self.parameters.items()]
