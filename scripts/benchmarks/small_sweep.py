"""A sweep of a minute or two on two cores, for benchmarks of what goes wrong: small CNNs on drawn cars."""

import sys
from pathlib import Path

from carsray.data.drawn.folder import draw_cars

COMMAND = Path(sys.executable).with_name("carsray")
"""The carsray of this environment."""
FIXED = """
[fixed]
backbone = "cnn"
image_size = 64
depth = 3
width = 32
hidden = 0
epochs = 6
precision = "float32"
"""


def lay_out(root: Path, objective: str, search: str) -> None:
    """Write root/space.toml with these lines of its sections, and draw root/pictures."""
    root.mkdir(exist_ok=True)
    (root / "space.toml").write_text(f"[objective]\n{objective}\n{FIXED}\n[search]\n{search}\n")
    draw_cars(root / "pictures", models=6, per_model=60, size=80)
