"""A desk of tickets that takes forewarn's alarms and reports back what was found: an example of another system.

It needs nothing but Python. `connect.md`, beside this file, tells how it is used.
"""

import argparse
import base64
import csv
import hashlib
import hmac
import json
import sqlite3
import sys
import time
import urllib.request
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS tickets (
    number INTEGER PRIMARY KEY, event_id TEXT UNIQUE, asset TEXT, prediction_id TEXT, text TEXT,
    closed_at TEXT, finding TEXT, reported INTEGER DEFAULT 0
)
"""
COLUMNS = ("work_order_id", "asset", "event_time", "kind", "finding", "prompted_by", "prediction_id")
CLOCKS_DIFFER_S = 300


def open_desk(file: Path) -> sqlite3.Connection:
    """Open the tickets; each change is on disk before it is answered for."""
    desk = sqlite3.connect(file, isolation_level=None, timeout=30)
    desk.execute(SCHEMA)
    return desk


def is_signed(headers: dict[str, str], body: bytes, secret: bytes, now: float) -> bool:
    """Return whether a request is from forewarn, unchanged and new (Standard Webhooks)."""
    moment = headers.get("webhook-timestamp", "")
    if not moment.isdigit() or abs(now - int(moment)) > CLOCKS_DIFFER_S:
        return False
    signed = f"{headers.get('webhook-id')}.{moment}.".encode() + body
    own = "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    return any(hmac.compare_digest(own, each) for each in headers.get("webhook-signature", "").split())


def open_ticket(desk: sqlite3.Connection, event: dict) -> None:
    """Open a ticket for an alarm; the same event again opens none."""
    if event["type"] != "forewarn.alarm.opened":
        return
    data = event["data"]
    text = f"{data['model']} expects a failure before {data['claim_ends']}"
    values = (event["id"], event["subject"], data["prediction_id"], text)
    desk.execute("INSERT OR IGNORE INTO tickets (event_id, asset, prediction_id, text) VALUES (?, ?, ?, ?)", values)


def serve(desk: sqlite3.Connection, secret: bytes, port: int) -> None:
    """Take events until interrupted."""

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            genuine = is_signed(headers, body, secret, time.time())
            if genuine:
                open_ticket(desk, json.loads(body))
            self.send_response(204 if genuine else 401)  # only now: what is not answered is sent again
            self.send_header("content-length", "0")
            self.end_headers()

    with HTTPServer(("127.0.0.1", port), Receiver) as server:
        sys.stdout.write(f"http://127.0.0.1:{server.server_port}/\n")
        sys.stdout.flush()
        server.serve_forever()


def close(desk: sqlite3.Connection, number: int, finding: str, at: str) -> None:
    """Note what was found; a correction is reported again."""
    desk.execute("UPDATE tickets SET closed_at = ?, finding = ?, reported = 0 WHERE number = ?", (at, finding, number))


def work_orders(desk: sqlite3.Connection) -> list[dict[str, str]]:
    """Return the closed tickets that were not reported yet, as forewarn's contract of work orders wants them."""
    query = "SELECT number, asset, closed_at, finding, prediction_id FROM tickets WHERE closed_at IS NOT NULL"
    rows = desk.execute(f"{query} AND NOT reported ORDER BY number").fetchall()
    return [
        dict(zip(COLUMNS, (f"T-{number}", asset, at, "inspection", finding, "alarm", prediction), strict=True))
        for number, asset, at, finding, prediction in rows
    ]


def report(desk: sqlite3.Connection, endpoint: str, token: str | None) -> int:
    """Report closed tickets to the endpoint, and count them; killed and run again, it changes nothing twice."""
    orders = work_orders(desk)
    if orders:
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
        body = json.dumps({"work_orders": orders}).encode()
        request = urllib.request.Request(f"{endpoint.rstrip('/')}/work-orders", body, headers)  # noqa: S310 - the desk's own endpoint
        # An error status is an exception, and the tickets stay to be reported.
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
            json.load(answer)
        mark_reported(desk, orders)
    return len(orders)


def export(desk: sqlite3.Connection, file: Path) -> int:
    """Write closed tickets into a file, and count them: for `forewarn ingest`, or the inbox."""
    orders = work_orders(desk)
    if orders:
        new = file.with_suffix(".part")
        with new.open("w", newline="") as written:
            writer = csv.DictWriter(written, (*COLUMNS, "known_time"))
            writer.writeheader()
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            writer.writerows(order | {"known_time": now} for order in orders)
        new.rename(file)  # nobody reads half a file
        mark_reported(desk, orders)
    return len(orders)


def mark_reported(desk: sqlite3.Connection, orders: list[dict[str, str]]) -> None:
    """Note that tickets, as they were, have been reported."""
    numbers = [(order["work_order_id"].removeprefix("T-"), order["finding"]) for order in orders]
    desk.executemany("UPDATE tickets SET reported = 1 WHERE number = ? AND finding = ?", numbers)


def main(arguments: list[str]) -> None:
    """Serve, list, close, report or export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("desk", type=Path)
    verbs = parser.add_subparsers(dest="verb", required=True)
    serving = verbs.add_parser("serve")
    serving.add_argument("secret_file", type=Path)
    serving.add_argument("--port", type=int, default=8099)
    verbs.add_parser("list")
    closing_one = verbs.add_parser("close")
    closing_one.add_argument("number", type=int)
    closing_one.add_argument("finding", choices=("defect_confirmed", "no_fault_found", "not_inspected"))
    closing_one.add_argument("--at", default=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    reporting = verbs.add_parser("report")
    reporting.add_argument("endpoint")
    reporting.add_argument("--token-file", type=Path)
    verbs.add_parser("export").add_argument("file", type=Path)
    chosen = parser.parse_args(arguments)
    with closing(open_desk(chosen.desk)) as desk:
        if chosen.verb == "serve":
            secret = chosen.secret_file.read_text().strip().removeprefix("whsec_")
            serve(desk, base64.b64decode(secret), chosen.port)
        elif chosen.verb == "list":
            for row in desk.execute("SELECT number, asset, text, finding FROM tickets ORDER BY number"):
                sys.stdout.write("\t".join(str(cell or "") for cell in row) + "\n")
        elif chosen.verb == "close":
            close(desk, chosen.number, chosen.finding, chosen.at)
        elif chosen.verb == "report":
            token = chosen.token_file.read_text().strip() if chosen.token_file else None
            sys.stdout.write(f"{report(desk, chosen.endpoint, token)} reported\n")
        else:
            sys.stdout.write(f"{export(desk, chosen.file)} exported\n")


if __name__ == "__main__":
    main(sys.argv[1:])
