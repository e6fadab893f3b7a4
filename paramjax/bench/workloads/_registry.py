"""Name -> workload, and workloads in a user's file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from paramjax._checks import describe, nearest
from paramjax.bench.workloads._breast_cancer_logistic import BREAST_CANCER_LOGISTIC
from paramjax.bench.workloads._digits_batchnorm import DIGITS_BATCHNORM
from paramjax.bench.workloads._digits_conv import DIGITS_CONV
from paramjax.bench.workloads._digits_lstm import DIGITS_LSTM
from paramjax.bench.workloads._digits_mlp import DIGITS_MLP
from paramjax.bench.workloads._quadratic_deep import QUADRATIC_DEEP
from paramjax.bench.workloads._table_logistic import TABLE_LOGISTIC
from paramjax.bench.workloads._workload import Workload
from paramjax.runs._interrupt import Terminated

WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for workload in (
        DIGITS_MLP, TABLE_LOGISTIC, DIGITS_CONV, DIGITS_LSTM, DIGITS_BATCHNORM, QUADRATIC_DEEP,
        BREAST_CANCER_LOGISTIC,
    )
}  # fmt: skip
"""Every registered workload; none of them holds its data before `loaded()`."""


def get(name: str) -> Workload:
    """The registered workload of that name.

    Args:
        name: A name of `WORKLOADS`.

    Returns:
        The workload; its data is not loaded yet.

    Raises:
        ValueError: For an unknown name, with the nearest known ones.

    Example:
        >>> get("digits_mlp").metric
        'accuracy'
    """
    if name not in WORKLOADS:
        raise ValueError(nearest(name, WORKLOADS, what="workload"))
    return WORKLOADS[name]


def find_workload(spec: str) -> Workload:
    """A registered workload, or one in a user's file.

    Args:
        spec: A name of `WORKLOADS`, or `FILE.py:NAME`, where NAME is a `Workload` or a function
            without arguments that returns one.

    Returns:
        The workload; its data is not loaded yet unless it holds arrays.

    Raises:
        ValueError: For an unknown name, with the nearest known ones; for a file that is missing
            or cannot be loaded; and if what it holds under that name is not a workload.

    Example:
        >>> find_workload("quadratic_deep").maximise
        False
    """
    if ".py:" not in spec:
        try:
            return get(spec)
        except ValueError as error:
            raise ValueError(f"{error}; a workload of your own is FILE.py:NAME") from None
    from paramjax.bench.entries._modules import find_name, load_module  # entries import workloads

    file, _, name = spec.rpartition(":")
    module = load_module(Path(file))
    found = find_name(module, name)
    if found is None and name not in vars(module):
        raise ValueError(_no_such(file, name, vars(module)))
    return _as_workload(spec, found)


def _no_such(file: str, name: str, found: dict[str, Any]) -> str:
    """The message for a name that a file lacks: its workloads, or else its functions."""
    workloads = [known for known, value in found.items() if isinstance(value, Workload)]
    functions = [known for known, value in found.items() if callable(value) and known[0] != "_"]
    return f"{file}: {nearest(name, workloads or functions, what='workload')}"


def _as_workload(spec: str, given: Any) -> Workload:
    """What a file holds under a name, called if it is a function."""
    made = given
    if not isinstance(given, Workload) and callable(given):
        try:
            made = given()
        except Terminated:
            raise
        except (Exception, SystemExit) as error:
            reason = " ".join(str(error).strip().splitlines()[:1])
            raise ValueError(f"{spec} raised {type(error).__name__}: {reason}") from error
    if not isinstance(made, Workload):
        raise ValueError(
            f"{spec}: expected a pj.bench.workloads.Workload or a function without arguments "
            f"that returns one, got {describe(made)}"
        )
    return made
