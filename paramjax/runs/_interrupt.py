"""Ctrl-C and SIGTERM end a run between two chunks, with everything so far."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any


class InterruptWarning(UserWarning):
    """Ctrl-C or SIGTERM ended a run early."""


class Interrupts:
    """Remembers the first Ctrl-C, and SIGTERM if `terminations`; a second one acts at once.

    Only the main thread can hold signals back; elsewhere, and under handlers that the user
    installed, nothing changes. SIGTERM is what a batch system sends before it kills: it is
    worth holding back only if there is a checkpoint to write.

    Example:
        >>> with Interrupts() as interrupts:
        ...     interrupts.received
    """

    def __init__(self, *, terminations: bool = False) -> None:
        self.received: int | None = None
        self._wanted = {signal.SIGINT: signal.default_int_handler}
        if terminations:
            self._wanted[signal.SIGTERM] = signal.SIG_DFL  # type: ignore[assignment]
        self._before: dict[int, Callable[..., Any]] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number, ordinary in self._wanted.items():
                if signal.getsignal(number) == ordinary:
                    self._before[number] = ordinary
                    signal.signal(number, self._remember)
        return self

    def __exit__(self, *error: object) -> None:
        self._release()

    def pass_on(self) -> None:
        """Let a SIGTERM that was held back end the process, once all is saved."""
        self._release()
        if self.received == signal.SIGTERM:
            signal.raise_signal(signal.SIGTERM)

    def _release(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _remember(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.received is not None:
            self._release()
            signal.raise_signal(number)
        self.received = number
