"""A batch that was stored before: whether by this revision of its contract, and how many rows were corrected since."""

import pandas as pd

from data_contracts.contract.contract import contract_names, load_contract
from data_contracts.contract.contract_types import Contract
from data_contracts.contract.registered import registered
from data_contracts.ingestion.reused_ids import IDENTIFIERS
from data_contracts.tables import tables
from data_contracts.tables.corrections import last_corrections
from data_contracts.validation.conform import conform
from data_contracts.validation.quality_flags import apply_qualities
from data_contracts.workspace import Workspace


def batch_ids(workspace: Workspace, contract: Contract, name: str) -> tuple[str, ...]:
    """Return the ids to store a batch with: its own, and that of the contract's revision where there are several."""
    several = len(_digests(workspace, contract)) > 1
    return (name, _of_revision(contract, name)) if several else (name,)


def stored_by_another(workspace: Workspace, contract: Contract, name: str) -> bool:
    """Return whether a stored batch is not known to have been checked by this revision of its contract."""
    digests = _digests(workspace, contract)
    # Without a record of the revision there was one only, the first.
    if not digests or digests == (contract.digest,):
        return False
    recorded = [tables.has_batch(workspace, contract.table, f"{name}@{digest}") for digest in digests]
    own = dict(zip(digests, recorded, strict=True)).get(contract.digest, False)
    return not own and (any(recorded) or contract.digest != digests[0])


def corrected_since(workspace: Workspace, frame: pd.DataFrame, contract: Contract) -> int:
    """Count the rows of a batch that are stored as they are, and that another stored row corrects."""
    batch = conform(frame, contract)
    return corrected_among(workspace, batch.frame, contract) if batch.fits else 0


def corrected_among(workspace: Workspace, rows: pd.DataFrame, contract: Contract) -> int:
    """Count the rows in their contract's shape that are stored as they are, and that another stored row corrects."""
    identity = identity_of(contract)
    if not set(identity) <= set(rows):
        return 0
    own = apply_qualities(rows, contract).frame
    own = own.dropna(subset=identity).drop_duplicates(identity)
    if own.empty:
        return 0
    start, end = _span(own, identity)
    subjects = sorted(set(own[contract.subject]))
    stored = tables.read(workspace, contract.table, assets=subjects, subject=contract.subject, start=start, end=end)
    if stored.empty:
        return 0
    values = [column.name for column in contract.stored_columns if column.name in stored and column.name in own]
    values = [name for name in values if name not in (*identity, "known_time")]
    beside = stored.merge(own[[*identity, *values]], on=identity, suffixes=("", "~own"))
    same = pd.Series(True, index=beside.index)
    for name in values:
        ours, theirs = beside[f"{name}~own"], beside[name]
        same &= ((ours == theirs).fillna(False) | (ours.isna() & theirs.isna())).astype(bool)
    beside = beside.assign(**{"~same": same})
    kept = beside.groupby(identity)["~same"].any()
    counting = last_corrections(beside, identity).set_index(identity)["~same"]
    return int((kept & ~counting.reindex(kept.index)).sum())


def identity_of(contract: Contract) -> list[str]:
    """Return what corrections of a row share with it."""
    identifier = IDENTIFIERS.get(contract.kind)
    if identifier is not None:
        return ["asset", identifier]
    return list(dict.fromkeys([contract.subject, *(name for name in contract.key if name != "known_time")]))


def _span(rows: pd.DataFrame, identity: list[str]) -> tuple[pd.Timestamp | None, pd.Timestamp | None]:
    if "event_time" not in identity:
        return None, None
    return rows["event_time"].min() - pd.Timedelta("1us"), rows["event_time"].max()


def _digests(workspace: Workspace, contract: Contract) -> tuple[str, ...]:
    """Return the digests of a contract's revisions, without repetition, in the order in which they counted."""
    shipped = [load_contract(contract.name).digest] if contract.name in contract_names() else []
    own = [entry.contract.digest for entry in registered(workspace.contracts) if entry.contract.name == contract.name]
    return tuple(dict.fromkeys([*shipped, *own]))


def _of_revision(contract: Contract, name: str) -> str:
    return f"{name}@{contract.digest}"
