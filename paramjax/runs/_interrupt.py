"""Ctrl-C and SIGTERM end a run between two chunks, with everything so far."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any


class InterruptWarning(UserWarning):
    """A run ended early because it was asked to."""


class Interrupts:
    """Remembers the first signal, and gives way to the second.

    Only the main thread can hold signals back; elsewhere, and under handlers that the user
    installed, nothing changes. SIGTERM is what a batch system sends before it kills: it is
    held back only where there is a checkpoint to write.

    Args:
        terminations: Whether to hold SIGTERM back, too.

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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._release()

    def pass_on(self) -> None:
        """Let a termination that was held back end the process, now that all is saved."""
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
