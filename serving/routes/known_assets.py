"""The one rule for assets that a request names: unknown ones are 404, with the path of the field."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from data_contracts.contract.registered import recorded_type
from data_contracts.errors import did_you_mean
from serving.http.errors import NOT_FOUND, ApiError

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext


def check_known(worker: "WorkerContext", fields: Mapping[str, str], *, asset_type: str | None = None) -> None:
    """Raise ApiError of status 404 for the first asset that has neither a record, of the type if given, nor telemetry.

    `fields` maps paths of fields to the assets there.
    """
    records = worker.predictor.stored.tables.table("assets")
    known = set(records.spans)
    if asset_type is not None:
        of_type = records.frame["asset_type"] == recorded_type(worker.workspace.contracts, asset_type)
        known = set(records.frame.loc[of_type, "asset"])
    if known.issuperset(fields.values()):
        return
    champion = worker.watch.current
    if champion is not None:
        # Telemetry may be there before the asset's record.
        known |= set(worker.predictor.stored.latest_telemetry(champion.artifact.recipe.asset_type).known_times())
    for field, asset in fields.items():
        if asset not in known:
            hint = did_you_mean(asset, sorted(known)) or "Ingest its record and telemetry first"
            expected = f"a known {asset_type or 'asset'}"
            raise ApiError(NOT_FOUND, field, f"the unknown asset {asset[:255]!r}", expected, hint)
