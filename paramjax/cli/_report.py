"""`paramjax report`: draw a finished or interrupted benchmark again, without training."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Annotated

import tyro

from paramjax.cli._terminal import Exit, fail, warn
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
        Exit code: 0, 1 if its records are damaged, or 2 if the folder holds no benchmark.
    """
    from paramjax.bench._folder import (
        REPORT_PAGE,
        NoRecordsError,
        read_results,
        write_results,
    )
    from paramjax.bench._look_over import output_notices
    from paramjax.tuning import DamagedError

    try:
        results = read_results(folder)
        notices = output_notices(folder, results.manifest)
        if not results.workloads:
            raise NoRecordsError(
                f"{folder}: no training is recorded there; train with: "
                f"paramjax bench --out {folder}"
            )
        write_results(results, folder)
    except (sqlite3.Error, DamagedError) as error:
        return fail(error, Exit.FAILED)
    except (ValueError, TypeError, OSError) as error:
        return fail(error)
    for name, reason in results.excluded:
        warn(f"{name} is left out: {reason}")
    for notice in notices:
        warn(notice)
    show_results(results, folder / REPORT_PAGE, open_it=open)
    return Exit.DONE
