"""A weather service outside the workspace, for the demo: it knows nothing of Databricks, only of its own API keys.

`GET /weather?city=Lisbon` with header `X-Api-Key`; the same city always has the same weather. It ends when the
process that started it is gone, so that nothing is left behind when the demo stops.

    python3 weather_service.py [--port 8090] [--key VALUE]
"""

import argparse
import hmac
import json
import os
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

DEMO_KEY = "demo-weather-key"
SKIES = ("sunny", "cloudy", "rainy", "windy")


class Weather(BaseHTTPRequestHandler):
    key = DEMO_KEY

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        city = parse_qs(url.query).get("city", [""])[0]
        if url.path != "/weather" or not city:
            self.answer(404, {"error": "try /weather?city=Lisbon"})
        elif not hmac.compare_digest(self.headers.get("X-Api-Key", "").encode(), self.key.encode()):
            self.answer(401, {"error": "X-Api-Key is missing or unknown"})
        else:
            chance = zlib.crc32(city.encode())
            self.answer(
                200,
                {"account": "demo-travel-agency", "city": city, "sky": SKIES[chance % 4], "celsius": chance % 30},
            )

    def answer(self, status: int, body: dict[str, object]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    options = argparse.ArgumentParser(description="The demo's weather service")
    options.add_argument("--port", type=int, default=8090)
    options.add_argument("--key", default=DEMO_KEY)
    options = options.parse_args()

    Weather.key = options.key
    try:
        server = ThreadingHTTPServer(("127.0.0.1", options.port), Weather)
    except OSError as error:
        raise SystemExit(f"weather service: port {options.port}: {error.strerror}") from None
    threading.Thread(target=stop_with_parent, args=(server, os.getppid()), daemon=True).start()
    try:
        server.serve_forever(poll_interval=0.2)
    except KeyboardInterrupt:
        pass


def stop_with_parent(server: ThreadingHTTPServer, parent: int) -> None:
    while os.getppid() == parent:
        threading.Event().wait(0.5)
    server.shutdown()


if __name__ == "__main__":
    main()
