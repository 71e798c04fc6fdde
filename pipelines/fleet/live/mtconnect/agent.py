"""The agent: takes the plant's seconds, and answers probe, current and sample over HTTP."""

import contextlib
import time
from collections.abc import Callable, Iterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from uvicorn import Config, Server

from pipelines.fleet.live.faults import CLOCK_ERROR, MTCONNECT_KINDS, Fault, FaultPlan
from pipelines.fleet.live.machines.live_plant import CHANNELS, RATE, LivePlant
from pipelines.fleet.live.machines.plant_second import PlantSecond
from pipelines.fleet.live.mtconnect.data_items import UNAVAILABLE, data_items
from pipelines.fleet.live.mtconnect.documents import devices_document, error_document, streams_document
from pipelines.fleet.live.mtconnect.observations import BUFFER_SIZE, Observations, Value
from pipelines.fleet.live.mtconnect.requests import RequestError, check_names, moment, sample_range
from pipelines.fleet.plant.arrays import Floats

PROTOCOL = "mtconnect"
_MICROSECONDS = 1_000_000


class Agent:
    """What the plant's machines were observed to do, as a web application."""

    def __init__(
        self, plant: LivePlant, faults: FaultPlan, *, began: int, scalar_rate: int = 1, buffer_size: int = BUFFER_SIZE
    ) -> None:
        self._plant, self._faults, self._scalar_rate = plant, faults, scalar_rate
        self.observations = Observations(plant.assets, data_items(scalars=scalar_rate > 0), buffer_size)
        self._item = {item.name: number for number, item in enumerate(self.observations.items)}
        self.observations.start(began)

    def take(self, second: PlantSecond) -> None:
        """Observe what the machines read in a second, in the order of time."""
        running = dict(zip(second.machines.tolist(), second.readings, strict=True))
        for device, asset in enumerate(self._plant.assets):
            kind, _ = self._faults.draw(asset, second.second, MTCONNECT_KINDS) if device in running else (None, 0.0)
            if kind is not None:
                self._faults.note(Fault(PROTOCOL, asset, kind, second.second))
            if kind == "lost":
                continue
            begins = second.begins + (CLOCK_ERROR if kind == "clock_ahead" else 0)
            readings = running.get(device)
            self._observe_state(device, begins, runs=readings is not None)
            self._observe_channels(device, begins, None if kind == "unavailable" else readings)

    def application(self) -> Starlette:
        """Return the web application."""
        answers = {"probe": self._probe, "current": self._current, "sample": self._sample}
        routes = [Route("/", self._answering(self._probe))]
        for name, answer in answers.items():
            routes += [
                Route(f"/{name}", self._answering(answer)),
                Route(f"/{{device}}/{name}", self._answering(answer)),
            ]
        return Starlette(routes=[*routes, Route("/{rest:path}", self._answering(_no_such_place))])

    def _observe_state(self, device: int, begins: int, *, runs: bool) -> None:
        add, item = self.observations.add, self._item
        add(device, item["availability"], begins, "AVAILABLE" if runs else UNAVAILABLE)
        add(device, item["message"], begins, "running" if runs else "stands for repair of the spindle bearing")

    def _observe_channels(self, device: int, begins: int, readings: Floats | None) -> None:
        add, item, rate = self.observations.add, self._item, self._scalar_rate
        last = begins + (RATE - 1) * _MICROSECONDS // RATE
        for index in range(rate):
            at = index * RATE // rate
            for number, name in enumerate(CHANNELS):
                value: Value = UNAVAILABLE if readings is None else float(readings[number, at])
                add(device, item[name], begins + at * _MICROSECONDS // RATE, value)
        for number, name in enumerate(CHANNELS):
            series: Value = UNAVAILABLE if readings is None else readings[number]
            add(device, item[f"{name}_series"], last, series)

    def _answering(self, answer: Callable[[Request], bytes]) -> "Callable[[Request], object]":
        async def respond(request: Request) -> Response:
            try:
                return _xml(answer(request))
            except RequestError as error:
                document = error_document(self.observations, error.code, error.text, _now())
                return _xml(document, error.status)

        return respond

    def _probe(self, request: Request) -> bytes:
        check_names(request.query_params)
        return devices_document(self._plant, self.observations, self._devices(request), _now())

    def _current(self, request: Request) -> bytes:
        devices, at = self._devices(request), moment(request.query_params, self.observations)
        chosen = (each for each in self.observations.state(at) if each.device in devices)
        following = self.observations.next_sequence
        return streams_document(self._plant, self.observations, chosen, next_sequence=following, now=_now())

    def _sample(self, request: Request) -> bytes:
        devices = self._devices(request)
        first, count = sample_range(request.query_params, self.observations)
        chosen, following = self.observations.read(first, count, devices)
        return streams_document(self._plant, self.observations, chosen, next_sequence=following, now=_now())

    def _devices(self, request: Request) -> range:
        name = request.path_params.get("device")
        if name is None:
            return range(len(self._plant))
        if name not in self._plant.assets:
            raise RequestError("NO_DEVICE", f"There is no device {name[:80]!r}", 404)
        device = self._plant.assets.index(name)
        return range(device, device + 1)


class AgentServer(Server):
    """The HTTP server of an agent; whoever runs it decides on signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


def make_server(agent: Agent) -> AgentServer:
    """Return a server: `serve` a socket that listens, and set `should_exit` to end it."""
    return AgentServer(
        Config(agent.application(), log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=2)
    )


def _no_such_place(request: Request) -> bytes:
    raise RequestError("INVALID_URI", f"There is nothing at {request.url.path[:80]!r}: probe, current, sample", 404)


def _xml(document: bytes, status: int = 200) -> Response:
    return Response(document, status, media_type="text/xml; charset=utf-8", headers={"Cache-Control": "no-store"})


def _now() -> int:
    return time.time_ns() // 1000
