"""The page: its sections, its script and style within it, and the policy that lets nothing else in."""

import base64
import hashlib
import re
from collections.abc import Sequence
from datetime import datetime
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from carsray import __version__
from carsray.progress import Report, silent
from carsray.report.answer import answer
from carsray.report.reading import Sweep
from carsray.report.sections import sections

SCRIPTS = ("brush.js", "highlight.js", "sort.js")


def render(sweeps: Sequence[Sweep], report: Report = silent) -> str:
    """The page of the first sweep, with the others beside it. Test stays sealed until retrain has opened it."""
    sweep = sweeps[0]
    made = sections(sweeps, report)
    style = _resource("report.css")
    scripts = [_resource(name) for name in SCRIPTS]
    environment = Environment(
        loader=PackageLoader("carsray.report", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"code": code, "breakable": breakable}
    page = environment.get_template("page.html").render(
        sweep=sweep,
        answer=answer(sweep),
        sections=[section for section in made if section.data is not None],
        lacking=[section for section in made if section.data is None and section.lacks],
        policy=policy([style], scripts),
        style=Markup(style),
        scripts=[Markup(script) for script in scripts],
        when=datetime.fromtimestamp(sweep.read_at).astimezone(),
        version=__version__,
    )
    # A path may hold bytes that are no text.
    return page.encode("utf-8", "replace").decode("utf-8")


def code(text: str) -> Markup:
    """Text with `commands` in it, escaped."""
    parts = text.split("`")
    return Markup("").join(Markup("<code>{}</code>").format(part) if at % 2 else part for at, part in enumerate(parts))


def breakable(text: str) -> Markup:
    """A name that may go on in the next line after each of its parts, as on the terminal."""
    return Markup("<wbr>").join(re.split(r"(?<=[_/])", text))


def policy(styles: Sequence[str], scripts: Sequence[str]) -> str:
    """A Content-Security-Policy under which only these styles and scripts work, and nothing is ever asked for."""
    return "; ".join(
        [
            "default-src 'none'",
            "img-src data:",
            "style-src " + " ".join(map(_hash, styles)),
            "script-src " + " ".join(map(_hash, scripts)),
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _resource(name: str) -> str:
    return (files("carsray.report") / "page" / name).read_text(encoding="utf-8")
