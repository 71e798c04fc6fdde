"""An OData V2 server with the notifications and orders of SAP plant maintenance, which fails when a test says so.

Written from the public metadata of API_MAINTNOTIFICATION and API_MAINTENANCEORDER: names, lengths, which fields may be
written, how times look. It wants a session cookie and a CSRF token for what changes something, and gives its entities
in pages of its own, however many are asked for.
"""

import base64
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

import pandas as pd

from tests.odata_filter import parse_filter

USER, PASSWORD = "FOREWARN", "geheim"
ROOT = "/sap/opu/odata/sap"
NOTIFICATION, ORDER = "MaintenanceNotification", "MaintenanceOrder"
Fault = Literal[
    "", "before", "after", "proxy", "cut before", "cut after", "cut half", "late", "slow", "expired", "refused"
]
_LENGTHS = {
    "NotificationType": 2,
    "NotificationText": 40,
    "MaintPriority": 1,
    "MaintNotificationCodeGroup": 8,
    "MaintNotificationCode": 4,
    "MaintNotifLongTextForEdit": 1333,
    "MaintNotifExtReferenceNumber": 20,
    "TechnicalObject": 40,
    "TechObjIsEquipOrFuncnlLoc": 20,
    "MaintenancePlanningPlant": 4,
    "MainWorkCenter": 8,
}
_DATES = ("RequiredStartDate", "RequiredEndDate")
_TIMES = ("RequiredStartTime", "RequiredEndTime")


@dataclass
class SapServer:
    """What is in the system, and how it is to behave."""

    port: int = 0
    entities: dict[str, dict[str, dict[str, Any]]] = field(default_factory=lambda: {NOTIFICATION: {}, ORDER: {}})
    clock: Callable[[], pd.Timestamp] = lambda: pd.Timestamp.now("UTC")
    fault: Callable[[Mapping[str, Any]], Fault] = lambda _: ""  # of a notification that is posted
    anywhere: Callable[[], None] = lambda: None  # called when a request comes, and once a notification is there
    refuse_reads: str = ""  # with this text, as a proxy would
    late_s: float = 0.3  # after which a "late" one is written, long after its sender has given up
    page: int = 50
    password: str = PASSWORD
    sessions: dict[str, str] = field(default_factory=dict)  # the token of each
    reads: list[str] = field(default_factory=list)
    posts: list[dict[str, Any]] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    pending: list[threading.Timer] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{ROOT}"

    @property
    def notifications(self) -> dict[str, dict[str, Any]]:
        return self.entities[NOTIFICATION]

    def references(self) -> list[str]:
        with self.lock:
            return [each["MaintNotifExtReferenceNumber"] for each in self.notifications.values()]

    def add(self, entity_set: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Create an entity with the next number."""
        with self.lock:
            first = {NOTIFICATION: 10_000_000, ORDER: 4_000_000}[entity_set]
            number = f"{first + len(self.entities[entity_set]):012d}"
            name = str(values.get("TechnicalObject", ""))
            stored = {
                "MaintNotifExtReferenceNumber": "",
                "NotifProcessingPhase": "1",
                **values,
                entity_set: number,
                "TechnicalObjectLabel": name.lstrip("0") if name.isdigit() else name.upper(),
                "LastChangeDateTime": self.clock(),
            }
            stored["MaintNotifExtReferenceNumber"] = stored["MaintNotifExtReferenceNumber"].upper()
            edited = stored.pop("MaintNotifLongTextForEdit", "")
            stored["MaintNotificationLongText"] = f"01.03.2026 06:00:00 UTC {USER}\n{edited}"
            stored["MaintNotifLongTextForEdit"] = edited
            self.entities[entity_set][number] = stored
            return stored

    def change(self, entity_set: str, number: str, **values: Any) -> None:
        with self.lock:
            self.entities[entity_set][number] |= {**values, "LastChangeDateTime": self.clock()}


@dataclass(frozen=True)
class _Answer:
    status: int
    content: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    half: bool = False  # ends in the middle

    @property
    def body(self) -> bytes:
        return self.content.encode() if isinstance(self.content, str) else json.dumps(self.content).encode()


def _error(status: int, code: str, words: str) -> _Answer:
    return _Answer(status, {"error": {"code": code, "message": {"lang": "en", "value": words}}})


def _json(value: Any) -> Any:
    if isinstance(value, pd.Timestamp):
        return f"/Date({value.value // 1_000_000 if value.unit == 'ns' else int(value.timestamp() * 1000)}+0000)/"
    if isinstance(value, Mapping):
        return {name: _json(each) for name, each in value.items()}
    return {"results": [_json(each) for each in value]} if isinstance(value, list) else value


def _wrong(fields: Mapping[str, Any]) -> str | None:
    unknown = set(fields) - set(_LENGTHS) - set(_DATES) - set(_TIMES)
    if unknown:
        return f"Property {sorted(unknown)[0]} is invalid"
    for name, length in _LENGTHS.items():
        if len(str(fields.get(name, "")).encode("utf-16-le")) // 2 > length:
            return f"Property {name} is longer than {length}"
    if not fields.get("NotificationType") or not fields.get("NotificationText"):
        return "Enter a notification type and a text"
    if any(not str(fields[name]).startswith("/Date(") for name in _DATES if name in fields):
        return "Invalid date"
    return None


def _read(server: SapServer, entity_set: str, query: Mapping[str, str]) -> _Answer:
    server.anywhere()
    server.reads.append(query.get("$filter", ""))
    if server.refuse_reads:
        return _Answer(503, server.refuse_reads)
    try:
        chosen = parse_filter(query["$filter"]) if "$filter" in query else (lambda _: True)
    except (ValueError, KeyError, IndexError) as error:
        return _error(400, "CX_SADL/002", f"Invalid filter: {error}")
    with server.lock:
        rows = [each for each in server.entities[entity_set].values() if chosen(each)]
        for part in reversed(query.get("$orderby", entity_set).split(",")):
            name, _, direction = part.strip().partition(" ")
            rows.sort(key=lambda each: each[name], reverse=direction == "desc")
        begin = int(query.get("$skip", "0"))
        wanted = rows[begin:][: int(query["$top"])] if "$top" in query else rows[begin:]
        after = int(query.get("$skiptoken", "0"))
        shown = wanted[after : after + server.page]
        expanded = {path.split("/")[0] for path in query.get("$expand", "").split(",")} - {""}
        content: dict[str, Any] = {"results": [_shown(server, each, query, expanded) for each in shown]}
    if after + server.page < len(wanted):
        content["__next"] = f"https://inside:44300{ROOT}/x?$skiptoken={after + server.page}"
    return _Answer(200, {"d": content})


def _shown(server: SapServer, entity: Mapping[str, Any], query: Mapping[str, str], expanded: set[str]) -> Any:
    names = query["$select"].split(",") if "$select" in query else list(entity)
    nested = [name for name in entity if name.startswith("to_")]
    values = {
        name: _json(entity.get(name))
        for name in (*names, *expanded)
        if (name not in nested and name in entity) or name in expanded
    }
    deferred = {name: {"__deferred": {"uri": f"{server.url}/{name}"}} for name in nested if name not in expanded}
    etag = f'W/"{entity["LastChangeDateTime"]:%Y%m%d%H%M%S}"'
    return {"__metadata": {"etag": etag}, **values, **deferred}


def _create(server: SapServer, fields: Mapping[str, Any]) -> _Answer:
    fault = server.fault(fields)
    server.posts.append({**fields, "fault": fault})
    if fault == "before":
        return _error(500, "SY/530", "Internal error")
    if fault == "cut before":
        return _Answer(0)
    if fault == "late":
        server.pending.append(threading.Timer(server.late_s, server.add, (NOTIFICATION, fields)))
        server.pending[-1].start()
        return _Answer(0)
    if fault == "expired":
        server.sessions.clear()
        return _Answer(403, "CSRF token validation failed", {"x-csrf-token": "Required"})
    if fault == "slow":
        time.sleep(server.late_s)
    if fault == "refused":
        return _error(400, "IW/123", f"Technical object {fields['TechnicalObject']} does not exist")
    if wrong := _wrong(fields):
        return _error(400, "/IWBEP/CM_MGW_RT/021", wrong)
    stored = server.add(NOTIFICATION, fields)
    server.anywhere()
    if fault == "after":
        return _error(500, "SY/530", "Internal error after the commit")
    if fault == "proxy":
        return _Answer(502, "<html>Bad gateway</html>")
    if fault == "cut after":
        return _Answer(0)
    return _Answer(201, {"d": _shown(server, stored, {}, set())}, half=fault == "cut half")


@contextmanager
def running_sap() -> Iterator[SapServer]:
    """Run a server for the block."""
    sap = SapServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(lambda entity_set, query: _read(sap, entity_set, query), changes=False)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self._answer(lambda _, __: _create(sap, json.loads(body)), changes=True)

        def _answer(self, answer: Callable[[str, Mapping[str, str]], _Answer], *, changes: bool) -> None:
            basic = base64.b64encode(f"{USER}:{sap.password}".encode()).decode()
            if self.headers.get("authorization") != f"Basic {basic}":
                self._send(_Answer(401, "<html>Logon</html>"))
                return
            url = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
            service, _, entity_set = unquote(url.path).removeprefix(f"{ROOT}/").partition("/")
            if (service, entity_set) not in (
                ("API_MAINTNOTIFICATION", NOTIFICATION),
                ("API_MAINTENANCEORDER", ORDER),
            ) or (changes and entity_set == ORDER):
                self._send(_error(404, "/IWFND/MED/170", f"No service {service}/{entity_set}"))
                return
            if changes and any(name.startswith("$") for name in query):
                self._send(_error(400, "/IWFND/CM_BEC/026", "SystemQueryOptions are not allowed for this request type"))
                return
            session = SimpleCookie(self.headers.get("cookie", "")).get("SAP_SESSIONID_S4D_100")
            token = None if session is None else sap.sessions.get(session.value)
            if changes and (token is None or self.headers.get("x-csrf-token") != token):
                self._send(_Answer(403, "CSRF token validation failed", {"x-csrf-token": "Required"}))
                return
            headers = {}
            if not changes and self.headers.get("x-csrf-token", "").lower() == "fetch":
                identifier = secrets.token_hex(8) if session is None or token is None else session.value
                token = sap.sessions.setdefault(identifier, secrets.token_hex(8))
                headers = {"x-csrf-token": token, "set-cookie": f"SAP_SESSIONID_S4D_100={identifier}; path=/; HttpOnly"}
            given = answer(entity_set, query)
            self._send(_Answer(given.status, given.content, {**headers, **given.headers}, given.half))

        def _send(self, answer: _Answer) -> None:
            if answer.status == 0:
                self.close_connection = True
                return
            body = answer.body
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if answer.half:
                self.wfile.write(body[: len(body) // 2])
                self.close_connection = True
            else:
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

        def handle(self) -> None:
            with suppress(ConnectionError):  # the client was killed
                super().handle()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    sap.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield sap
    finally:
        for timer in sap.pending:
            timer.join()
        server.shutdown()
        server.server_close()
