"""Features of an asset's circumstances: events, work orders, failures, its age and model."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.names import format_duration, format_feature, parse_duration
from features.recipe.events import Occurrences
from features.telemetry.sorted_times import IntArray, by_group, microseconds

if TYPE_CHECKING:
    from data_contracts.tables.history import History

FloatArray = npt.NDArray[np.float64]

#: Kinds of work that renew a component; an inspection does not.
MAINTENANCE = ("routine", "corrective")
_MICROSECONDS_PER_HOUR = 3_600_000_000


@dataclass(frozen=True)
class Context:
    """Say which circumstances become features.

    Parameters
    ----------
    event_codes
        Codes that are counted and timed: ``events__count__code_"error1"__span_"24h"``,
        ``events__hours_since__code_"error1"``.
    event_spans
        How far back to count them.
    components
        Components whose last maintenance (routine or corrective) is timed:
        ``work_orders__hours_since_maintenance__component_"comp1"``.
    work_order_kinds
        Kinds of work order that are timed: ``work_orders__hours_since__kind_"inspection"``; with any of them
        ``work_orders__count``, all so far.
    failures
        Whether the last failure is timed: ``failures__hours_since``.
    age
        Whether the hours in service are given: ``asset__age_hours``.
    models
        Models told apart by ones and zeros: ``asset__is_model__model_"model3"``.
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
        """Read what `to_dict` wrote.

        Parameters
        ----------
        content
            As JSON has it.

        Returns
        -------
        Context
        """
        plain: dict[str, Any] = {k: tuple(value) if isinstance(value, list) else value for k, value in content.items()}
        plain["event_spans"] = tuple(map(parse_duration, content["event_spans"]))
        return cls(**plain)

    def to_dict(self) -> dict[str, Any]:
        """Give plain values, as JSON has them.

        Returns
        -------
        dict
        """
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        return {**plain, "event_spans": [format_duration(span) for span in self.event_spans]}

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(self._questions())

    def calculate(
        self, history: "History", assets: "pd.Index[str]", asset: IntArray, as_of: IntArray, wanted: Iterable[str]
    ) -> dict[str, FloatArray]:
        """Compute the columns that are wanted.

        Parameters
        ----------
        history
            What is known, and later known, about the assets.
        assets
            The assets by number.
        asset, as_of : (n,)
            Numbers of the assets, and cut-offs in microseconds since 1970.
        wanted
            Names of columns.

        Returns
        -------
        dict
            Column to (n,) values.
        """
        told = _Told(history, assets, asset, as_of)
        chosen = set(wanted)
        return {name: ask(told) for name, ask in self._questions().items() if name in chosen}

    def _questions(self) -> dict[str, Callable[["_Told"], FloatArray]]:
        """Give each column its question, in the columns' order."""
        asked: dict[str, Callable[[_Told], FloatArray]] = {}
        for code in self.event_codes:
            for span in self.event_spans:
                name = format_feature("events__count", {"code": code, "span": format_duration(span)})
                asked[name] = partial(_Told.event_count, code=code, span=span)
        for code in self.event_codes:
            asked[format_feature("events__hours_since", {"code": code})] = partial(_Told.since_event, code=code)
        for component in self.components:
            name = format_feature("work_orders__hours_since_maintenance", {"component": component})
            asked[name] = partial(_Told.since_maintenance, component=component)
        for kind in self.work_order_kinds:
            asked[format_feature("work_orders__hours_since", {"kind": kind})] = partial(_Told.since_work, kind=kind)
        if self.work_order_kinds:
            asked["work_orders__count"] = _Told.work_count
        if self.failures:
            asked["failures__hours_since"] = _Told.since_failure
        if self.age:
            asked["asset__age_hours"] = _Told.age
        for model in self.models:
            asked[format_feature("asset__is_model", {"model": model})] = partial(_Told.is_model, model=model)
        return asked


def learn_context(history: "History", *, events: bool, ages: bool, event_spans: Sequence[pd.Timedelta]) -> Context:
    """Take the codes, components, kinds and models that occur in a history.

    Parameters
    ----------
    history
        What was known when the training period ended.
    events
        Whether events are counted and timed.
    ages
        Whether the asset's age and model, its work orders and its failures are told.
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


class _Told:
    """Answer each column's question; what several columns share is read once."""

    def __init__(self, history: "History", assets: "pd.Index[str]", asset: IntArray, as_of: IntArray) -> None:
        self._history, self._assets, self._asset, self._as_of = history, assets, asset, as_of
        self._read: dict[str, Occurrences] = {}
        self._of_code: dict[str, Occurrences] = {}
        self._models: npt.NDArray[np.object_] | None = None

    def event_count(self, code: str, span: pd.Timedelta) -> FloatArray:
        return self._events(code).count(self._asset, self._as_of, span)

    def since_event(self, code: str) -> FloatArray:
        return self._events(code).hours_since(self._asset, self._as_of)

    def since_maintenance(self, component: str) -> FloatArray:
        renewed = self._work_orders().where("kind", MAINTENANCE).where("component", [component])
        return renewed.hours_since(self._asset, self._as_of)

    def since_work(self, kind: str) -> FloatArray:
        return self._work_orders().where("kind", [kind]).hours_since(self._asset, self._as_of)

    def work_count(self) -> FloatArray:
        return self._work_orders().count(self._asset, self._as_of)

    def since_failure(self) -> FloatArray:
        failures = self._occurrences("failures", "failure_id", (), strictly_before=True)
        return failures.hours_since(self._asset, self._as_of)

    def age(self) -> FloatArray:
        """Give hours since the asset was first put into service, by the records known at the cut-off."""
        hours = np.full(len(self._asset), np.nan)
        # From the latest event back, so that the earliest one known is written last.
        for record, told in self._held_records():
            hours[told] = (self._as_of[told] - record.event) / _MICROSECONDS_PER_HOUR
        return hours

    def is_model(self, model: str) -> FloatArray:
        """Say whether the asset was of a model, by the latest record known at the cut-off."""
        if self._models is None:
            self._models = np.full(len(self._asset), None, dtype=object)
            for record, told in reversed(self._held_records()):
                self._models[told] = record.model
        return np.array([told == model for told in self._models], dtype=np.float64)

    def _held_records(self) -> list[tuple["_Record", IntArray]]:
        """Give the asset table's records, the latest event first, with the cut-offs at which each was known."""
        places = dict(by_group(self._asset))
        none = np.zeros(0, dtype=np.int64)
        held = []
        for record in _records(self._history.assets, self._assets):
            mine = places.get(record.asset, none)
            held.append((record, mine[self._as_of[mine] >= max(record.known, record.event)]))
        return held

    def _events(self, code: str) -> Occurrences:
        if code not in self._of_code:
            events = self._occurrences("events", "event_id", ("code",), strictly_before=False)
            self._of_code[code] = events.where("code", [code])
        return self._of_code[code]

    def _work_orders(self) -> Occurrences:
        return self._occurrences("work_orders", "work_order_id", ("kind", "component"), strictly_before=True)

    def _occurrences(
        self, table: str, identifier: str, labels: tuple[str, ...], *, strictly_before: bool
    ) -> Occurrences:
        if table not in self._read:
            self._read[table] = Occurrences.from_frame(
                getattr(self._history, table),
                self._assets,
                identifier=identifier,
                labels=labels,
                strictly_before=strictly_before,
            )
        return self._read[table]


@dataclass(frozen=True)
class _Record:
    """Hold a row of the asset table, times in microseconds since 1970."""

    asset: int
    event: int
    known: int
    model: str | None


def _records(frame: pd.DataFrame, assets: "pd.Index[str]") -> list[_Record]:
    """Give the asset table's rows, from the latest event (and known time) back."""
    columns = zip(
        assets.get_indexer(pd.Index(frame["asset"])).tolist(),
        microseconds(frame["event_time"]).tolist(),
        microseconds(frame["known_time"]).tolist(),
        frame["model"].astype(object).where(frame["model"].notna(), None),
        strict=True,
    )
    records = [_Record(asset, event, known, model) for asset, event, known, model in columns if asset >= 0]
    return sorted(records, key=lambda r: (r.event, r.known, r.model or ""), reverse=True)


def _distinct(values: "pd.Series[str]") -> tuple[str, ...]:
    return tuple(sorted(str(value) for value in values.dropna().unique()))
