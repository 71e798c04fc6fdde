"""Broken, mutated and very large bodies, made from valid ones."""

import copy
import gzip
import json
import random
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

MANY = 40_000
DEEP = 50_000
ODD: list[Any] = [
    *(None, True, 0, -1, 1e308, 10**400, -(2**63), 2**64, "", "x" * 10_000, "\u0000", "é\ud800", "\u202e", "1e5"),
    *([], {}, [[]], {"a": {}}, [None], [[1], 2], {"": ""}),
]
_WORDS = (b"NaN", b"-Infinity", b"1e999", b"01", b'"1"', b"null", b"true", b"1e-400", b"-0", b"9" * 400, b"1.", b"+1")
_ODD_NAMES = ("", "assets ", "__proto__", "{field}", "x" * 300, "€", "\u0000", "a\ud800")
_AT = "2015-01-05T12:00:00Z"

Mutation = Callable[[random.Random, bytes], bytes]


def valid_bodies(asset: str, channels: tuple[str, ...]) -> dict[str, Any]:
    """Return a valid body for each route that takes one, by method and path."""
    readings = [
        {"event_time": f"2015-01-05T{hour:02d}:00:00Z", **dict.fromkeys(channels, 100.0 + hour)} for hour in range(12)
    ]
    columns = {
        "event_time": [row["event_time"] for row in readings],
        "channels": {channel: [100.0 + hour for hour in range(12)] for channel in channels},
    }
    event = {"event_time": "2015-01-05T06:00:00Z", "code": "error1"}
    work = {"event_time": "2015-01-05T06:00:00Z", "kind": "routine", "component": "comp1"}
    window = {"asset": asset, "as_of": _AT, "telemetry": readings, "events": [event], "work_orders": [work]}
    terms = {"planned": 1.0, "failure": 20.0}
    order = {"work_order_id": "w1", "asset": asset, "event_time": _AT, "known_time": _AT, "kind": "inspection"}
    change = {"value": 61.5, "expires_at": "2099-01-01T00:00:00Z"}
    return {
        "POST /predict": {"windows": [window], "explain": False},
        "POST /v1/predict": {"windows": [{"asset": asset, "as_of": _AT, "telemetry": columns}]},
        "POST /predict ": {"assets": [asset, "nobody"], "as_of": "2015-01-06T00:00:00Z", "features": "latest"},
        "POST /worklist": {
            "start": "2015-01-06T00:00:00Z",
            "days": 3,
            "crews": {"machines_per_day": 1},
            "costs": terms,
            "repair_hours": 3.0,
            "assets": [asset],
            "per_asset": {asset: terms},
        },
        "POST /work-orders": {"work_orders": [{**order, "finding": "no_fault_found", "prompted_by": "alarm"}]},
        f"PATCH /twins/{asset}": {"properties": {channels[0]: change}, "reason": "the sensor hangs"},
        f"POST /twins/{asset}/rollback": {"revision": 0, "reason": "the wrong machine"},
    }


def mutated(draw: random.Random, body: bytes) -> bytes:
    """Return a body with one to three mutations, of its bytes or of its structure."""
    for _ in range(draw.choice((1, 1, 2, 3))):
        mutate = draw.choice(_MUTATIONS)
        try:
            body = mutate(draw, body)
        except (ValueError, IndexError, RecursionError):
            body = _flip(draw, body)  # it is no longer JSON
    return body


def large_bodies(asset: str, channels: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """Yield bodies whose size is their only weapon: many names wherever a name may stand, depth, digits, text."""
    names = {f"n{number}": 1.0 for number in range(MANY)}
    valid = valid_bodies(asset, channels)
    window, order = valid["POST /predict"]["windows"][0], valid["POST /work-orders"]["work_orders"][0]
    repeated, twin = ",".join(['"volt": [1]'] * MANY), f"PATCH /twins/{asset}"
    columns = {"event_time": [_AT], "channels": names}
    big = 200_000

    def predict(*windows: Any) -> tuple[str, bytes]:
        return "POST /predict", json.dumps({"windows": windows}).encode()

    yield predict(names)
    yield "POST /predict", json.dumps({"assets": list(names)}).encode()
    yield "POST /predict", json.dumps({"assets": [asset] * MANY}).encode()
    yield predict({**window, "telemetry": columns})
    yield predict({**window, "units": dict.fromkeys(names, "V")})
    yield predict({**window, "telemetry": [{"event_time": _AT, **names}]})
    yield predict({**window, "telemetry": [{"event_time": _AT, **names}] * 20})
    yield predict({**window, "telemetry": [{name: 1} for name in names]})
    yield predict(*({name: 1} for name in names))
    yield predict({**window, "telemetry": {"event_time": [_AT] * big, "channels": {channels[0]: [1.0] * big}}})
    yield predict({**window, "telemetry": {"event_time": [1] * big, "channels": {channels[0]: [None] * big}}})
    yield predict({**window, "telemetry": {"event_time": list(range(big)), "channels": {channels[0]: ["1"] * big}}})
    yield predict({**window, "events": [window["events"][0]] * big})
    yield predict({**window, "work_orders": [{**window["work_orders"][0], "work_order_id": name} for name in names]})
    yield predict(*({**window, "asset": name} for name in names))
    yield "POST /predict", f'{{"windows": [{{"telemetry": {{"channels": {{{repeated}}}}}}}]}}'.encode()
    yield "POST /worklist", json.dumps({**valid["POST /worklist"], "per_asset": {name: {} for name in names}}).encode()
    yield "POST /worklist", json.dumps({**valid["POST /worklist"], "assets": list(names)[:10_000]}).encode()
    yield "POST /worklist", json.dumps({**valid["POST /worklist"], "days": 60, "assets": None}).encode()
    yield "POST /work-orders", json.dumps({"work_orders": [order | {"component": name} for name in names]}).encode()
    yield "POST /work-orders", json.dumps({"work_orders": [names]}).encode()
    yield twin, json.dumps({"properties": {name: {"value": 1} for name in names}, "reason": "x"}).encode()
    yield twin, json.dumps({"properties": {name: {"value": 1} for name in list(names)[:1000]}, "reason": "x"}).encode()
    for opened, closed in (("[", "]"), ('{"a":', "}")):
        yield "POST /predict", f'{{"windows":{opened * DEEP}1{closed * DEEP}}}'.encode()
        yield "POST /predict", (opened * DEEP).encode()
    yield "POST /predict", b'{"a":' + b"9" * 1_000_000 + b"}"
    yield "POST /predict", b'{"assets":["' + b"\\u00e9" * 1_000_000 + b'"]}'
    yield "POST /predict", b'{"assets":["' + b"\\u003a" * 1_000_000 + b'"]}'
    yield "POST /predict", b" " * 30_000_000 + b"{}"
    yield "POST /predict", b'{"assets":["' + b"[:" * 5_000_000 + b'"]}'
    yield "POST /work-orders", b'{"work_orders":[' + b"{}," * 5_000_000 + b"{}]}"
    yield "POST /predict", b'{"windows":[' + b"[]," * 10_000_000 + b"[]]}"
    yield predict({**window, "events": [window["events"][0]] * 90_000})
    yield predict({**window, "telemetry": window["telemetry"] * 28_000})
    yield "POST /predict", b'{"assets":[' + b"1e5," * 5_000_000 + b"1]}"


def encoded_bodies(body: bytes) -> Iterator[tuple[Mapping[str, str], bytes]]:
    """Yield a body in encodings that nobody has asked for, and bombs among them."""
    bomb = gzip.compress(b'{"a":"' + b"x" * 100_000_000 + b'"}')
    for encoding, content in (
        *(("gzip", gzip.compress(body)), ("gzip", bomb), ("gzip, gzip", gzip.compress(bomb))),
        *(("gzip", body), ("deflate", zlib.compress(body)), ("br", body), ("identity", body), ("x" * 5_000, body)),
    ):
        yield {"Content-Encoding": encoding}, content
    text = body.decode()
    for content in (text.encode("utf-16"), text.encode("utf-32"), b"\xef\xbb\xbf" + body, body + b"\0", b"\xff" + body):
        yield {}, content
    for kind in ("", "text/plain", "application/json; charset=utf-16", "multipart/form-data; boundary=x", "a" * 9_000):
        yield {"Content-Type": kind}, body


def _cut(draw: random.Random, body: bytes) -> bytes:
    return body[: draw.randrange(len(body))]


def _flip(draw: random.Random, body: bytes) -> bytes:
    broken = bytearray(body or b"{}")
    for _ in range(draw.randint(1, 8)):
        broken[draw.randrange(len(broken))] = draw.randrange(256)
    return bytes(broken)


def _splice(draw: random.Random, body: bytes) -> bytes:
    """Write a part of a body once more, somewhere else."""
    first, last = sorted(draw.sample(range(len(body) + 1), 2))
    place = draw.randrange(len(body))
    return body[:place] + body[first:last] * draw.choice((1, 1, 50)) + body[place:]


def _swap(draw: random.Random, body: bytes) -> bytes:
    """Write a word that JSON does not know, or another number, where a number stands."""
    place = draw.choice([place for place, byte in enumerate(body) if 48 <= byte < 58])
    return body[:place] + draw.choice(_WORDS) + body[place + 1 :]


def _repeat_name(draw: random.Random, body: bytes) -> bytes:
    """Write a name of an object twice."""
    place = draw.choice([place for place, byte in enumerate(body) if byte == ord("{")])
    name = draw.choice([b"assets", b"windows", b"event_time", b"volt", b"a\\u0062"])
    return body[: place + 1] + b'"' + name + b'":1,"' + name + b'":1,' + body[place + 1 :]


def _odd_value(draw: random.Random, body: bytes) -> bytes:
    content = json.loads(body)
    holder, key = draw.choice(list(_places(content)))
    holder[key] = draw.choice(ODD)
    return json.dumps(content).encode()


def _other_value(draw: random.Random, body: bytes) -> bytes:
    """Put a value of one place into another."""
    content = json.loads(body)
    (holder, key), (source, name) = draw.choices(list(_places(content)), k=2)
    holder[key] = copy.deepcopy(source[name])
    return json.dumps(content).encode()


def _missing(draw: random.Random, body: bytes) -> bytes:
    content = json.loads(body)
    holder, key = draw.choice(list(_places(content)))
    del holder[key]
    return json.dumps(content).encode()


def _odd_name(draw: random.Random, body: bytes) -> bytes:
    content = json.loads(body)
    holder, key = draw.choice([place for place in _places(content) if isinstance(place[0], dict)])
    holder[draw.choice(_ODD_NAMES)] = holder.pop(key)
    return json.dumps(content).encode()


def _odd_body(draw: random.Random, _: bytes) -> bytes:
    bodies = [b"", b"[]", b"null", b"[" * DEEP, b'{"a":' * DEEP, b"\xff\xfe", b'"' + b"x" * 100_000, b'{"a":1,"a":2}']
    return draw.choice(bodies)


_MUTATIONS: tuple[Mutation, ...] = (
    *(_cut, _flip, _splice, _swap, _repeat_name),
    *(_odd_value, _other_value, _missing, _odd_name, _odd_body),
)


def _places(content: Any) -> Iterator[tuple[Any, Any]]:
    keys = list(content) if isinstance(content, dict) else range(len(content)) if isinstance(content, list) else ()
    for key in keys:
        yield content, key
        yield from _places(content[key])
