"""A service outside the workspace, reached through a connection of Unity Catalog by the SDK's own `http_request`."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from conftest import ADMIN, ANA, Brickyard
from databricks.sdk.errors import PermissionDenied
from databricks.sdk.service import catalog as uc
from databricks.sdk.service.serving import ExternalFunctionRequestHttpMethod as Method

TOKEN = "token-of-the-service"


class Service(BaseHTTPRequestHandler):
    """Answers with what it was asked."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        asked = {"path": self.path, "body": json.loads(body), "x-n": self.headers["X-N"]}
        asked["by"] = self.headers["Authorization"]
        answer = json.dumps(asked).encode()
        self.send_response(418)
        self.send_header("Content-Length", str(len(answer)))
        self.send_header("mcp-session-id", "session-1")
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def connection(brickyard: Brickyard, fresh: str) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    options = {"host": "http://127.0.0.1", "port": str(server.server_port), "base_path": "/v1", "bearer_token": TOKEN}
    admin = brickyard.client(ADMIN)
    admin.connections.create(fresh, uc.ConnectionType.HTTP, options)
    yield fresh
    admin.connections.delete(fresh)
    server.shutdown()


def test_a_service_is_called_through_a_connection_whose_token_nobody_sees(brickyard: Brickyard, connection: str) -> None:
    ana = brickyard.client(ANA).serving_endpoints
    with pytest.raises(PermissionDenied, match="USE CONNECTION"):
        ana.http_request(connection, Method.POST, "/now", json={})
    use = uc.PermissionsChange(principal=ANA, add=[uc.Privilege.USE_CONNECTION])
    brickyard.client(ADMIN).grants.update("connection", connection, changes=[use])
    response = ana.http_request(
        connection, Method.POST, "/now", headers={"X-N": "1"}, json={"days": "2"}, params={"city": "São Tomé"}
    )
    assert json.loads(response.text) == {
        "path": "/v1/now?city=S%C3%A3o+Tom%C3%A9", "body": {"days": "2"}, "x-n": "1", "by": f"Bearer {TOKEN}",
    }
    assert response.headers["mcp-session-id"] == "session-1"
    assert TOKEN not in str(brickyard.client(ANA).connections.get(connection).as_dict())
