"""The features computed by scoring runs, stored so that predictions can be reproduced without the telemetry.

A run is one batch of the table ``features/<model>``: a row per asset, whose features, possibly thousands, are packed
into one value. They belong to the recipe that computed them, whatever model version used it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.tables import tables
from data_contracts.tables.arrow_frames import to_pandas
from data_contracts.tables.table_access import FEATURES, open_to_read, query, storage
from data_contracts.workspace import Workspace

_PACKED = np.dtype("<f8")
_SHARES = ("overridden", "simulated")


@dataclass(frozen=True)
class StoredFeatures:
    """The features that one scoring run computed."""

    as_of: pd.Timestamp  # the cut-off
    assets: Sequence[str]
    read_at: Sequence[pd.Timestamp | None]  # by asset, the latest reading used; None without one
    reasons: Sequence[str | None]  # by asset, why it cannot be predicted; None if it can
    features: npt.NDArray[np.float64]  # (n_assets, n_columns), in the order of the recipe's columns
    # By asset, the code of its reason; None without one, and in runs stored before there were codes.
    reason_codes: Sequence[str | None] | None = None
    # By asset, its own cut-off, where they differ; `as_of` is the latest of them.
    cut_offs: Sequence[pd.Timestamp] | None = None
    # By asset, the shares of the values in its window that were overridden and simulated, (n_assets, 2); None without.
    shares: npt.NDArray[np.float64] | None = None


def store_features(
    workspace: Workspace, model_name: str, recipe_digest: str, run: StoredFeatures, *, now: pd.Timestamp
) -> bool:
    """Store the features of a scoring run, once; return False if they are stored already."""
    frame = pd.DataFrame(
        {
            "asset": pd.Series(list(run.assets), dtype="str"),
            "event_time": run.as_of,
            "known_time": now,
            "recipe": recipe_digest,
            "read_at": pd.Series(list(run.read_at), dtype="datetime64[us, UTC]"),
            "reason": pd.Series(list(run.reasons), dtype="str"),
            "reason_code": pd.Series(list(run.reason_codes or [None] * len(run.assets)), dtype="str"),
            "features": pd.Series([row.astype(_PACKED).tobytes() for row in run.features], dtype=object),
        }
    )
    if run.shares is not None:
        frame[list(_SHARES)] = run.shares
    batch = f"{recipe_digest}/{run.as_of.isoformat()}"
    if run.cut_offs is not None:
        frame["cut_off"] = pd.Series(list(run.cut_offs), dtype="datetime64[us, UTC]")
        own = "\n".join(f"{asset} {time.isoformat()}" for asset, time in zip(run.assets, run.cut_offs, strict=True))
        batch += f"/{hashlib.sha256(own.encode()).hexdigest()[:16]}"
    return tables.append(workspace, table_of(model_name), frame, batch)


def load_features(
    workspace: Workspace, model_name: str, recipe_digest: str, *, until: pd.Timestamp | None = None
) -> StoredFeatures | None:
    """Read the features of the recipe's latest scoring run with a cut-off up to `until`, or None."""
    table = table_of(model_name)
    latest = tables.last_event(workspace, table, "recipe", recipe_digest, until=until)
    if latest is None:
        return None
    frame = tables.read(workspace, table, start=latest - pd.Timedelta(1, "us"), end=latest)
    # Runs whose cut-offs differ by asset may share the latest of them: the last run of each asset counts.
    frame = frame[frame["recipe"] == recipe_digest].drop_duplicates("asset", keep="last")
    return StoredFeatures(
        as_of=latest,
        assets=frame["asset"].tolist(),
        read_at=[None if pd.isna(time) else time for time in frame["read_at"]],
        reasons=[None if pd.isna(reason) else str(reason) for reason in frame["reason"]],
        reason_codes=_codes(frame),
        cut_offs=_cut_offs(frame, latest),
        features=np.array([np.frombuffer(packed, _PACKED) for packed in frame["features"]], dtype=np.float64),
        shares=_shares(frame),
    )


def _codes(frame: pd.DataFrame) -> list[str | None] | None:
    if "reason_code" not in frame.columns:
        return None
    return [None if pd.isna(code) else str(code) for code in frame["reason_code"]]


def _shares(frame: pd.DataFrame) -> npt.NDArray[np.float64] | None:
    # Runs without any such value, and those stored before there were shares, have no columns for them.
    if not set(_SHARES) <= set(frame.columns) or frame[list(_SHARES)].isna().all(axis=None):
        return None
    return frame[list(_SHARES)].fillna(0.0).to_numpy(dtype=np.float64)


def _cut_offs(frame: pd.DataFrame, latest: pd.Timestamp) -> list[pd.Timestamp] | None:
    if "cut_off" not in frame.columns or frame["cut_off"].isna().all():
        return None
    return frame["cut_off"].fillna(latest).tolist()


def table_of(model_name: str) -> str:
    """Return the name of the table of a model's features."""
    return f"{FEATURES}/{model_name}"


def latest_runs(workspace: Workspace, table: str) -> dict[str, pd.Timestamp]:
    """Return the cut-off of the latest scoring run of each recipe in a model's table."""
    with storage(workspace, table):
        delta = open_to_read(workspace, table)
        if delta is None:
            return {}
        runs = to_pandas(query(delta, "SELECT recipe, max(event_time) AS latest FROM t GROUP BY recipe"))
        return dict(zip(runs["recipe"], runs["latest"], strict=True))
