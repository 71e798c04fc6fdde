"""Ctrl-C counts wherever the program happens to be."""

import asyncio
import gc
import signal
import weakref
from collections.abc import Iterator

import pytest

from pipelines.flows.interrupt import Interrupt


@pytest.fixture(autouse=True)
def no_collection() -> Iterator[None]:
    """Collect nothing meanwhile: a signal would as well be raised in a callback of the collector, and lost there."""
    gc.disable()
    yield
    gc.enable()


class _Thing:
    pass


def _interrupt_where_it_is_swallowed() -> None:
    thing = _Thing()
    # Python prints what a callback raises, and goes on.
    ending = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGINT))
    assert ending() is thing
    del thing


async def _sleep(interrupt: Interrupt) -> None:
    interrupt.cancel_on_interrupt(asyncio.current_task())
    await asyncio.sleep(30)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_swallowed_interrupt_cancels_the_next_task() -> None:
    """Ctrl-C in a weak reference's callback, where its exception is lost, still ends what is started after it."""
    interrupt = Interrupt()
    with interrupt.recording():
        _interrupt_where_it_is_swallowed()
        assert interrupt.received
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(asyncio.wait_for(_sleep(interrupt), 20))


def test_a_later_interrupt_cancels_the_task() -> None:
    """Once a task runs, Ctrl-C cancels it rather than raising somewhere in its loop."""
    interrupt = Interrupt()

    async def interrupted() -> None:
        asyncio.get_running_loop().call_later(0.1, signal.raise_signal, signal.SIGINT)
        await _sleep(interrupt)

    with interrupt.recording(), pytest.raises(asyncio.CancelledError):
        asyncio.run(interrupted())
    assert interrupt.received


def test_the_former_handler_is_restored() -> None:
    """Ctrl-C still raises while it is recorded, and afterwards has its former handler."""
    before, interrupt = signal.getsignal(signal.SIGINT), Interrupt()
    with pytest.raises(KeyboardInterrupt), interrupt.recording():
        signal.raise_signal(signal.SIGINT)
    assert interrupt.received
    assert signal.getsignal(signal.SIGINT) is before
