"""`paramjax measure`: which forms of the layers that programs used are fastest on this machine?"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from paramjax.cli._terminal import Exit, console, fail, table

if TYPE_CHECKING:
    from rich.table import Table

    from paramjax._choices import Outcome


def measure(again: bool = False, busy: bool = False) -> int:
    """Time the forms of large layers that were trained on this machine, and keep the fastest.

    Train first. Large convolutions of a single run on a CPU are noted when they are compiled,
    beside the compiled programs. Each is timed here, which takes a few seconds; a form that
    needs at least a tenth less time than the usual one is taken from the next process on. A run
    that goes on from a checkpoint warns if its numbers are then rounded otherwise.

    Args:
        again: Measure also what was measured before.
        busy: Measure although other programs compute, whose share of the cores counts as well.

    Returns:
        Exit code: 0 done, 2 there is no compilation cache to keep anything in, or others compute.
    """
    import paramjax.models._convolution_choice  # noqa: F401  it offers the forms
    from paramjax import _choices

    place = _choices.folder()
    if place is None:
        return fail(
            "there is no compilation cache to keep anything in: it is off, or not in a folder of "
            "this machine; PARAMJAX_CACHE_DIR names one"
        )
    if not busy and (load := _load()) > _idle():
        return fail(
            f"other programs compute here, or did in the last minute (load {load:.1f}); measure "
            "when they have ended, or pass --busy"
        )
    out = console()
    try:
        with console(stderr=True).status("timing forms"):
            outcomes = list(_choices.measure(again))
    except OSError as error:
        return fail(f"{place} cannot be written ({error.strerror}); PARAMJAX_CACHE_DIR names it")
    if outcomes:
        out.print(_times(outcomes))
    out.print(_said(len(outcomes), _choices.measured(), place), markup=False, soft_wrap=True)
    return Exit.DONE


def _said(now: int, known: int, place: Path) -> str:
    """What the command has done."""
    if now:
        return f"{now} {'layer' if now == 1 else 'layers'} measured, kept in {place}"
    if known:
        layers = f"{known} {'layer is' if known == 1 else 'layers are'}"
        return f"nothing new: {layers} measured already, in {place}; --again measures anew"
    return f"no large convolution was trained with the cache in {place} yet; train, then measure"


def _load() -> float:
    """Processes that computed in the last minute; 0 where the system does not tell."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def _idle() -> float:
    """The load up to which a machine counts as idle."""
    return max(0.5, (os.cpu_count() or 1) / 8)


def _times(outcomes: list[Outcome]) -> Table:
    made = table()
    for head in ("layer", "milliseconds", "taken"):
        made.add_column(head)
    for number, layer in enumerate(outcomes):
        times = "\n".join(f"{form} {1e3 * s:.2f}" for form, s in layer.seconds.items())
        usual = "as usual" if layer.form == layer.default else f"usually {layer.default}"
        made.add_row(escape(layer.layer), times, f"{layer.form}, {usual}")
        if number < len(outcomes) - 1:
            made.add_row("", "", "")
    return made
