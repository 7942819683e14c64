"""What the service tells of a package without asking the model: its description, its thumbnails."""

from pathlib import Path

from carsray.final.package.config_file import read_config
from carsray.final.package.folder import Package
from carsray.serve.answers import About


class Catalogue:
    """Of a checked package; to be read again when its gallery has grown."""

    def __init__(self, package: Package) -> None:
        self.side = read_config(package.config).packed_size
        """Pixels of the squares that the model takes."""
        self.about = describe(package)
        self._package, self._thumbnails = package, package.thumbnails()

    def reread(self) -> None:
        """Take in the pictures that were added."""
        thumbnails = self._package.thumbnails()
        self.about, self._thumbnails = describe(self._package), thumbnails

    def thumbnail(self, row: int) -> Path | None:
        """That of a row of the gallery, if there is one."""
        return self._thumbnails[row] if 0 <= row < len(self._thumbnails) else None


def describe(package: Package) -> About:
    """What a checked package says of itself."""
    facts, point = package.read_json(package.facts), package.read_json(package.retrieval)["point"]
    retrain = package.record / "retrain.json"
    tested = package.read_json(retrain) if retrain.exists() else {}
    return About(
        name=facts["name"],
        classes=package.read_json(package.classes),
        pictures=len(package.thumbnails()),
        k=point["k"],
        distance=point["distance"],
        backbone=facts["model"]["backbone"],
        embedding=facts["model"]["embedding"],
        accuracy=tested.get("test", {}).get("accuracy"),
        accuracy_interval=tested.get("test", {}).get("accuracy_interval"),
        test_pictures=tested.get("pictures", {}).get("test"),
    )
