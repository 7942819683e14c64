"""A server on loopback that answers as W&B's API does, as far as its SDK asks here; or that hangs, or fails.

What it is sent is kept in memory, for tests to look at. The answers have the fields that the SDK's documents ask for.
"""

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

Fault = Literal["", "500", "hang", "garbled"]

KEY = "local-" + "0123456789abcdef" * 3
"""The only key that is let in."""
OTHER_KEY = "local-" + "f" * 48
ENTITY = "cars"
VIEWER = {
    **{"id": "VXNlcjox", "username": ENTITY, "name": ENTITY, "email": "cars@example.com", "admin": False},
    **{"flags": "{}", "deletedAt": None, "entity": ENTITY, "apiKeys": {"edges": []}},
    "teams": {"edges": [{"node": {"name": ENTITY}}]},
}
OWNER = {"id": "e1", "name": ENTITY}


class Stored:
    """What has been sent to the server."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.fault: Fault = ""
        """What is wrong with the server from now on."""
        self.runs: dict[str, dict[str, Any]] = {}
        """By id: the fields of upsertBucket, `config`, `lines` of history, `summary`, `state`."""
        self.views: dict[str, dict[str, Any]] = {}
        """Reports and workspaces, by id."""
        self.artifacts: list[dict[str, Any]] = []
        self.unknown: set[str] = set()
        """Operations that are answered with nothing."""
        self.asked: list[str] = []
        """Names of the GraphQL operations, in their order."""
        self.uploads: dict[str, bytes] = {}
        self.requests = 0

    def answer(self, operation: str, given: dict[str, Any], url: str) -> dict[str, Any]:
        """The data of an answer; of an operation that nobody knows, none."""
        self.asked.append(operation)
        answers = {
            "Viewer": self._viewer,
            "GetViewer": self._viewer,
            "GetDefaultEntity": self._viewer,
            "RunResumeStatus": self._resume_status,
            "UpsertBucket": self._upsert_bucket,
            "CreateRunFiles": self._create_run_files,
            "ArtifactType": lambda given, url: {"project": {"artifact": None}},
            "CreateArtifact": self._create_artifact,
            "CreateArtifactManifest": self._create_manifest,
            "CommitArtifact": lambda given, url: {"commitArtifact": {"artifact": {"id": "a1", "digest": "d"}}},
            "GetProjects": self._projects,
            "ProjectInternalId": lambda given, url: {
                "project": {"id": "p1", "internalId": "UHJvamVjdEludGVybmFsSWQ6MQ=="}
            },
            "UpsertView2": self._upsert_view,
            "upsertView": self._upsert_view,
            "View": self._workspace_view,
            "SpecificReport": lambda given, url: {"view": self.views.get(given["reportId"])},
        }
        return answers[operation](given, url) if operation in answers.keys() - self.unknown else {}

    def _viewer(self, given: dict[str, Any], url: str) -> dict[str, Any]:
        return {"viewer": VIEWER}

    def _resume_status(self, given: dict[str, Any], url: str) -> dict[str, Any]:
        run = self.runs.get(given["name"])
        model: dict[str, Any] = {"id": "p1", "name": given["project"], "entity": OWNER, "bucket": None}
        if run:
            tail = [json.dumps(line) for line in run["lines"][-1:]]
            model["bucket"] = {
                **{"id": "b1", "name": given["name"], "displayName": run["displayName"], "notes": ""},
                **{"summaryMetrics": json.dumps(run["summary"]), "config": json.dumps(run["config"])},
                **{"logLineCount": 0, "historyLineCount": len(run["lines"]), "eventsLineCount": 0},
                **{"historyTail": json.dumps(tail), "eventsTail": "[]", "tags": run.get("tags") or []},
                # A run has begun, as the SDK sees it, once its config says how it was begun.
                "wandbConfig": json.dumps({"t": run["config"].get("_wandb", {}).get("value", {}).get("t", {})}),
            }
        return {"model": model}

    def _upsert_bucket(self, given: dict[str, Any], url: str) -> dict[str, Any]:
        known = given["name"] in self.runs
        run = self.runs.setdefault(given["name"], {"lines": [], "summary": {}, "config": {}})
        run["state"] = "running"
        run |= {key: value for key, value in given.items() if value is not None and key != "config"}
        run["config"] |= json.loads(given.get("config") or "{}")
        run.setdefault("displayName", given["name"])
        bucket = {
            **{"id": "b1", "name": given["name"], "displayName": run["displayName"], "description": ""},
            **{"config": json.dumps(run["config"]), "sweepName": None, "historyLineCount": len(run["lines"])},
            "project": {"id": "p1", "name": run["project"], "entity": OWNER},
        }
        return {"upsertBucket": {"bucket": bucket, "inserted": not known}}

    def _create_run_files(self, given: dict[str, Any], url: str) -> dict[str, Any]:
        files = [{"name": name, "uploadUrl": f"{url}/upload/{given['run']}/{name}"} for name in given["files"]]
        return {"createRunFiles": {"runID": "b1", "uploadHeaders": [], "files": files}}

    def _create_artifact(self, given: dict[str, Any], url: str) -> dict[str, Any]:
        self.artifacts.append(given["input"])
        return {"createArtifact": {"artifact": {"id": "a1", "state": "PENDING", "artifactSequence": {}}}}

    def _create_manifest(self, given: dict[str, Any], url: str) -> dict[str, Any]:
        place = f"{url}/upload/manifest/{len(self.artifacts)}"
        file = {"id": "f1", "uploadUrl": place, "uploadHeaders": []}
        return {"createArtifactManifest": {"artifactManifest": {"id": "m1", "file": file}}}

    def _projects(self, given: dict[str, Any], url: str) -> dict[str, Any]:
        project = {
            **{"__typename": "Project", "id": "p1", "name": "carsray", "entityName": ENTITY, "isBenchmark": False},
            **{"createdAt": "2026-01-01T00:00:00Z", "user": None},
        }
        page = {"__typename": "PageInfo", "endCursor": None, "hasNextPage": False}
        return {"models": {"pageInfo": page, "edges": [{"node": project}]}}

    def _upsert_view(self, given: dict[str, Any], url: str) -> dict[str, Any]:
        key = given.get("id") or base64.b64encode(f"View:{1000000 + len(self.views)}".encode()).decode()
        new = key not in self.views
        project = {"id": "p1", "name": given["projectName"], "entityName": given["entityName"]}
        fields = {name: given.get(name) for name in ("name", "displayName", "description", "type", "spec")}
        self.views[key] = {"id": key, **fields, "project": project, "createdAt": None, "updatedAt": None}
        return {"upsertView": {"view": self.views[key], "inserted": new}}

    def _workspace_view(self, given: dict[str, Any], url: str) -> dict[str, Any]:
        found = [{"node": view} for view in self.views.values() if view["name"] == given["viewName"]]
        return {"project": {"allViews": {"edges": found}}}

    def stream(self, name: str, sent: dict[str, Any]) -> None:
        """A part of a run's files: history and summary."""
        run = self.runs[name]
        for file, part in (sent.get("files") or {}).items():
            if file == "wandb-history.jsonl":
                run["lines"][part["offset"] :] = [json.loads(line) for line in part["content"]]
            elif file == "wandb-summary.json":
                run["summary"] = json.loads(part["content"][-1])
        if sent.get("complete"):
            ended = "finished" if not sent["exitcode"] else "failed"
            run["state"] = "preempted" if ended == "failed" and run.get("preempting") else ended
        run["preempting"] = run.get("preempting") or bool(sent.get("preempting"))


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    stored: Stored
    released: threading.Event
    """At the server's end, for those who hang."""

    def log_message(self, format: str, *args: Any) -> None: ...

    def do_GET(self) -> None:
        self._serve(b"")

    def do_PUT(self) -> None:
        self._serve(self._body())

    def do_POST(self) -> None:
        self._serve(self._body())

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _serve(self, body: bytes) -> None:
        with self.stored.lock:
            self.stored.requests += 1
            fault = self.stored.fault
            if fault:
                pass
            elif self.path.startswith("/upload/"):
                self.stored.uploads[self.path.removeprefix("/upload/")] = body
                self._answer({})
            elif not self._let_in():
                self._answer({"errors": [{"message": "user is not logged in"}]}, 401)
            elif self.path == "/graphql":
                asked = json.loads(body)
                name = re.search(r"(?:query|mutation)\s+(\w+)", asked["query"])
                url = f"http://{self.headers['Host']}"
                self._answer({"data": self.stored.answer(name[1] if name else "", asked.get("variables") or {}, url)})
            else:
                self.stored.stream(self.path.split("/")[-2], json.loads(body))
                self._answer({"exitcode": None, "limits": {}})
        if fault == "hang":
            self.released.wait()
            self.close_connection = True
        elif fault == "500":
            self._answer({"error": "broken on purpose"}, 500)
        elif fault == "garbled":
            self._send(b"<html>Welcome to our hotel</html>", 200)

    def _let_in(self) -> bool:
        given = self.headers.get("Authorization", "").removeprefix("Basic ")
        return base64.b64decode(given) == f"api:{KEY}".encode()

    def _answer(self, value: Any, status: int = 200) -> None:
        self._send(json.dumps(value).encode(), status)

    def _send(self, content: bytes, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def serving(fault: Fault = "") -> Iterator[tuple[str, Stored]]:
    """The server's address, and what it has been sent."""
    stored, released = Stored(), threading.Event()
    stored.fault = fault
    handler = type("ItsHandler", (Handler,), {"stored": stored, "released": released})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.handle_error = lambda *connection: None  # type: ignore[method-assign]  # the SDK hangs up as it pleases
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", stored
    finally:
        released.set()
        server.shutdown()
        server.server_close()
        thread.join()
