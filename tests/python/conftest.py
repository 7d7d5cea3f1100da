"""One brickyard for the whole run: the demo workspace of `config/`, started as a user starts it.

`BRICKYARD_BIN` names the binary. Its Python agents run in the interpreter of the tests, so that each set of
clients (see the Makefile) is tried from outside and from inside an agent.
"""

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

ROOT = Path(__file__).resolve().parents[2]
SCRATCH = Path(tempfile.mkdtemp(prefix="brickyard-tests-"))

# Before any client is imported: nothing of the developer's own Databricks set-up may be found.
for name in [name for name in os.environ if name.startswith(("DATABRICKS_", "MLFLOW_", "OPENAI_"))]:
    del os.environ[name]
os.environ.update(HOME=str(SCRATCH), DATABRICKS_CONFIG_FILE=str(SCRATCH / "none"), NO_PROXY="127.0.0.1,localhost")

import pytest  # noqa: E402
import requests  # noqa: E402
from databricks.sdk import WorkspaceClient  # noqa: E402

ADMIN, ANA, BEN, CAROL = (f"{name}@example.com" for name in ("admin", "ana", "ben", "carol"))
WEATHER_CALLER = "7f1c0de0-0000-4000-8000-000000000001"
WEATHER_CALLER_SECRET = "dose00000000000000000000000000000001"
TOKENS = {
    name: "dapi" + end.rjust(32, "0") for name, end in ((ADMIN, "ad"), (ANA, "aa"), (BEN, "be"), (CAROL, "ca"))
}


@dataclass(frozen=True)
class Brickyard:
    """The running workspace, and the way in for each of its people."""

    url: str

    def token(self, who: str, scopes: str = "all-apis", ttl: str = "10m") -> str:
        """An OAuth token for `who`, cut to `scopes`."""
        reply = self.post("/_brickyard/tokens", ADMIN, {"as": who, "scopes": scopes, "ttl": ttl})
        reply.raise_for_status()
        return reply.json()["token"]

    def client(self, who: str, token: str | None = None) -> WorkspaceClient:
        """The official SDK, signed in with `who`'s personal access token (or with `token`)."""
        return WorkspaceClient(host=self.url, token=token or TOKENS[who])

    def get(self, path: str, who: str) -> requests.Response:
        return requests.get(self.url + path, headers=bearer(who), timeout=30)

    def post(self, path: str, who: str, body: dict) -> requests.Response:
        return requests.post(self.url + path, headers=bearer(who), json=body, timeout=60)


def bearer(who: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS[who]}"}


@pytest.fixture(scope="session")
def brickyard() -> Iterator[Brickyard]:
    with_demo = SCRATCH / "config"
    shutil.copytree(ROOT / "config", with_demo)
    file = with_demo / "brickyard.yaml"
    file.write_text(file.read_text().replace("http://127.0.0.1:8090", weather_service()))

    binary = os.environ.get("BRICKYARD_BIN") or ROOT / "target" / "debug" / "brickyard"
    log = (SCRATCH / "brickyard.log").open("w+")
    process = subprocess.Popen(
        [binary, "serve", "--config", with_demo, "--listen", "127.0.0.1:0", "--ephemeral", "--log-format", "json"],
        env={"PATH": os.environ["PATH"], "HOME": str(SCRATCH), "BRICKYARD_PYTHON": sys.executable},
        cwd=SCRATCH,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    try:
        yield Brickyard(url_when_ready(process, log.name))
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0, "SIGTERM drains and exits 0"
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(SCRATCH, ignore_errors=True)


def url_when_ready(process: subprocess.Popen, log: str) -> str:
    """Reads the line that `serve` prints when it is ready, and keeps reading so that the pipe never fills."""
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    seen = []
    while True:
        try:
            line = lines.get(timeout=120)
        except queue.Empty:
            line = None
        if line is None:
            pytest.exit(f"brickyard did not get ready: {''.join(seen)}{Path(log).read_text()}", returncode=1)
        seen.append(line)
        if line.startswith("{") and json.loads(line).get("event") == "ready":
            return json.loads(line)["url"]


def weather_service() -> str:
    """The demo's service outside the workspace, on a free port."""
    sys.path.insert(0, str(ROOT / "config" / "agents"))
    from weather_service import Weather

    server = ThreadingHTTPServer(("127.0.0.1", 0), Weather)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


@pytest.fixture
def fresh() -> str:
    """A name that nobody has."""
    return f"t-{uuid4().hex[:10]}"


@pytest.fixture
def scripted(brickyard: Brickyard, fresh: str) -> Iterator[str]:
    """A scripted chat model of Carol's own, deployed over the REST API."""
    deploy_scripted(brickyard, fresh, CAROL)
    yield fresh
    brickyard.client(CAROL).serving_endpoints.delete(fresh)


def deploy_scripted(brickyard: Brickyard, name: str, who: str, **entity: object) -> dict:
    """Creates an endpoint that says its name. (The SDK's own types drop the keys that are brickyard's.)"""
    script = {"task": "llm/v1/chat", "rules": [{"say": f"This is {name}."}]}
    body = {"name": name, "config": {"served_entities": [{"name": "it", "scripted": script, **entity}]}}
    created = brickyard.client(who).api_client.do("POST", "/api/2.0/serving-endpoints", body=body)
    brickyard.client(who).serving_endpoints.wait_get_serving_endpoint_not_updating(name)
    return created
