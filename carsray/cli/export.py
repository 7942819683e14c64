"""``carsray export``."""

from pathlib import Path

import click

from carsray.cli.sweep import RESULTS


@click.command()
@click.argument("name")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace an earlier export in DIR.")
@click.option("--no-pictures", is_flag=True, help="Leave out the thumbnails of the gallery.")
@click.option("--no-onnx", is_flag=True, help="Leave out model.onnx, which needs the packages of carsray[export].")
@RESULTS
def export(name: str, folder: Path, force: bool, no_pictures: bool, no_onnx: bool, results: Path) -> None:
    """Hand a retrained model over: a folder that runs elsewhere, with carsray or without.

    DIR gets the weights, model.onnx, settings, preprocessing, temperature, a gallery to search, a model card
    (README.md), and the SHA-256 of each file. It is written whole or not at all.

    \b
    carsray export cars-1 cars-model
    carsray export cars-1 cars-model --force --no-pictures
    carsray predict cars-model car.jpg
    """
    from rich.filesize import decimal

    from carsray.final.package.export import Wanted, export
    from carsray.progress import bar
    from carsray.results import open_sweep

    wanted = Wanted(folder, force=force, pictures=not no_pictures, onnx=not no_onnx)
    parity = export(open_sweep(results, name), wanted, bar)
    files = [path for path in folder.rglob("*") if path.is_file()]
    click.echo(f"{folder}: {len(files)} files, {decimal(sum(path.stat().st_size for path in files))}")
    if parity:
        click.echo(
            f"ONNX and torch on {parity.pictures} pictures: logits within {parity.logits:.2g}, embeddings within"
            f" {parity.embedding:.2g}"
        )
    click.echo(f"  {folder / 'README.md'}  the model card")
    click.echo(f"Try it: carsray predict {folder} PICTURE")
