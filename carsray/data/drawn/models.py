"""The car models of the drawn data set: invented names, shapes in toy units, near-siblings on purpose.

One unit is about a wheelbase. Lengths along the car are also given as shares of its length, counted from the nose.
Each model is its family's shape (sedan, hatch, ...) with a few details changed, so that telling two siblings apart
takes the wheelbase, the lamps, the grille, the window line and the wheels, as with real cars.
"""

from dataclasses import dataclass, replace
from typing import Literal

Lamp = Literal["round", "twin", "square", "slit", "tall", "drop"]
Grille = Literal["bars", "teeth", "oval", "kidney", "smile", "hex", "mesh", "blank"]
Extra = Literal["rails", "spoiler", "spare", "cladding", "bed", "open", "panel"]


@dataclass(frozen=True, slots=True)
class CarModel:
    """One class of the data set."""

    name: str
    # Lengths, in units.
    wheelbase: float
    front: float
    """Overhang before the front axle."""
    rear: float
    """Overhang behind the rear axle."""
    wheel: float
    """Radius of a wheel."""
    # Heights above the road, in units.
    clearance: float
    nose: float
    belt: float
    """Foot of the windscreen."""
    tail: float
    roof: float
    roof_end: float
    """The roof above the rear window."""
    # Shares of the length, from the nose.
    cowl: float
    """Foot of the windscreen."""
    brow: float
    """Top of the windscreen."""
    crest: float
    """End of the roof."""
    deck: float
    """Foot of the rear window."""
    pillars: tuple[float, ...]
    """Posts between the side windows; a door ends at each."""
    # Details.
    headlamp: Lamp
    taillamp: Lamp
    grille: Grille
    spokes: int
    """Of a wheel; 0: a plain disc."""
    kick: float = 0.0
    """How far the window line rises towards the tail, in units."""
    extras: frozenset[Extra] = frozenset()

    @property
    def length(self) -> float:
        """Bumper to bumper, in units."""
        return self.front + self.wheelbase + self.rear

    def at(self, share: float) -> float:
        """The place at this share of the length, in units: the middle of the car is 0, the nose positive."""
        return self.length * (0.5 - share)


def _extras(*names: Extra) -> frozenset[Extra]:
    return frozenset(names)


# fmt: off
# Families: one line for lengths, heights, shares and details each.
_SEDAN = CarModel(
    name="", wheelbase=0.98, front=0.31, rear=0.37, wheel=0.165,
    clearance=0.10, nose=0.34, belt=0.42, tail=0.41, roof=0.69, roof_end=0.67,
    cowl=0.30, brow=0.42, crest=0.68, deck=0.82, pillars=(0.555,),
    headlamp="round", taillamp="square", grille="bars", spokes=5,
)
_HATCH = replace(
    _SEDAN, wheelbase=0.92, front=0.27, rear=0.19, clearance=0.11, belt=0.43, tail=0.45, roof=0.73, roof_end=0.70,
    cowl=0.27, brow=0.41, crest=0.83, deck=0.965, pillars=(0.58,), headlamp="drop", taillamp="tall", grille="smile",
)
_WAGON = replace(
    _SEDAN, wheelbase=1.02, rear=0.36, tail=0.43, roof=0.70, roof_end=0.68, cowl=0.28, brow=0.39, crest=0.88,
    deck=0.965, pillars=(0.52, 0.72), taillamp="tall", grille="kidney", spokes=6, extras=_extras("rails"),
)
_SUV = replace(
    _SEDAN, wheelbase=0.94, front=0.29, rear=0.27, wheel=0.195, clearance=0.19, nose=0.48, belt=0.54, tail=0.55,
    roof=0.86, roof_end=0.84, cowl=0.27, brow=0.37, crest=0.88, deck=0.965, pillars=(0.52, 0.73),
    headlamp="square", grille="teeth", spokes=6, extras=_extras("cladding"),
)
_COUPE = replace(
    _SEDAN, wheelbase=0.94, front=0.34, rear=0.32, wheel=0.175, clearance=0.07, nose=0.28, belt=0.37, tail=0.38,
    roof=0.59, roof_end=0.57, cowl=0.34, brow=0.49, crest=0.64, deck=0.88, pillars=(0.68,),
    headlamp="slit", taillamp="round", grille="blank", spokes=10,
)
_PICKUP = replace(
    _SEDAN, wheelbase=1.10, front=0.31, rear=0.36, wheel=0.19, clearance=0.19, nose=0.47, belt=0.52, tail=0.50,
    roof=0.82, roof_end=0.81, cowl=0.27, brow=0.36, crest=0.52, deck=0.55, pillars=(),
    headlamp="square", taillamp="tall", grille="mesh", spokes=6, extras=_extras("bed"),
)
_VAN = replace(
    _SEDAN, wheelbase=1.02, front=0.24, rear=0.28, wheel=0.155, clearance=0.11, nose=0.42, belt=0.50, tail=0.52,
    roof=0.94, roof_end=0.93, cowl=0.10, brow=0.23, crest=0.96, deck=0.985, pillars=(0.40, 0.67),
    headlamp="tall", taillamp="tall", grille="smile", spokes=0,
)
_CABRIO = replace(
    _COUPE, wheelbase=0.92, front=0.31, rear=0.31, clearance=0.09, nose=0.31, belt=0.39, tail=0.39, roof=0.60,
    roof_end=0.58, cowl=0.33, brow=0.43, crest=0.68, deck=0.74, pillars=(), headlamp="round", grille="oval",
    extras=_extras("open"),
)

# In alphabetical order, which is the order of the labels, and mixed, so that the first few already hold
# different bodies and siblings.
MODELS: tuple[CarModel, ...] = (
    replace(_SEDAN, name="Aster Sedan"),
    replace(_SEDAN, name="Brio Sedan", wheelbase=1.18, rear=0.31, wheel=0.18, roof=0.67, roof_end=0.63, cowl=0.27,
            pillars=(0.53,), headlamp="slit", taillamp="slit", grille="kidney", spokes=10),
    replace(_HATCH, name="Cirrus Hatch"),
    replace(_HATCH, name="Dune Hatch", wheelbase=0.82, front=0.24, roof=0.77, roof_end=0.73, crest=0.76,
            headlamp="round", taillamp="round", grille="oval", spokes=0),
    replace(_SUV, name="Ember Trail"),
    replace(_SUV, name="Fjord Trail", wheelbase=1.06, rear=0.32, headlamp="slit", taillamp="slit", grille="hex",
            kick=0.06, spokes=5, extras=_extras("rails")),
    replace(_WAGON, name="Gale Estate"),
    replace(_COUPE, name="Halo Coupe"),
    replace(_SEDAN, name="Iris Saloon", front=0.35, rear=0.44, wheel=0.15, nose=0.39, belt=0.44, tail=0.44, roof=0.75,
            roof_end=0.74, brow=0.36, crest=0.66, deck=0.72, headlamp="square",
            taillamp="tall", grille="teeth", spokes=0),
    replace(_VAN, name="Juno Bus"),
    replace(_PICKUP, name="Koda Pickup"),
    replace(_COUPE, name="Lumen Coupe", wheelbase=1.02, rear=0.27, crest=0.70, deck=0.95, roof_end=0.55,
            headlamp="drop", taillamp="slit", grille="hex", spokes=5, extras=_extras("spoiler")),
    replace(_HATCH, name="Mira Hatch", wheelbase=1.00, wheel=0.18, roof=0.70, roof_end=0.66, cowl=0.24, crest=0.86,
            kick=0.08, headlamp="slit", taillamp="slit", grille="hex", spokes=8, extras=_extras("spoiler")),
    replace(_WAGON, name="Nova Estate", wheelbase=0.92, rear=0.42, wheel=0.18, roof_end=0.63, crest=0.84,
            kick=0.05, pillars=(0.57,), headlamp="drop", taillamp="slit", grille="smile", spokes=10, extras=_extras()),
    replace(_CABRIO, name="Orla Cabrio"),
    replace(_SUV, name="Pilot Rover", wheelbase=0.84, front=0.24, rear=0.22, roof=0.93, roof_end=0.93, brow=0.31,
            deck=0.94, crest=0.92, pillars=(0.60,), headlamp="round", taillamp="round", grille="bars", spokes=5,
            extras=_extras("cladding", "spare")),
    replace(_VAN, name="Quill Van", front=0.30, cowl=0.19, brow=0.30, nose=0.40, headlamp="square", taillamp="square",
            grille="bars", spokes=5, extras=_extras("panel")),
    replace(_SEDAN, name="Rondo Saloon", wheelbase=1.04, front=0.28, rear=0.33, roof=0.66, roof_end=0.61, cowl=0.28,
            brow=0.44, crest=0.64, deck=0.93, pillars=(0.50, 0.70), kick=0.06, headlamp="drop", taillamp="round",
            grille="hex", spokes=6),
    replace(_CABRIO, name="Sol Cabrio", wheelbase=1.06, front=0.38, rear=0.27, wheel=0.16, cowl=0.42, brow=0.51,
            crest=0.76, deck=0.82, headlamp="twin", taillamp="twin", grille="mesh", spokes=6),
    replace(_PICKUP, name="Tundra Pickup", wheelbase=1.16, front=0.29, pillars=(0.48,), crest=0.60, deck=0.63,
            headlamp="twin", taillamp="square", grille="teeth", spokes=8, extras=_extras("bed", "cladding")),
    replace(_HATCH, name="Umbra Mini", wheelbase=0.78, front=0.20, rear=0.17, wheel=0.15, nose=0.38, cowl=0.24,
            brow=0.36, crest=0.80, pillars=(0.62,), headlamp="round", taillamp="square", grille="blank", spokes=3),
    replace(_SUV, name="Vesper Cross", clearance=0.16, roof=0.79, roof_end=0.70, crest=0.76, deck=0.95,
            pillars=(0.56,), headlamp="drop", taillamp="slit", grille="kidney", spokes=10),
    replace(_COUPE, name="Wisp Coupe", front=0.40, rear=0.28, cowl=0.42, brow=0.55, crest=0.68, deck=0.86,
            pillars=(0.70,), headlamp="twin", taillamp="twin", grille="oval", spokes=6),
    replace(_WAGON, name="Yarrow Estate", wheelbase=1.08, front=0.28, roof=0.72, crest=0.93, deck=0.97,
            headlamp="square", taillamp="square", grille="bars", spokes=5),
)
# fmt: on
