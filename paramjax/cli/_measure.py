"""`paramjax measure`: which forms of the layers that programs used are fastest on this machine?"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from paramjax.cli._terminal import Exit, console, fail, table

if TYPE_CHECKING:
    from rich.table import Table

    from paramjax._choices import Outcome


def measure(busy: bool = False) -> int:
    """Time the forms of large layers that were trained on this machine, and keep the fastest.

    Large convolutions of a single run on a CPU are noted, beside the compiled programs, when
    they are first compiled. Each is timed here, which takes some seconds; a form that needs at
    least a tenth less time than the usual one is taken from the next process on. A run that goes
    on from a checkpoint warns that its numbers are then rounded otherwise.

    Args:
        busy: Measure although other programs compute, whose share of the cores counts as well.

    Returns:
        Exit code: 0 done, 2 there is no compilation cache to keep anything in, or others compute.
    """
    import paramjax.models._convolution_choice  # noqa: F401  it offers the forms
    from paramjax import _choices

    if _choices.folder() is None:
        return fail("there is no compilation cache: PARAMJAX_CACHE_DIR names its folder")
    if not busy and _is_busy():
        return fail("other programs compute here; measure when they have ended, or pass --busy")
    out = console()
    with console(stderr=True).status("timing forms"):
        outcomes = list(_choices.measure())
    if outcomes:
        out.print(_times(outcomes))
    out.print(f"{len(outcomes)} layers measured, kept in {_choices.folder()}", markup=False)
    return Exit.DONE


def _is_busy() -> bool:
    """Whether others took half a core or more in the last minute."""
    return hasattr(os, "getloadavg") and os.getloadavg()[0] > 0.5


def _times(outcomes: list[Outcome]) -> Table:
    made = table()
    for head in ("layer", "usual form", "milliseconds", "taken"):
        made.add_column(head)
    for layer in outcomes:
        times = ", ".join(f"{form} {1e3 * s:.2f}" for form, s in layer.seconds.items())
        made.add_row(layer.question.replace("[", r"\["), layer.default, times, layer.form)
    return made
