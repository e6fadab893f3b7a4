"""`paramjax report`: draw a finished or interrupted benchmark again, without training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from paramjax.cli._terminal import Exit, fail
from paramjax.cli._verdicts import show_results


def report(
    folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="DIR")],
    open: bool = False,
) -> int:
    """Draw the report of a benchmark again, without training.

    Args:
        folder: The folder that `paramjax bench --out` wrote.
        open: Open the report in a browser.

    Returns:
        Exit code: 0, or 2 if the folder holds no benchmark.
    """
    from paramjax.bench._benchmark import REPORT_PAGE, redraw

    try:
        verdicts = redraw(folder)
    except (ValueError, OSError) as error:
        return fail(error)
    show_results(verdicts, folder / REPORT_PAGE, open_it=open)
    return Exit.DONE
