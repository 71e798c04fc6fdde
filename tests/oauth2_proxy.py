"""A stand-in for oauth2-proxy, which answers nginx's requests as it does: who a cookie is of, and where to sign in."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlencode

COOKIE = "_oauth2_proxy"
PROVIDER = "https://login.plant.example/authorize"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        cookie = SimpleCookie(self.headers.get("Cookie", "")).get(COOKIE)
        name, _, groups = (cookie.value if cookie else "").partition(":")
        if self.path.startswith("/oauth2/auth"):
            self.send_response(202 if name else 401)
            if name:
                self.send_header("X-Auth-Request-Email", name)
                self.send_header("X-Auth-Request-Groups", groups.replace("+", ","))
        elif self.path.startswith("/oauth2/start"):
            self.send_response(302)
            query = urlencode({"state": self.headers.get("X-Auth-Request-Redirect", "")})
            self.send_header("Location", f"{PROVIDER}?{query}")
        else:
            self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def running_oauth2_proxy() -> Iterator[str]:
    """Run it for as long as a block lasts, and yield its host and port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
