"""Render results for a terminal of eighty columns.

Results of lower layers know nothing of terminals, so their renderers are here and in the modules beside. Classes are
named by their import paths, so that rendering one result imports nothing of the others.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.text import Text

from pipelines.cli import data_renderers, model_renderers, monitoring_renderers, sql_renderers, twin_renderers
from pipelines.terminal.tables import key_value_table

if TYPE_CHECKING:
    from pipelines.flows.schedules import FlowResult


def render(result: Any) -> RenderableType:
    """Return what to print of a result: by its own ``__rich__``, its class's renderer, or as names and values."""
    if hasattr(result, "__rich__"):
        return result  # type: ignore[no-any-return] # it renders itself
    renderer = _RENDERERS.get(f"{type(result).__module__}:{type(result).__qualname__}")
    return key_value_table(result.to_dict()) if renderer is None else renderer(result)


def _flow(result: "FlowResult") -> Group:
    """Render what the flow returned of each model, or of each file."""
    whole = result.result if isinstance(result.result, dict) else {}
    returned = whole.get("files", result.result)
    entries = returned if isinstance(returned, list) else [returned]
    also = data_renderers.waiting(whole.get("waiting", ()))
    also += [Text(sentence, style="yellow") for sentence in whole.get("unmatched", {}).get("sentences", ())]
    if not entries:
        return Group(Text(f"{result.flow}: there was nothing to do."), *also)
    return Group(*(key_value_table({"flow": result.flow, **entry}) for entry in entries), *also)


_RENDERERS: Mapping[str, Callable[[Any], RenderableType]] = {
    "data_contracts.validation.contract_words:ContractWords": data_renderers.contract,
    "data_contracts.validation.report:Report": data_renderers.checks,
    "data_contracts.ingestion.ingest:IngestResult": data_renderers.ingest,
    "data_contracts.ingestion.quarantine:QuarantineReplay": data_renderers.replay,
    "pipelines.importers.batch:ImportResult": data_renderers.imported_tables,
    "pipelines.importers.inferred_contract:InferredContract": data_renderers.inferred,
    "pipelines.importers.sql.import_sql:SqlImportResult": sql_renderers.imported,
    "pipelines.importers.sql.preview:SqlPreview": sql_renderers.preview,
    "pipelines.importers.twins.comparison:TwinComparison": twin_renderers.compared,
    "pipelines.importers.twins.import_twins:TwinImport": twin_renderers.imported,
    "pipelines.flows.schedules:FlowResult": _flow,
    "pipelines.jobs.data_report:DescribedData": data_renderers.described,
    "pipelines.jobs.data_report:ImportedData": data_renderers.imported,
    "pipelines.jobs.ingest:CheckedFiles": data_renderers.checked,
    "pipelines.jobs.ingest:InboxResult": data_renderers.inbox,
    "pipelines.jobs.ingest:IngestedFiles": data_renderers.ingested,
    "pipelines.jobs.audits:AuditList": monitoring_renderers.audit_list,
    "pipelines.jobs.audits:MissEstimate": monitoring_renderers.miss_estimate,
    "pipelines.jobs.train:TrainResult": model_renderers.train,
    "pipelines.retraining.own_baselines:OwnBaselinesResult": model_renderers.own_baselines,
    "pipelines.jobs.shadow:ShadowReport": monitoring_renderers.shadow,
    "models.registry.reproduce:Reproduction": model_renderers.reproduction,
    "models.registry.promotion:Promoted": model_renderers.promoted,
    "pipelines.jobs.score:ScoreResult": monitoring_renderers.score,
    "pipelines.jobs.why:Explanation": monitoring_renderers.explanation,
    "pipelines.figures.champion_figures:FiguresResult": monitoring_renderers.figures,
    "pipelines.jobs.monitor:MonitorResult": monitoring_renderers.monitor,
    "pipelines.retraining.result:RetrainResult": monitoring_renderers.retrain,
    "pipelines.retraining.by_hand:RefittedPromotion": model_renderers.refitted_promotion,
    "pipelines.backtesting.backtest_result:BacktestResult": monitoring_renderers.backtest,
    "pipelines.what_if.result:WhatIfResult": monitoring_renderers.what_if,
}
