"""Progress where no terminal is, and SIGTERM as an interrupt."""

import io
import re
import signal
import threading

import pytest

from pipelines.terminal.progress import bars, lines
from pipelines.terminal.termination import termination_interrupts


class Written(io.StringIO):
    """A stream that counts its lines, so that a test need not guess how long they take."""

    def __init__(self) -> None:
        super().__init__()
        self.several = threading.Event()

    def flush(self) -> None:
        if self.getvalue().count("\n") >= 2:
            self.several.set()


def test_a_line_says_the_time_the_step_and_how_far() -> None:
    """The last report is written again and again while a step lasts, and nothing after the work."""
    stream = Written()
    with lines(stream, every_s=0.01) as report:
        report("train: features", 1200, 24000)
        assert stream.several.wait(30)
    written = stream.getvalue()
    last = written.splitlines()[-1]
    assert re.fullmatch(r"\d\d:\d\d:\d\d  train: features  1,200 of 24,000", last)
    assert "progress" not in {thread.name for thread in threading.enumerate()}


def test_work_that_has_not_reported_yet_is_starting() -> None:
    """Before the first report a line says so, without figures."""
    stream = Written()
    with lines(stream, every_s=0.01):
        assert stream.several.wait(30)
    assert stream.getvalue().splitlines()[0].endswith("  starting")


def test_quick_work_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """What is done within the first ten seconds leaves stdout and stderr alone."""
    with bars() as report:
        report("read", 1, 2)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_termination_interrupts_and_is_restored() -> None:
    """SIGTERM raises as Ctrl-C does inside the context, and has its old meaning after it."""
    before = signal.getsignal(signal.SIGTERM)
    with termination_interrupts(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_elsewhere_than_in_the_main_thread_signals_are_left_alone() -> None:
    """A flow's thread may train too, where no handler can be set."""
    entered = []

    def work() -> None:
        with termination_interrupts():
            entered.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert entered == [True]
