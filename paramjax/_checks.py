"""Checks of arguments at the public edge, which raise before anything is compiled.

Every message says what was expected, what came and what to do.
"""

from __future__ import annotations

import contextlib
import difflib
import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._types import Key, PyTree

INT32_MAX = 2**31 - 1
_LONGEST = 200
"""Characters of a value that a message shows."""


def leaf_name(path: tuple[Any, ...]) -> str:
    """The name of a leaf in errors and patterns: `params['dense']['kernel']` is `dense/kernel`."""
    return jax.tree_util.keystr(path, simple=True, separator="/") or "(the tree itself)"


def is_key(leaf: Any) -> bool:
    """Whether an array, a shape or a number is a typed key.

    Example:
        >>> is_key(jax.random.key(0)), is_key(jnp.zeros(2))
        (True, False)
    """
    return jnp.issubdtype(jnp.result_type(leaf), jax.dtypes.extended)


def check_key(key: Any) -> Key:
    """The key, if it is one typed threefry key.

    Raises:
        TypeError: If it is a legacy `PRNGKey` or not a key.
        ValueError: If it is of another implementation than threefry, or an array of keys.

    Example:
        >>> check_key(jax.random.key(0)).shape
        ()
    """
    dtype = getattr(key, "dtype", None)
    if dtype is None or not jnp.issubdtype(dtype, jax.dtypes.prng_key):
        raise TypeError(
            f"key: expected a typed key, got {describe(key)}; legacy PRNGKey arrays are not "
            "taken, make the key with jax.random.key(0)"
        )
    implementation = str(jax.random.key_impl(key))
    if "threefry" not in implementation:
        raise ValueError(
            f"key: expected a threefry key, got {implementation}; its numbers differ between "
            "platforms and under vmap, make the key with jax.random.key(0)"
        )
    if key.shape != ():
        raise ValueError(f"key: expected one key, got an array of keys of shape {key.shape}")
    checked: Key = key
    return checked


def check_seed(number: int) -> int:
    """The number, if it lies in [0, 2**32): `jax.random.key(2**32)` equals `key(0)`.

    Raises:
        ValueError: If it lies outside.

    Example:
        >>> check_seed(7)
        7
    """
    if not 0 <= number < 2**32:
        raise ValueError(
            f"key: expected an integer from 0 to 2**32 - 1, got {number}; "
            "beyond it two numbers would give the same key"
        )
    return number


def check_count(name: str, value: Any, *, least: int = 1) -> int:
    """The value as an int, if it is a whole number from `least` to 2**31 - 1.

    Raises:
        TypeError: If it is not a whole number.
        ValueError: If it is out of range.

    Example:
        >>> check_count("steps", 500)
        500
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name}: expected a whole number, got {describe(value)}")
    if not least <= value <= INT32_MAX:
        raise ValueError(f"{name}: expected a whole number from {least} to 2**31 - 1, got {value}")
    return int(value)


def check_learning_rate(learning_rate: Any) -> None:
    """Raise unless a learning rate is a finite number from 0, a schedule or traced."""
    check_rate("learning_rate", learning_rate, high=math.inf)


def check_rate(name: str, value: Any, *, low: float = 0.0, high: float = math.inf) -> None:
    """Raise unless a value is a finite number in [low, high), a function of the step, or traced.

    Raises:
        TypeError: If it is not a number.
        ValueError: If it is not finite or out of range.

    Example:
        >>> check_rate("b1", 0.9, high=1.0)
    """
    if isinstance(value, jax.core.Tracer) or callable(value):
        return
    number = _number(name, value)
    if not (math.isfinite(number) and low <= number < high):
        bound = "finite" if high == math.inf else f"below {high:g}"
        raise ValueError(f"{name}: expected a number from {low:g}, {bound}, got {number}")


def check_scalar(name: str, value: Any, *, low: float = 0.0, high: float = math.inf) -> None:
    """Raise unless a value is one finite number in [low, high] or a traced scalar.

    Raises:
        TypeError: If it is not a number; a schedule is not, but `losses.scheduled` gives a
            loss the values of schedules.
        ValueError: If it is an array with axes, is not finite, or is out of range.

    Example:
        >>> check_scalar("mixing", 1.0, high=1.0)
    """
    if callable(value):
        raise TypeError(
            f"{name}: expected a number, got a function; for a number that changes with the step "
            "give a loss its value by pj.losses.scheduled"
        )
    if getattr(value, "shape", ()) != ():
        raise ValueError(f"{name}: expected one number, got {describe(value)}")
    if isinstance(value, jax.core.Tracer):
        return
    number = _number(name, value)
    if not (math.isfinite(number) and low <= number <= high):
        bound = "finite" if high == math.inf else f"to {high:g}"
        raise ValueError(f"{name}: expected a number from {low:g}, {bound}, got {number:g}")


def check_params(params: PyTree) -> None:
    """Raise unless all leaves are floating-point arrays.

    Raises:
        TypeError: If a leaf is not; the message names it.
        ValueError: If there are no leaves.

    Example:
        >>> check_params({"w": jnp.zeros((3, 2))})
    """
    leaves = jax.tree_util.tree_leaves_with_path(params)
    if not leaves:
        raise ValueError("params: expected at least one array, got an empty tree")
    for path, leaf in leaves:
        dtype = getattr(leaf, "dtype", None)
        if dtype is None or not jnp.issubdtype(dtype, jnp.inexact):
            raise TypeError(
                f"params: leaf {leaf_name(path)} is {describe(leaf)}, expected a floating-point "
                "array; keep counters and masks in model_state"
            )


def check_same_form(what: str, got: PyTree, params: PyTree) -> None:
    """Raise unless gradients or updates have the parameters' tree and shapes.

    Shapes that would broadcast are refused too.

    Raises:
        ValueError: If the trees or the shape of a leaf differ.

    Example:
        >>> check_same_form("gradients", {"w": jnp.ones(2)}, {"w": jnp.zeros(2)})
    """
    expected: Any = jax.tree.structure(params)
    found: Any = jax.tree.structure(got)
    if expected != found:
        raise ValueError(f"{what}: expected the tree of the parameters, {expected}, got {found}")
    pairs = zip(jax.tree_util.tree_leaves_with_path(params), jax.tree.leaves(got), strict=True)
    for (path, leaf), other in pairs:
        if jnp.shape(leaf) != jnp.shape(other):
            raise ValueError(
                f"{what}: leaf {leaf_name(path)} has shape {jnp.shape(other)}, expected "
                f"{jnp.shape(leaf)} as in the parameters"
            )


def check_rows(what: str, batch: PyTree) -> int:
    """The number of rows of a batch [rows, ...]; `what` names who needs it.

    Raises:
        ValueError: If there are no leaves, a leaf has no leading axis, or leaves disagree
            in length.

    Example:
        >>> check_rows("accumulate", {"x": jnp.zeros((8, 3)), "y": jnp.zeros(8)})
        8
    """
    leaves = jax.tree_util.tree_leaves_with_path(batch)
    if not leaves:
        raise ValueError(f"{what}: expected a batch of arrays [rows, ...], got an empty tree")
    lengths = {leaf_name(path): jnp.shape(leaf)[:1] for path, leaf in leaves}
    for name, length in lengths.items():
        if not length:
            raise ValueError(f"{what}: leaf {name} of the batch is a scalar, expected [rows, ...]")
    if len(set(lengths.values())) > 1:
        sizes = {name: length[0] for name, length in lengths.items()}
        raise ValueError(f"{what}: expected leaves of one length in the batch, got {sizes}")
    return next(iter(lengths.values()))[0]


def nearest(name: str, known: Iterable[str], *, what: str) -> str:
    """The message for an unknown name, with the nearest known ones.

    Example:
        >>> nearest("adamm", ["adam", "sgd"], what="optimizer")
        "unknown optimizer 'adamm'; nearest: adam (known: adam, sgd)"
    """
    known = sorted(known)
    close = difflib.get_close_matches(str(name), known, n=3, cutoff=0.5)
    hint = f"; nearest: {', '.join(close)}" if close else ""
    return f"unknown {what} {name!r}{hint} (known: {', '.join(known) or 'none'})"


def check_array(name: str, value: Any) -> None:
    """Raise unless a value is an array, of numpy or JAX.

    Raises:
        TypeError: If it is not.

    Example:
        >>> check_array("x", np.zeros(3))
    """
    if not (hasattr(value, "dtype") and hasattr(value, "ndim")):
        raise TypeError(f"{name}: expected an array, got {describe(value)}; pass jnp.asarray of it")


def describe(value: Any) -> str:
    """`float32[3,2]` for an array, `None` or the type and value, in short, for anything else."""
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"{value.dtype}[{','.join(map(str, value.shape))}]"
    if type(value) in (list, tuple) and value and all(hasattr(v, "dtype") for v in value):
        shown = f"{', '.join(map(describe, value[:3]))}{', ...' * (len(value) > 3)}"
        return f"{type(value).__name__} of {len(value)} arrays, {shown}"
    return "None" if value is None else f"{type(value).__name__} {_in_short(value)}"


def _in_short(value: Any) -> str:
    """One line: a dict or list of arrays may be pages long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


@contextlib.contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Turn a missing optional package into an error that says how to install it.

    Example:
        >>> with needs_extra("frames"):
        ...     import math
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f'{error.name} is missing: pip install "paramjax[{extra}]"', name=error.name
        ) from None


def _number(name: str, value: Any) -> float:
    try:
        if isinstance(value, str | bytes):  # float reads "0.5", and what computes with it fails
            raise TypeError
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name}: expected a number, got {describe(value)}") from None


def check_takes(function: Callable[..., Any], names: Sequence[str], what: str) -> None:
    """Raise if a function cannot be called with so many arguments; `what` names it.

    Example:
        >>> check_takes(lambda params, batch: {}, ("params", "batch"), "validation: evaluate")
    """
    if not callable(function):
        raise TypeError(
            f"{what}: expected a function ({', '.join(names)}), got {describe(function)}"
        )
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some functions written in C have none
        return
    try:
        signature.bind(*names)
    except TypeError:
        given = signature.replace(return_annotation=signature.empty)
        raise TypeError(
            f"{what}: expected a function ({', '.join(names)}), got one that takes {given}"
        ) from None
