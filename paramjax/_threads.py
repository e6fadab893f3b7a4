"""Worker threads that never hold up, nor abort, a process that Ctrl-C ends."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

_R = TypeVar("_R")

PREFIX = "paramjax worker"
"""Begins the names of threads that may be in XLA, or at work that nobody waits for after Ctrl-C."""

INTERRUPTED = 130
"""What a shell makes of an end by Ctrl-C: 128 and the number of the signal."""


@contextlib.contextmanager
def workers(count: int) -> Iterator[ThreadPoolExecutor]:
    """A pool of threads; an interrupt leaves it at once, everything else waits for its work.

    Example:
        >>> with workers(2) as pool:
        ...     list(pool.map(abs, [-1, 2]))
        [1, 2]
    """
    pool = ThreadPoolExecutor(count, thread_name_prefix=PREFIX)
    wait = True
    try:
        yield pool
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        wait = False
        raise
    finally:
        pool.shutdown(wait=wait, cancel_futures=not wait)


def started(function: Callable[..., _R], *args: Any) -> Future[_R]:
    """What a function of numpy returns, computed in a thread of its own, which nobody need end.

    Example:
        >>> started(abs, -1).result()
        1
    """
    future: Future[_R] = Future()

    def call() -> None:
        try:
            future.set_result(function(*args))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=call, name="paramjax numpy").start()
    return future


def leave_if_busy(code: int = INTERRUPTED) -> None:
    """End the process if workers are still computing, which nothing can stop.

    A thread that comes back from XLA while the interpreter ends would abort the process.
    """
    if not any(thread.name.startswith(PREFIX) for thread in threading.enumerate()):
        return
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)


def _before_join() -> None:
    """Do not wait for workers after Ctrl-C ended the program, for their results are not read."""
    if getattr(sys, "last_type", None) is KeyboardInterrupt:
        leave_if_busy()


# after the joins a worker is busy only if Ctrl-C broke them off
atexit.register(leave_if_busy)
if hasattr(threading, "_register_atexit"):  # as concurrent.futures has its threads joined
    threading._register_atexit(_before_join)
