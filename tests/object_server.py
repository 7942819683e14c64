"""A server that speaks S3 on loopback, in a process of its own: moto's."""

import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

SERVE = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""
BUCKET = "sweeps-here"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}
"""What has to be in the environment of whoever asks."""


@dataclass(frozen=True)
class ObjectServer:
    process: "subprocess.Popen[str]"
    endpoint: str

    def address(self, prefix: str) -> str:
        return f"s3://{BUCKET}/{prefix}?endpoint={self.endpoint}"


@contextmanager
def object_server() -> Iterator[ObjectServer]:
    """Runs for the time of a with-block; has one empty bucket."""
    command = [sys.executable, "-c", SERVE]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout
            *_, port = iter(process.stdout.readline().split())
            endpoint = f"http://127.0.0.1:{port}"
            urllib.request.urlopen(urllib.request.Request(f"{endpoint}/{BUCKET}", method="PUT")).close()
            yield ObjectServer(process, endpoint)
        finally:
            process.kill()
