"""Ctrl-C and SIGTERM end a run between two chunks, with everything so far."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NoReturn

TERMINATED = 128 + signal.SIGTERM
"""What a shell makes of an end by SIGTERM."""


class InterruptWarning(UserWarning):
    """Ctrl-C or SIGTERM ended a run early."""


class Terminated(SystemExit):
    """SIGTERM ends the program, with 143 as its code, after everything that is open is closed."""

    def __init__(self) -> None:
        super().__init__(TERMINATED)


class Interrupts:
    """Remembers the first Ctrl-C, and SIGTERM if `terminations`; a second one acts at once.

    Only the main thread can hold signals back. In another one a run ends after Ctrl-C has
    interrupted the main thread, or the task of `asyncio.run`. Handlers that the user installed
    stay. SIGTERM is what a batch system sends before it kills: it is worth holding back only if
    there is something to write. A `notice` is shown where the first signal may take long.

    Example:
        >>> with Interrupts() as interrupts:
        ...     interrupts.received
    """

    def __init__(self, *, terminations: bool = False, notice: str = "") -> None:
        self._notice = notice
        self._received: int | None = None
        self._wanted = [signal.SIGINT, signal.SIGTERM] if terminations else [signal.SIGINT]
        self._before: dict[int, Any] = {}
        self._elsewhere: Callable[[], bool] | None = None

    @property
    def received(self) -> int | None:
        """The signal that came first, None before it."""
        if self._received is None and self._elsewhere is not None and self._elsewhere():
            self._received = signal.SIGINT
        return self._received

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is not threading.main_thread():
            self._elsewhere = _main_thread_watch()
            return self
        for number in self._wanted:
            handler = signal.getsignal(number)
            if _is_ordinary(number, handler):
                self._before[number] = handler
                signal.signal(number, self._remember)
        return self

    def __exit__(self, *error: object) -> None:
        self._release()

    def pass_on(self) -> None:
        """Let a SIGTERM that was held back end the process, once all is saved."""
        self._release()
        if self._received == signal.SIGTERM:
            signal.raise_signal(signal.SIGTERM)

    def end(self) -> NoReturn:
        """Raise what the signal means, once all is saved."""
        self._release()
        raise Terminated if self._received == signal.SIGTERM else KeyboardInterrupt

    def _release(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if self._received is not None:
            self._release()
            signal.raise_signal(number)
            return
        self._received = number
        if self._notice:
            with contextlib.suppress(OSError):  # not print, which the signal may have interrupted
                os.write(2, f"\n{self._notice}\n".encode())
        outer = self._before.get(number)
        if outer is not None and _is_remembering(outer):  # a run within a run: both of them end
            outer(number, frame)


@contextlib.contextmanager
def ending(what: str = "", kept: str = "") -> Iterator[None]:
    """Let SIGTERM unwind some work instead of killing it, and say what is `kept` of it, if any."""
    before = signal.getsignal(signal.SIGTERM)
    mine = threading.current_thread() is threading.main_thread() and before == signal.SIG_DFL
    if mine:
        signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    except KeyboardInterrupt as error:
        if kept:
            error.add_note(f"{what}: interrupted; {kept}")
        raise
    except Terminated:
        if kept:
            warnings.warn(f"{what}: SIGTERM ended it; {kept}", InterruptWarning, stacklevel=4)
        raise
    finally:
        if mine:
            signal.signal(signal.SIGTERM, before)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    # a second one kills
    signal.signal(number, signal.SIG_DFL)
    raise Terminated


def _is_ordinary(number: int, handler: Any) -> bool:
    """Whether Python, asyncio or this module installed the handler."""
    pythons = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
    known = handler in (pythons, _terminate) or _is_remembering(handler)
    return known or _runner(handler) is not None


def _is_remembering(handler: Any) -> bool:
    return isinstance(getattr(handler, "__self__", None), Interrupts)


def _runner(handler: Any) -> Any:
    """The runner of `asyncio.run` whose handler cancels its task, which a run would never see."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None or not isinstance(handler, functools.partial):
        return None
    owner = getattr(handler.func, "__self__", None)
    return owner if isinstance(owner, asyncio.Runner) else None


def _main_thread_watch() -> Callable[[], bool]:
    """A function that says whether Ctrl-C has interrupted the main thread since."""
    main = threading.main_thread().ident
    runner = _runner(signal.getsignal(signal.SIGINT))

    def interrupted() -> bool:
        if getattr(runner, "_interrupt_count", 0):
            return True
        handled: Any = sys._current_exceptions().get(main or 0)
        handled = handled[1] if isinstance(handled, tuple) else handled  # before Python 3.12
        ended = getattr(sys, "last_type", None) is KeyboardInterrupt and _is_exiting()
        return ended or isinstance(handled, KeyboardInterrupt)

    return interrupted


def _is_exiting() -> bool:
    """Whether the interpreter waits for its threads at its end."""
    pools = sys.modules.get("concurrent.futures.thread")
    return not threading.main_thread().is_alive() or bool(getattr(pools, "_shutdown", False))
