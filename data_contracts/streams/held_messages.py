"""What of a flush goes into quarantine: rows that break their contract, and messages that nothing can read."""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd

from data_contracts.ingestion.quarantine_entries import HELD, REPAIRED, TABLE, store_entries
from data_contracts.tables.arrow_frames import to_pandas
from data_contracts.tables.row_conditions import is_one_of, text
from data_contracts.tables.table_access import open_to_read, query, storage
from data_contracts.workspace import Workspace

UNDECODED: Final = "undecoded"
"""What stands as contract and table beside messages that could not be read."""
MOST_UNCONFIRMED: Final = 65_536
"""So many messages at most are delivered again after a kill: MQTT's receive maximum."""


@dataclass(frozen=True)
class HeldMessage:
    """A message that cannot be read, kept as it came."""

    topic: str
    payload: bytes
    reason: str  # one of few, which labels a metric
    detail: str

    @property
    def digest(self) -> str:
        """Return what is the same for the same message, 32 hexadecimal digits."""
        return hashlib.sha256(self.topic.encode() + b"\0" + self.payload).hexdigest()[:32]

    @property
    def text(self) -> str:
        """Return topic and payload as a JSON object: the payload as text where it is some, else as base64."""
        try:
            written = self.payload.decode("utf-8")
            content = {"payload": written} if written.isprintable() else {}
        except UnicodeDecodeError:
            content = {}
        return json.dumps({"topic": self.topic, **(content or {"payload_base64": encode(self.payload)})})


def encode(payload: bytes) -> str:
    """Return bytes as base64."""
    return base64.b64encode(payload).decode("ascii")


def payload_of(row: str) -> tuple[str, bytes]:
    """Return the topic and payload of a message as it stands in quarantine."""
    content = json.loads(row)
    if "payload" in content:
        return content["topic"], content["payload"].encode()
    return content["topic"], base64.b64decode(content["payload_base64"])


def undecoded_entries(messages: Sequence[HeldMessage]) -> pd.DataFrame:
    """Return the entries of messages that cannot be read."""
    nothing = pd.Series(pd.NaT, index=range(len(messages)), dtype="datetime64[us, UTC]")
    return pd.DataFrame(
        {
            "entry": [f"{message.digest}:{HELD}:0" for message in messages],
            "action": HELD,
            "batch_id": [message.digest for message in messages],
            "replay_id": None,
            "contract": UNDECODED,
            "contract_version": "",
            "table": UNDECODED,
            "reasons": [json.dumps([f"{message.reason}: {message.detail}"]) for message in messages],
            "row": [message.text for message in messages],
            "units": None,
            "asset": None,
            "event_time": nothing,
        }
    )


def undecoded_digests(workspace: Workspace) -> list[str]:
    """Return the digests of the messages that were held last, as many as may be delivered again."""
    with storage(workspace, TABLE):
        delta = open_to_read(workspace, TABLE)
        if delta is None:
            return []
        of_table = f'WHERE "table" = {text(UNDECODED)} AND action = {text(HELD)}'
        latest = f"ORDER BY known_time DESC LIMIT {MOST_UNCONFIRMED}"
        digests = query(delta, f"SELECT batch_id FROM t {of_table} {latest}")["batch_id"].to_pylist()  # noqa: S608
        return [str(digest) for digest in digests]


def held_undecoded(workspace: Workspace, reasons: Sequence[str], most: int) -> dict[str, tuple[str, bytes]]:
    """Return topics and payloads of messages held for one of some reasons, the oldest first, by entry."""
    with storage(workspace, TABLE):
        delta = open_to_read(workspace, TABLE)
        if delta is None:
            return {}
        because = " OR ".join(f"reasons LIKE {text(json.dumps([each])[:-2] + '%')}" for each in reasons)
        released = f'SELECT entry FROM t WHERE action = {text(REPAIRED)} AND "table" = {text(TABLE)}'  # noqa: S608
        chosen = f'"table" = {text(UNDECODED)} AND action = {text(HELD)} AND ({because}) AND entry NOT IN ({released})'
        rows = query(delta, f"SELECT entry, row FROM t WHERE {chosen} ORDER BY known_time, entry LIMIT {most}")  # noqa: S608
        return {str(row["entry"]): payload_of(row["row"]) for row in rows.to_pylist()}


def release_undecoded(workspace: Workspace, entries: Sequence[str], now: pd.Timestamp) -> None:
    """Record that messages have been read after all and are stored; quarantine itself has the commit that says so."""
    commit = f"read later:{hashlib.sha256(json.dumps(list(entries)).encode()).hexdigest()[:32]}"
    nothing = pd.Series(pd.NaT, index=range(len(entries)), dtype="datetime64[us, UTC]")
    beside = {"contract": UNDECODED, "contract_version": "", "table": TABLE, "reasons": "[]", "row": "{}"}
    released = pd.DataFrame({"entry": list(entries), "action": REPAIRED, "replay_id": commit, **beside})
    unknown = dict.fromkeys(("batch_id", "units", "asset"))
    store_entries(workspace, released.assign(**unknown, event_time=nothing), commit, now)


def held_rows(workspace: Workspace, table: str, batch_ids: Sequence[str]) -> dict[str, frozenset[int]]:
    """Return which rows of some messages are in quarantine, by the message's batch id."""
    with storage(workspace, TABLE):
        delta = open_to_read(workspace, TABLE)
        if delta is None or not batch_ids:
            return {}
        condition = f'"table" = {text(table)} AND action = {text(HELD)} AND {is_one_of("batch_id", batch_ids)}'
        entries = to_pandas(query(delta, f"SELECT entry, batch_id FROM t WHERE {condition}"))  # noqa: S608
    held: dict[str, set[int]] = {}
    for batch_id, entry in zip(entries["batch_id"], entries["entry"], strict=True):
        held.setdefault(str(batch_id), set()).add(int(str(entry).rpartition(":")[2]))
    return {batch_id: frozenset(rows) for batch_id, rows in held.items()}
