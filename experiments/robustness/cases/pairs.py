"""What every case uses: it prints ours beside the right value, and fails if a pair differs."""

from __future__ import annotations

import atexit
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

import paramjax as pj

REFUSALS = (ValueError, TypeError, OSError, pj.NonFiniteError)
"""What a refusal may be; any other error comes from a library below."""

_wrong: list[str] = []


def pair(what: str, ours: Any, right: Any, tolerance: float = 1e-6) -> None:
    """Print a pair; the numbers must be within a relative tolerance, all else equal."""
    if isinstance(right, float | complex | np.ndarray) and not isinstance(ours, str):
        same = np.allclose(ours, right, rtol=tolerance, atol=tolerance)
    else:
        same = ours == right
    print(f"{'' if same else 'WRONG '}{what}: ours {ours} = right {right}")
    _wrong.extend([] if same else [what])


def refused(what: str, call: Callable[[], Any], *words: str, never: str = "\n\n") -> None:
    """Print how a call is refused: with one of the words, if there are any, and `never` another."""
    try:
        ours = f"returned {call()!s:.150}"
        same = False
    except REFUSALS as error:
        ours = f"{type(error).__name__}: {' '.join(str(error).split()):.300}"
        same = not words or any(word in str(error) for word in words)
        same = same and never not in str(error)
    print(f"{'' if same else 'WRONG '}{what}: ours {ours} = right refused, with {words}")
    _wrong.extend([] if same else [what])


@contextmanager
def said() -> Iterator[list[str]]:
    """The warnings of a block, as `Name: message`."""
    texts: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield texts
    texts += [f"{one.category.__name__}: {one.message}" for one in caught]


@atexit.register
def _end() -> None:
    if _wrong:
        print(f"{len(_wrong)} pairs differ: {', '.join(_wrong)}", flush=True)
        os._exit(1)
