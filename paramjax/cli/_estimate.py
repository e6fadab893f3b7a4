"""`paramjax estimate`: fit a formula to the columns of a table."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import tyro

from paramjax._checks import check_count, check_seed
from paramjax._version import versions
from paramjax.cli._assignments import numbers_of, ranges_of
from paramjax.cli._table import read_table
from paramjax.cli._terminal import Exit, fail

_PAIRS = Annotated[
    tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="NAME=NUMBER,...")
]
_RANGES = Annotated[
    tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="NAME=LOW:HIGH,...")
]
_COLUMN = tyro.conf.arg(metavar="COLUMN")
_GOOD = ("converged", "at a bound")


def estimate(
    file: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="FILE")],
    formula: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="FORMULA")],
    *,
    start: _PAIRS = (),
    starts: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None,
    fixed: _PAIRS = (),
    bounds: _RANGES = (),
    weights: Annotated[str | None, _COLUMN] = None,
    sigma: Annotated[str | None, _COLUMN] = None,
    loss: Annotated[str | None, tyro.conf.arg(metavar="NAME:SCALE")] = None,
    robust: bool = False,
    bootstrap: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None,
    profile: bool = False,
    level: float = 0.95,
    drop_missing: bool = False,
    key: int = 0,
    out: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None,
) -> int:
    """Fit a formula to a table by least squares, with standard errors and intervals.

    paramjax estimate data.csv "y ~ b1*exp(-b2*x)" --start b1=1,b2=0.1

    Names in FORMULA are columns of FILE, or parameters that have a --start.

    - signs + - * / ^, constants pi and e, functions exp, log, sqrt, sin, erf ...
    - the left side may be an expression, as in "log(y) ~ a + b*x"
    - a name with blanks stands between backticks: `wind speed`
    - cells are parted by commas, semicolons, tabs or blanks

    It prints the summary, and writes summary.txt, result.json and plots.

    Args:
        file: A table with the names of its columns in the first line.
        formula: Such as "y ~ b0 + b1*x".
        start: Where the search begins, a number for each parameter.
        starts: Draw so many further starts around the first; the best fit is kept.
        fixed: Parameters that are held at these numbers.
        bounds: Bounds of parameters; leave out an end that has none.
        weights: Column of the relative precisions of the rows.
        sigma: Column of the known standard deviations of the rows.
        loss: A robust loss and its scale, as in huber:1.5; or soft_l1, cauchy, tukey.
        robust: Standard errors that hold if variances differ between rows (HC3).
        bootstrap: Refit so many resamples of the rows, for intervals and errors.
        profile: Profile-likelihood intervals and curves.
        level: Of the intervals.
        drop_missing: Leave out rows in which a cell that is needed is missing.
        key: Integer from 0 to 2**32 - 1 that names all randomness.
        out: Folder of the results; by default FILE-estimate, here.

    Returns:
        Exit code: 0, 1 if the fit did not converge, 2 for bad input, 130 interrupted.
    """
    started = time.perf_counter()
    from paramjax.cli._estimate_files import record_of, write_files
    from paramjax.cli._estimate_more import further
    from paramjax.cli._formula_problem import fit, problem_of
    from paramjax.estimate._estimate import check_level

    stem = Path(file.name.removesuffix(".gz")).stem
    folder = Path(f"{stem}-estimate") if out is None else out.expanduser()
    try:
        check_level(level)
        check_seed(key)
        for option, count, least in (("bootstrap", bootstrap, 2), ("starts", starts, 1)):
            if count is not None:
                check_count(f"--{option}", count, least=least)
        table = read_table(file)
        given = numbers_of("--start", start), numbers_of("--fixed", fixed)
        problem = problem_of(
            table, formula, *given, weights=weights, sigma=sigma, drop_missing=drop_missing
        )
        limits = ranges_of("--bounds", bounds)
        found = fit(problem, limits, loss, starts=starts, key=key, robust=robust)
        more = further(found, bootstrap, level, key, profiled=profile)
        text = "\n".join([str(found.summary(level)), *(one.text for one in more)])
        print(text)
        record = record_of(found, problem, level) | {one.name: one.record for one in more}
        record |= {"loss": loss, "key": key, "versions": versions()}
        record["seconds"] = round(time.perf_counter() - started, 3)
        written = write_files(folder, found, problem, more, text, record, level)
    except BrokenPipeError:  # of whoever reads the output, no fault of a file
        raise
    except (ValueError, TypeError, OSError) as error:
        return fail(error)
    print(f"\nwritten to {folder}: {', '.join(written)}")
    return Exit.DONE if found.outcome in _GOOD else Exit.FAILED
