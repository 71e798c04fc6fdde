"""Context features: an asset's events, work orders, failures, age and model."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.tables.corrections import stored_versions
from features.names import format_duration, format_feature, parse_duration
from features.recipe.events import Occurrences
from features.telemetry.machines import NEVER, Machines
from features.telemetry.sorted_times import IntArray, by_group, microseconds

if TYPE_CHECKING:
    from data_contracts.tables.history import History

FloatArray = npt.NDArray[np.float64]

#: Kinds of work order that renew a component; an inspection does not.
MAINTENANCE = ("routine", "corrective")
_MICROSECONDS_PER_HOUR = 3_600_000_000


@dataclass(frozen=True)
class Context:
    """The choice of context features.

    Parameters
    ----------
    event_codes
        Codes to count and time: ``events__count__code_"error1"__span_"24h"``,
        ``events__hours_since__code_"error1"``.
    event_spans
        How far back to count them.
    components
        Components whose hours since the last maintenance (routine or corrective) are a feature:
        ``work_orders__hours_since_maintenance__component_"comp1"``.
    work_order_kinds
        Kinds of work order to time: ``work_orders__hours_since__kind_"inspection"``; with any of them
        ``work_orders__count``, all so far.
    failures
        Whether to time the last failure: ``failures__hours_since``.
    age
        Whether to include the machine's hours in service: ``asset__age_hours``.
    models
        Models to one-hot encode: ``asset__is_model__model_"model3"``.
    """

    event_codes: tuple[str, ...] = ()
    event_spans: tuple[pd.Timedelta, ...] = ()
    components: tuple[str, ...] = ()
    work_order_kinds: tuple[str, ...] = ()
    failures: bool = False
    age: bool = False
    models: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Context":
        """Read what `to_dict` wrote."""
        fields: dict[str, Any] = {k: tuple(value) if isinstance(value, list) else value for k, value in content.items()}
        fields["event_spans"] = tuple(map(parse_duration, content["event_spans"]))
        return cls(**fields)

    def to_dict(self) -> dict[str, Any]:
        """Return values as JSON has them."""
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        return {**plain, "event_spans": [format_duration(span) for span in self.event_spans]}

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(self._calculations())

    def calculate(
        self, history: "History", assets: "pd.Index[str]", asset: IntArray, as_of: IntArray, columns: Iterable[str]
    ) -> dict[str, FloatArray]:
        """Compute those of the context columns that are among `columns`.

        Parameters
        ----------
        history
            The assets' history; records that became known after a cut-off do not count at it.
        assets
            The assets by number.
        asset, as_of : (n,)
            Numbers of the assets, and cut-offs in microseconds since 1970.
        columns
            Names of columns; others than context columns are ignored.

        Returns
        -------
        dict
            Column to (n,) values.
        """
        asset_context = _AssetContext(history, assets, asset, as_of)
        chosen = set(columns)
        return {name: calculate(asset_context) for name, calculate in self._calculations().items() if name in chosen}

    def _calculations(self) -> dict[str, Callable[["_AssetContext"], FloatArray]]:
        """Return how each column is calculated, in the columns' order."""
        calculations: dict[str, Callable[[_AssetContext], FloatArray]] = {}
        for code in self.event_codes:
            for span in self.event_spans:
                name = format_feature("events__count", {"code": code, "span": format_duration(span)})
                calculations[name] = partial(_AssetContext.event_count, code=code, span=span)
        for code in self.event_codes:
            name = format_feature("events__hours_since", {"code": code})
            calculations[name] = partial(_AssetContext.since_event, code=code)
        for component in self.components:
            name = format_feature("work_orders__hours_since_maintenance", {"component": component})
            calculations[name] = partial(_AssetContext.since_maintenance, component=component)
        for kind in self.work_order_kinds:
            name = format_feature("work_orders__hours_since", {"kind": kind})
            calculations[name] = partial(_AssetContext.since_work, kind=kind)
        if self.work_order_kinds:
            calculations["work_orders__count"] = _AssetContext.work_count
        if self.failures:
            calculations["failures__hours_since"] = _AssetContext.since_failure
        if self.age:
            calculations["asset__age_hours"] = _AssetContext.age
        for model in self.models:
            name = format_feature("asset__is_model", {"model": model})
            calculations[name] = partial(_AssetContext.is_model, model=model)
        return calculations


def learn_context(history: "History", *, events: bool, ages: bool, event_spans: Sequence[pd.Timedelta]) -> Context:
    """Take the codes, components, kinds and models that occur in a history.

    Parameters
    ----------
    history
        What was known when the training period ended.
    events
        Whether events are counted and timed.
    ages
        Whether the asset's age and model, its work orders and its failures become features.
    event_spans
        How far back to count events.

    Returns
    -------
    Context
    """
    orders = history.work_orders
    models = _distinct(history.assets["model"])
    maintained = orders.loc[orders["kind"].isin(MAINTENANCE), "component"]
    return Context(
        event_codes=_distinct(history.events["code"]) if events else (),
        event_spans=tuple(sorted(set(event_spans))) if events else (),
        components=_distinct(maintained) if ages else (),
        work_order_kinds=_distinct(orders["kind"]) if ages else (),
        failures=ages and len(history.failures) > 0,
        age=ages and len(history.assets) > 0,
        models=models if ages and len(models) > 1 else (),
    )


class _AssetContext:
    """Calculate columns at cut-offs; tables that several columns share are prepared once."""

    def __init__(self, history: "History", assets: "pd.Index[str]", asset: IntArray, as_of: IntArray) -> None:
        self._history, self._assets, self._asset, self._as_of = history, assets, asset, as_of
        self._tables: dict[str, Occurrences] = {}
        self._by_code: dict[str, Occurrences] = {}
        self._models: npt.NDArray[np.object_] | None = None

    @cached_property
    def _machines(self) -> Machines:
        return Machines.from_frame(self._history.assets, self._assets)

    @cached_property
    def _since(self) -> IntArray | None:
        """When each machine took another's place: what happened before happened to the other."""
        return self._machines.replaced_since(self._asset, self._as_of)

    def event_count(self, code: str, span: pd.Timedelta) -> FloatArray:
        return self._events(code).count(self._asset, self._as_of, span, self._since)

    def since_event(self, code: str) -> FloatArray:
        return self._events(code).hours_since(self._asset, self._as_of, self._since)

    def since_maintenance(self, component: str) -> FloatArray:
        maintenance = self._work_orders().where("kind", MAINTENANCE).where("component", [component])
        return maintenance.hours_since(self._asset, self._as_of, self._since)

    def since_work(self, kind: str) -> FloatArray:
        return self._work_orders().where("kind", [kind]).hours_since(self._asset, self._as_of, self._since)

    def work_count(self) -> FloatArray:
        return self._work_orders().count(self._asset, self._as_of, since=self._since)

    def since_failure(self) -> FloatArray:
        failures = self._occurrences("failures", "failure_id", (), strictly_before=True)
        return failures.hours_since(self._asset, self._as_of, self._since)

    def age(self) -> FloatArray:
        """Return hours since the machine was put into service, by the records known at the cut-off."""
        begin = self._machines.begins(self._asset, self._as_of)
        hours, known = np.full(len(begin), np.nan), begin > NEVER
        hours[known] = (self._as_of[known] - begin[known]) / _MICROSECONDS_PER_HOUR
        return hours

    def is_model(self, model: str) -> FloatArray:
        """Whether the asset was of a model, by the latest record known at the cut-off."""
        if self._models is None:
            self._models = np.full(len(self._asset), None, dtype=object)
            for record, places in reversed(self._known_records()):
                self._models[places] = record.model
        return np.array([known_model == model for known_model in self._models], dtype=np.float64)

    def _known_records(self) -> list[tuple["_Record", IntArray]]:
        """Return the asset table's records, latest event first, with the cut-offs at which each was known."""
        places_by_asset = dict(by_group(self._asset))
        none = np.zeros(0, dtype=np.int64)
        records = []
        for record in _records(self._history.assets, self._assets):
            places = places_by_asset.get(record.asset, none)
            records.append((record, places[self._as_of[places] >= max(record.known, record.event)]))
        return records

    def _events(self, code: str) -> Occurrences:
        if code not in self._by_code:
            events = self._occurrences("events", "event_id", ("code",), strictly_before=False)
            self._by_code[code] = events.where("code", [code])
        return self._by_code[code]

    def _work_orders(self) -> Occurrences:
        return self._occurrences("work_orders", "work_order_id", ("kind", "component"), strictly_before=True)

    def _occurrences(
        self, table: str, identifier: str, labels: tuple[str, ...], *, strictly_before: bool
    ) -> Occurrences:
        if table not in self._tables:
            self._tables[table] = Occurrences.from_frame(
                getattr(self._history, table),
                self._assets,
                identifier=identifier,
                labels=labels,
                strictly_before=strictly_before,
            )
        return self._tables[table]


@dataclass(frozen=True)
class _Record:
    """A row of the asset table."""

    asset: int
    event: int  # microseconds since 1970, like `known`
    known: int
    stored: int  # the table version that stored it
    model: str | None


def _records(frame: pd.DataFrame, assets: "pd.Index[str]") -> list[_Record]:
    """Return the asset table's rows, latest event first, and of one event the last correction first."""
    columns = zip(
        assets.get_indexer(pd.Index(frame["asset"])).tolist(),
        microseconds(frame["event_time"]).tolist(),
        microseconds(frame["known_time"]).tolist(),
        stored_versions(frame).tolist(),
        frame["model"].astype(object).where(frame["model"].notna(), None),
        strict=True,
    )
    records = [_Record(*values) for values in columns if values[0] >= 0]
    return sorted(records, key=lambda r: (r.event, r.known, r.stored, r.model or ""), reverse=True)


def _distinct(values: "pd.Series[str]") -> tuple[str, ...]:
    return tuple(sorted(str(value) for value in values.dropna().unique()))
