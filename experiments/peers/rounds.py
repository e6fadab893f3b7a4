"""Interleaved rounds: an idle machine to begin with, ratios with their quartiles."""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path


def wait_until_idle(most=3.0):
    """Wait until nine tenths of the machine are free, for three seconds at most."""
    end = time.monotonic() + most
    while sys.platform == "linux" and time.monotonic() < end:
        before = _processor_times()
        time.sleep(0.1)
        after = _processor_times()
        idle, whole = (b - a for a, b in zip(before, after, strict=True))
        if idle >= 0.9 * whole:
            return


def _processor_times():
    words = Path("/proc/stat").read_text().partition("\n")[0].split()[1:]
    values = [int(word) for word in words]
    return values[3] + values[4], sum(values[:8])


def in_turn(sides, turn):
    """The sides, each first in turn."""
    return list(sides)[:: 1 if turn % 2 == 0 else -1]


def quartiles(own, other):
    """Lower quartile, median and upper quartile of the rounds' ratios."""
    ratios = [a / b for a, b in zip(own, other, strict=False)]
    if len(ratios) < 2:
        return [ratios[0]] * 3
    return statistics.quantiles(ratios, n=4, method="inclusive")


def ratio(own, other):
    """The median of rounds' ratios, with quartiles."""
    return spread(quartiles(own, other))


def spread(three):
    """A median with its quartiles, to three digits; alone where they do not differ."""
    low, middle, high = (f"{value:.3g}" for value in three)
    return middle if low == high else f"{middle} ({low} to {high})"


def with_kept(file, text, mark="## What was found"):
    """The text with what a page says below its tables, which stays."""
    before = file.read_text() if file.exists() else ""
    return f"{text.rstrip()}\n" + ("\n" + before[before.index(mark) :] if mark in before else "")
