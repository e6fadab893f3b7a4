"""Least squares of very many independent problems in one program."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np

from paramjax._checks import check_count, check_takes, describe
from paramjax._programs import kept_on
from paramjax._types import Array, Params, PyTree
from paramjax.estimate._constraints import Bounds, Constrained, constrained
from paramjax.estimate._outcome import Outcome
from paramjax.estimate._parameters import Parameters, parameters_of
from paramjax.estimate.batches._block import ENDED, Machine, Solvers, solve_block, solvers_of
from paramjax.estimate.batches._blocks import Sink, Slice, leaf_axes, problems_in, slices_of
from paramjax.estimate.batches._estimates import Estimates
from paramjax.estimate.inputs._plain_data import plain_column
from paramjax.estimate.inputs._traced import explained, refuse_traced
from paramjax.estimate.solvers import Inputs


def least_squares_many(
    residual_fn: Callable[[Params, PyTree], Array],
    params0: Params,
    data: PyTree | Iterator[PyTree],
    *,
    in_axes: PyTree = 0,
    start_axis: Literal[0] | None = None,
    weights: Any = None,
    sigma: Any = None,
    bounds: Bounds = None,
    fixed: Iterable[str] | None = None,
    max_iterations: int = 1000,
    out: str | Path | None = None,
    dtype: Any = np.float64,
    devices: Sequence[jax.Device] | None = None,
    threads: int | None = None,
    chunk: int | None = None,
) -> Estimates:
    r"""Fit many independent problems of one form, each to its own end and with its own status.

    $$\hat\theta_j = \arg\min_\theta \sum_i w_{ij}\, r_{ij}(\theta)^2, \quad j = 1, \dots, m$$
    by the damped Gauss-Newton method (Levenberg, 1944; Marquardt, 1963). Problems run in the
    slots of one compiled program; whatever ends makes room for the next, so that slow ones hold
    up nobody. What normal equations cannot finish, or lose digits on, is solved once more as a
    single problem is, by QR.

    Args:
        residual_fn: `(params, data) -> [n]`, the residuals of one problem, in JAX.
        params0: The start of every problem, a pytree of numbers and arrays.
        data: What the residuals read: a pytree of arrays, of which those that differ have a
            leading axis [m]. Memory maps are read in blocks; an iterator may give such pytrees
            one after the other, of any number of problems.
        in_axes: 0 for what differs between the problems and None for what all share: a prefix
            of data, as in `jax.vmap`.
        start_axis: 0 where the leaves of `params0` have a leading axis [m], a start for each
            problem; not with an iterator.
        weights: Relative precisions, [n] or [m, n], from 0; the variances are estimated.
        sigma: Known standard deviations, a number, [n] or [m, n]; the variances are not
            estimated, and the intervals are normal.
        bounds: `{name: (low, high)}`, or a pair of pytrees; the same for all problems.
        fixed: Names of parameters that stay at their start.
        max_iterations: Of one problem; those that need more end "unfinished".
        out: A folder for the results as files of numpy, read back as memory maps; None for
            arrays in memory. Until the end the files are called `NAME.npy.partial`.
        dtype: float64, or float32 where speed matters more than the last digits.
        devices: To spread the problems over; None for the default one.
        threads: Host threads for each device; None for one per core on a processor.
        chunk: Slots of the program; None to fit a core's cache or an accelerator's memory.

    Returns:
        The estimates, one row per problem in their order.

    Raises:
        TypeError: If the residuals are no function of two arguments, or dtype is no float type.
        ValueError: If there are fewer rows than parameters, shapes do not fit, the start lies
            outside the bounds, weights are negative, or a name is unknown.

    Example:
        >>> import paramjax as pj
        >>> import jax.numpy as jnp, numpy as np
        >>> x = np.linspace(0.0, 2.0, 8)
        >>> rate = np.array([0.5, 1.0, 2.0])
        >>> y = np.exp(-rate[:, None] * x) + 0.01 * np.cos(9.0 * x)
        >>> def residuals(params, data):
        ...     return params["height"] * jnp.exp(-params["rate"] * data["x"]) - data["y"]
        >>> est = pj.estimate.least_squares_many(
        ...     residuals, {"height": 1.0, "rate": 1.0}, {"x": x, "y": y},
        ...     in_axes={"x": None, "y": 0},
        ... )
        >>> est.outcomes, est.params["rate"].round(1).tolist()
        ({'converged': 3}, [0.5, 1.0, 2.0])
    """
    check_takes(residual_fn, ("params", "data"), "least_squares_many: residual_fn")
    if weights is not None and sigma is not None:
        raise ValueError("weights: expected weights or sigma, got both; sigma is a known precision")
    if not isinstance(data, Iterator):
        refuse_traced("data", data)
    refuse_traced("params0", params0)
    starts, one = _starts(params0, start_axis)
    found = constrained(parameters_of(one), bounds=bounds, fixed=fixed)
    machine = _machine(dtype, chunk, devices, threads, max_iterations)
    precisions = _precisions(weights, sigma)
    total = problems_in(data, in_axes)
    _check_total(starts, precisions, total)
    solvers = solvers_of(residual_fn, found.parameters, _form(found.parameters))
    with Sink(out) as sink:
        for part in slices_of(data, in_axes):
            rows = _residuals_of(solvers, found.parameters, part, in_axes, machine.dtype)
            inputs, axes = _problem(part, in_axes, found, precisions, rows)
            first = _rows(starts, part, found)
            sink.add(**_solved(solvers, first, inputs, axes, rows, sigma is not None, machine))
        _check_total(starts, precisions, sink.rows if total is None else total)
    columns: Any = sink.finished()
    reference: Any = "t" if sigma is None else "normal"
    return Estimates(**columns, parameters=found.parameters, reference=reference)


def _machine(dtype: Any, chunk: Any, devices: Any, threads: Any, max_iterations: Any) -> Machine:
    """The numbers of slots and threads, checked."""
    if dtype not in (np.float64, np.float32, "float64", "float32", float):
        raise TypeError(f"dtype: expected float64 or float32, got {dtype!r}")
    if devices is not None and not len(devices):
        raise ValueError("devices: expected at least one, or None for the default one, got none")
    for name, count in (("chunk", chunk), ("threads", threads)):
        if count is not None:
            check_count(name, count)
    most = check_count("max_iterations", max_iterations)
    return Machine(np.dtype(dtype), chunk, devices, threads, most)


def _check_total(
    starts: np.ndarray | None, precisions: np.ndarray | None, total: int | None
) -> None:
    """Refuse rows of starts or precisions that belong to no problem."""
    if total is None:
        return
    if starts is not None and len(starts) != total:
        raise ValueError(
            f"params0: expected a start for each of {total} problems, got {len(starts)} starts"
        )
    if precisions is not None and precisions.ndim == 2 and len(precisions) != total:
        raise ValueError(
            f"weights, sigma: expected a row for each of {total} problems, got {precisions.shape}"
        )


def _starts(params0: Params, start_axis: int | None) -> tuple[np.ndarray | None, Params]:
    """All numbers of the starts, [m, ...], where they differ; and the start of one problem."""
    if start_axis is None:
        return None, params0
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(params0)]
    sizes = {leaf.shape[:1] for leaf in leaves}
    if start_axis != 0 or len(sizes) != 1 or sizes == {()}:
        raise ValueError(
            f"start_axis: expected 0, and leaves of params0 with one leading axis, got "
            f"{start_axis!r} and {sorted(leaf.shape for leaf in leaves)}"
        )
    starts = np.concatenate([leaf.reshape(len(leaf), -1) for leaf in leaves], axis=1)
    if not np.isfinite(starts).all():
        wrong = int(np.argmin(np.isfinite(starts).all(axis=1)))
        raise ValueError(f"params0: expected finite starts, got nan or inf in problem {wrong}")
    return starts.astype(np.float64), jax.tree.map(lambda leaf: np.asarray(leaf)[0], params0)


def _rows(starts: np.ndarray | None, part: Slice, found: Constrained) -> np.ndarray:
    """The starts of a part, [m, p], between the bounds."""
    parameters, size = found.parameters, part.stop - part.begin
    if starts is None:
        return np.broadcast_to(parameters.start, (size, parameters.size))
    rows = starts[part.begin : part.stop]
    rows = rows if parameters.held is None else rows[:, parameters.held.places]
    if len(rows) != size:
        raise ValueError(f"params0: expected a start for each problem, got {len(starts)} starts")
    low = -np.inf if found.low is None else found.low
    outside = (rows < low) | (rows > (np.inf if found.high is None else found.high))
    if outside.any():
        at, k = np.argwhere(outside)[0]
        raise ValueError(
            f"params0: expected starts between the bounds, got {parameters.names[k]} = "
            f"{rows[at, k]:g} in problem {part.begin + at}"
        )
    return rows


def _form(parameters: Parameters) -> Any:
    """What of the parameters a compiled program depends on."""
    held = parameters.held
    fixed = None if held is None else (held.places.tobytes(), held.everything.tobytes())
    return parameters.treedef, parameters.shapes, fixed


def _precisions(weights: Any, sigma: Any) -> np.ndarray | None:
    """Weights of the rows, [], [n] or [m, n]."""
    name, given = ("weights", weights) if sigma is None else ("sigma", sigma)
    if given is None:
        return None
    array = plain_column(name, given, axes=2)
    return array if sigma is None else 1.0 / array**2


def _problem(
    part: Slice, in_axes: PyTree, found: Constrained, precisions: np.ndarray | None, rows: int
) -> tuple[Inputs, Inputs]:
    """The inputs of the problems of a part, and the axes of what differs between them."""
    weights, axis = precisions, None
    if precisions is not None and precisions.ndim == 2:
        weights, axis = np.asarray(precisions[part.begin : part.stop], np.float64), 0
    elif precisions is not None:
        weights = np.broadcast_to(precisions, precisions.shape or (rows,))
    expected = (part.stop - part.begin, rows)[1 if axis is None else 0 :]
    if weights is not None and weights.shape != expected:
        raise ValueError(
            f"weights, sigma: expected one number for each of {rows} residuals of every problem, "
            f"got shape {precisions.shape if precisions is not None else ()}"
        )
    low, high = found.low, found.high
    if low is not None or high is not None:
        open_ = np.full(found.parameters.size, np.inf)
        low, high = (-open_ if low is None else low), (open_ if high is None else high)
    return Inputs(part.data, weights, low=low, high=high), Inputs(in_axes, axis)


def _residuals_of(
    solvers: Solvers, parameters: Parameters, part: Slice, in_axes: PyTree, dtype: np.dtype[Any]
) -> int:
    """How many residuals a problem has."""
    leaves, treedef = jax.tree.flatten(part.data)
    axes = leaf_axes(in_axes, part.data)
    shapes = []
    for leaf, axis in zip(leaves, axes, strict=True):
        kind = np.asarray(leaf[:0] if np.ndim(leaf) else leaf).dtype
        if kind.kind not in "fiub" and kind.name != "bfloat16":
            raise TypeError(f"data: expected real numbers, got an array of {kind}")
        shape = np.shape(leaf)[0 if axis is None else 1 :]
        shapes.append((shape, (dtype if kind.kind == "f" else kind).str))

    def shape_of() -> Any:
        one = [np.broadcast_to(np.zeros((), kind), shape) for shape, kind in shapes]
        numbers = (np.zeros((), dtype),) * parameters.size
        with jax.enable_x64(True), explained("residual_fn"):
            return jax.eval_shape(solvers.rows, numbers, jax.tree.unflatten(treedef, one))

    found = kept_on(solvers.rows, ("residuals", treedef, tuple(shapes), dtype), shape_of)
    if getattr(found, "ndim", None) != 1:
        raise ValueError(
            f"residual_fn: expected residuals [n], got {describe(found)}; ravel them in "
            "residual_fn, and mark by in_axes what differs between the problems"
        )
    if found.dtype != dtype:
        raise TypeError(
            f"residual_fn: expected {dtype} residuals, got {found.dtype}; params and data come as "
            f"{dtype}, do not cast them, for standard errors need the digits"
        )
    if found.shape[0] < parameters.size:
        raise ValueError(
            f"data: expected at least as many rows as parameters, got {found.shape[0]} rows for "
            f"{parameters.size} parameters ({', '.join(parameters.names)}); hold some fixed"
        )
    return int(found.shape[0])


def _solved(
    solvers: Solvers, starts: np.ndarray, inputs: Inputs, axes: Inputs, rows: int, known: bool,
    machine: Machine,
) -> dict[str, np.ndarray]:  # fmt: skip
    """The columns of the result for one part."""
    solved, packed, rank = solve_block(solvers, starts, inputs, axes, machine)
    theta, value, outcome, iterations = solved
    value = 2.0 * value
    count: Any = rows
    if inputs.weights is not None:
        count = (inputs.weights > 0).sum(axis=-1)
    dof = count - rank
    with np.errstate(all="ignore"):
        scale = np.ones(len(value)) if known else np.where(dof > 0, value / dof, np.nan)
    ended = np.isin(outcome, ENDED)
    packed *= np.where(ended, scale, np.nan)[:, None]
    theta[outcome == Outcome.NONFINITE.code] = np.nan
    value[outcome == Outcome.NONFINITE.code] = np.nan
    columns = {"theta": theta, "packed": packed, "outcome": outcome, "value": value}
    columns["iterations"] = iterations
    counts = {"rows": count, "dof": dof}
    return {**columns, **{name: np.broadcast_to(n, value.shape) for name, n in counts.items()}}
