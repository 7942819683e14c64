"""The service over HTTP: routes, what they take, and what they refuse."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, File, Query, Request, Response, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from starlette.exceptions import HTTPException

from carsray import __version__
from carsray.errors import DataError
from carsray.serve.answers import About, Answer, Refusal
from carsray.serve.asgi import App, Headed
from carsray.serve.catalogue import Catalogue
from carsray.serve.crowd import CROWD, Crowd
from carsray.serve.engine import Question
from carsray.serve.metrics import add_metrics
from carsray.serve.uploads import MAX_BYTES, BoundedBody, Decoder

MAX_K = 100
BUSY = "too many requests at once; ask again in a moment"
PAGE = Path(__file__).with_name("page")
PAGE_FILES = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
HEADERS = {
    # The page is its own files and pictures of its own: nothing from elsewhere, and in no one's frame.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
REFUSED: dict[int | str, dict[str, Any]] = {
    400: {"model": Refusal, "description": "Not a picture, or one that cannot be read"},
    404: {"model": Refusal, "description": "No such class, or no such picture"},
    413: {"model": Refusal, "description": "Too many bytes"},
    422: {"model": Refusal, "description": "A parameter outside what is allowed"},
    503: {"model": Refusal, "description": "Too busy: ask again in a moment"},
}

Ask = Callable[[Question], Awaitable[bytes]]
"""An Answer as JSON."""
K = Annotated[int | None, Query(ge=1, le=MAX_K, description="Neighbours; else as the model's retrieval.json says.")]
Class = Annotated[str | None, Query(alias="class", description="Neighbours of this class only.")]


class Busy(Exception):
    """More questions than can wait."""


def build_app(catalogue: Catalogue, ask: Ask, ready: Callable[[], Awaitable[bool]]) -> FastAPI:
    """The service of a package; ``ask`` answers, or raises Busy."""
    app = FastAPI(
        title="carsray visual search",
        version=__version__,
        docs_url=None,  # these two load scripts from another host
        redoc_url=None,
    )
    _add_search(app, catalogue, ask)
    _add_gallery(app, catalogue)
    _add_health(app, ready)
    _add_page(app)
    _add_refusals(app)
    app.add_middleware(BoundedBody, most=MAX_BYTES, refusal=_too_large)
    app.add_middleware(Crowd, most=CROWD, refusal=_refuse(503, BUSY))
    app.add_middleware(Headed, headers=HEADERS)
    add_metrics(app)
    return app


def _add_search(app: FastAPI, catalogue: Catalogue, ask: Ask) -> None:
    decoder = Decoder(catalogue.side)
    labels = {name: label for label, name in enumerate(catalogue.about.classes)}

    def question(asked: Any, k: int | None, name: str | None) -> Question:
        if name is not None and name not in labels:
            raise HTTPException(404, f"class {name!r}: is none of the model's; GET /api/model lists them")
        return Question(asked, k or catalogue.about.k, None if name is None else labels[name])

    @app.get("/api/model")
    async def model() -> About:
        """What is served: its classes, its gallery, how good it is."""
        return catalogue.about

    @app.post("/api/search", response_model=Answer, responses=REFUSED)
    async def search(
        image: Annotated[UploadFile, File(description="JPEG, PNG, WebP, ...")], k: K = None, name: Class = None
    ) -> Response:
        """What does this picture show, and which gallery pictures are most like it?"""
        asked = question(await decoder.read(image), k, name)
        return Response(await ask(asked), media_type="application/json")

    @app.post("/api/search/gallery/{row}", response_model=Answer, responses=REFUSED)
    async def search_from(row: int, k: K = None, name: Class = None) -> Response:
        """Which gallery pictures are most like this one of them?"""
        if not 0 <= row < catalogue.about.pictures:
            raise HTTPException(404, f"row {row}: the gallery has rows 0 to {catalogue.about.pictures - 1}")
        return Response(await ask(question(row, k, name)), media_type="application/json")


def _add_gallery(app: FastAPI, catalogue: Catalogue) -> None:
    @app.get(
        "/api/gallery/{row}",
        response_class=FileResponse,
        responses={200: {"content": {"image/jpeg": {}}}, 404: REFUSED[404]},
    )
    async def thumbnail(row: int) -> FileResponse:
        """The thumbnail of a gallery picture."""
        path = catalogue.thumbnail(row)
        if path is None:
            raise HTTPException(404, f"row {row}: the gallery has no such thumbnail")
        return FileResponse(path, headers={"Cache-Control": "no-cache"})


def _add_health(app: FastAPI, ready: Callable[[], Awaitable[bool]]) -> None:
    @app.get("/healthz")
    async def healthy() -> dict[str, str]:
        """Whether the server answers."""
        return {"status": "alive"}

    @app.get("/readyz", responses={503: {"model": Refusal}})
    async def is_ready() -> dict[str, str]:
        """Whether the model answers too."""
        if not await ready():
            raise HTTPException(503, "the model does not answer yet")
        return {"status": "ready"}


def _add_page(app: FastAPI) -> None:
    def add(path: str, name: str, kind: str) -> None:
        content = (PAGE / name).read_bytes()

        @app.get(path, include_in_schema=False)
        async def page_file() -> Response:
            return Response(content, media_type=kind, headers={"Cache-Control": "no-cache"})

    for path, (name, kind) in PAGE_FILES.items():
        add(path, name, kind)


def _add_refusals(app: FastAPI) -> None:
    """Every refusal is one line, in the form of Refusal."""

    @app.exception_handler(DataError)
    async def no_picture(_: Request, error: DataError) -> JSONResponse:
        return _refuse(400, str(error))

    @app.exception_handler(Busy)
    async def busy(_: Request, __: Busy) -> JSONResponse:
        return _refuse(503, BUSY)

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> JSONResponse:
        return _refuse(error.status_code, str(error.detail))

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        problems = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
        return _refuse(422, "; ".join(problems))


def _too_large(most: int) -> App:
    response: App = _refuse(413, f"the request has more than {most // 2**20} MB; send a smaller picture")
    return response


def _refuse(status: int, text: str) -> JSONResponse:
    headers = {"Retry-After": "1"} if status == 503 else {}
    return JSONResponse(Refusal(error=text).model_dump(), status, headers)
