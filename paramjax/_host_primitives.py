"""Primitives that numpy computes as XLA does, bit for bit.

Only what has one right answer: moved and copied numbers, whole numbers, casts that lose nothing,
and the hashes of threefry keys. Sums and products of fractions are left to XLA, which may join two
of them into one rounding.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np

from paramjax import _threefry

Rule = Callable[..., Any]
"""`(equation, *inputs) -> output`, a list of several, None where numpy may differ.

Keys are their words [..., 2], so that whatever moves arrays along leading axes moves them, too.
"""

MOST_WORDS = 2**22
"""Random words that numpy draws at most: more take longer than XLA takes to compile them."""

KEY = "key<fry>"
"""The dtype of threefry keys."""


class Form(NamedTuple):
    """Shape and dtype of an array as numpy holds it: a key has two words more."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def form_of(aval: Any) -> Form | None:
    """How numpy holds a value of a traced program, None if it does not."""
    if str(aval.dtype) == KEY:
        return Form((*aval.shape, 2), np.dtype(np.uint32))
    if jnp.issubdtype(aval.dtype, jax.dtypes.extended) or aval.dtype == jax.dtypes.float0:
        return None
    return Form(aval.shape, np.dtype(aval.dtype))


def computed(equation: Any, inputs: list[Any]) -> list[np.ndarray[Any, Any]] | None:
    """The outputs of an equation, None if numpy does not compute it, or not as XLA does."""
    rule = RULES.get(equation.primitive.name)
    if rule is None:
        return None
    with np.errstate(all="ignore"):  # whole numbers wrap around, as on the device
        result = rule(equation, *inputs)
    if result is None:
        return None
    # numbers of numpy have no shape
    outputs = [np.asarray(one) for one in (result if isinstance(result, list) else [result])]
    forms = [form_of(variable.aval) for variable in equation.outvars]
    return outputs if [(one.shape, one.dtype) for one in outputs] == forms else None


def _same(equation: Any, x: Any) -> Any:
    return x


def _is_key(variable: Any) -> bool:
    return str(variable.aval.dtype) == KEY


def _tail(equation: Any) -> tuple[int, ...]:
    """The axis of a key's words behind those of an output."""
    return (2,) if _is_key(equation.outvars[0]) else ()


def _broadcast_in_dim(equation: Any, x: Any, *dynamic: Any) -> Any:
    if dynamic:
        return None
    shape, tail = equation.params["shape"], _tail(equation)
    full = [1] * len(shape)
    for place, size in zip(equation.params["broadcast_dimensions"], x.shape, strict=False):
        full[place] = size
    return np.broadcast_to(x.reshape((*full, *tail)), (*shape, *tail))


def _reshape(equation: Any, x: Any, *dynamic: Any) -> Any:
    if dynamic or equation.params.get("dimensions") is not None:
        return None
    return x.reshape((*equation.params["new_sizes"], *_tail(equation)))


def _transpose(equation: Any, x: Any) -> Any:
    order = equation.params["permutation"]
    return np.transpose(x, [*order, *range(len(order), x.ndim)])


def _slice(equation: Any, x: Any) -> Any:
    starts, limits = equation.params["start_indices"], equation.params["limit_indices"]
    strides = equation.params["strides"] or [1] * len(starts)
    return x[tuple(map(slice, starts, limits, strides))]


def _parted(equation: Any, x: Any) -> Any:
    ends = np.cumsum(equation.params["sizes"])[:-1]
    return np.split(x, ends, equation.params["axis"])


def _unstacked(equation: Any, x: Any) -> Any:
    return list(np.moveaxis(x, equation.params["axis"], 0))


def _iota(equation: Any, *dynamic: Any) -> Any:
    dtype, shape = np.dtype(equation.params["dtype"]), equation.params["shape"]
    if dynamic or dtype.kind not in "iu":
        return None
    axis = equation.params["dimension"]
    line = np.arange(shape[axis]).astype(dtype)
    across = [-1 if at == axis else 1 for at in range(len(shape))]
    return np.broadcast_to(line.reshape(across), shape)


def _converted(equation: Any, x: Any) -> Any:
    """A cast: of whole numbers any, else one that can be undone, for XLA may undo those it sees."""
    dtype = np.dtype(equation.params["new_dtype"])
    if x.dtype == dtype:
        return x
    made = x.astype(dtype)
    if {x.dtype.kind, dtype.kind} <= set("iub") and dtype.kind != "b":
        return made
    undone = "c" not in (x.dtype.kind, dtype.kind) and (made.astype(x.dtype) == x).all()
    return made if undone and _is_normal(x) and _is_normal(made) else None


def _is_normal(x: Any) -> bool:
    """Whether no number is so small that a device may take it for zero."""
    if x.dtype.kind in "iub":
        return True
    if not jnp.issubdtype(x.dtype, jnp.floating):
        return False
    size, numerics = np.abs(x), cast("Any", jnp)
    return bool(((size == 0) | (size >= numerics.finfo(x.dtype).tiny)).all())


def _bitcast(equation: Any, x: Any) -> Any:
    dtype = np.dtype(equation.params["new_dtype"])
    same = x.dtype.itemsize == dtype.itemsize and "b" not in (x.dtype.kind, dtype.kind)
    return np.ascontiguousarray(x).view(dtype).reshape(x.shape) if same else None


def _whole(function: Callable[..., Any]) -> Rule:
    """A rule for whole numbers and truth values."""

    def rule(equation: Any, *inputs: Any) -> Any:
        if any(x.dtype.kind not in "iub" for x in inputs) or any(map(_is_key, equation.invars)):
            return None
        return function(*inputs)

    return rule


def _shifted(function: Callable[..., Any], *, logical: bool = False) -> Rule:
    """A shift of whole numbers by less than their width."""

    def rule(equation: Any, x: Any, by: Any) -> Any:
        if x.dtype.kind not in "iu" or not ((by >= 0) & (by < 8 * x.dtype.itemsize)).all():
            return None
        unsigned = np.dtype(f"u{x.dtype.itemsize}")
        kind = unsigned if logical else x.dtype
        return np.asarray(function(x.view(kind), by.astype(kind))).view(x.dtype)

    return rule


def _select(equation: Any, which: Any, *cases: Any) -> Any:
    if which.dtype != np.bool_ or len(cases) != 2 or _is_key(equation.outvars[0]):
        return None
    return np.where(which, cases[1], cases[0])


def _seed(equation: Any, seed: Any) -> Any:
    if equation.params["impl"].name != "threefry2x32" or seed.dtype.itemsize > 4:
        return None
    low = seed.astype(np.uint32)
    return np.stack((np.zeros_like(low), low), axis=-1)


def _wrap(equation: Any, words: Any) -> Any:
    return words if equation.params["impl"].name == "threefry2x32" else None


def _fold_in(equation: Any, key: Any, numbers: Any) -> Any:
    if key.ndim > 1 and key.shape[:-1] != numbers.shape:
        return None
    return _threefry.fold_in(key, numbers) if numbers.dtype == np.uint32 else None


def _split(equation: Any, key: Any) -> Any:
    shape = equation.params["shape"]
    return _threefry.split(key, math.prod(shape)).reshape((*key.shape[:-1], *shape, 2))


def _bits(equation: Any, key: Any) -> Any:
    shape = equation.params["shape"]
    count, keys = math.prod(shape), math.prod(key.shape[:-1])
    if equation.params["bit_width"] != 32 or count * keys > MOST_WORDS:
        return None
    return _threefry.bits(key, count).reshape((*key.shape[:-1], *shape))


RULES: dict[str, Rule] = {
    "add": _whole(np.add),
    "and": _whole(np.bitwise_and),
    "bitcast_convert_type": _bitcast,
    "broadcast_in_dim": _broadcast_in_dim,
    "concatenate": lambda e, *parts: np.concatenate(parts, e.params["dimension"]),
    "convert_element_type": _converted,
    "copy": _same,
    "copy_p": _same,
    "eq": _whole(np.equal),
    "ge": _whole(np.greater_equal),
    "gt": _whole(np.greater),
    "iota": _iota,
    "le": _whole(np.less_equal),
    "lt": _whole(np.less),
    "max": _whole(np.maximum),
    "min": _whole(np.minimum),
    "mul": _whole(np.multiply),
    "ne": _whole(np.not_equal),
    "neg": _whole(np.negative),
    "not": _whole(operator.invert),
    "or": _whole(np.bitwise_or),
    "random_bits": _bits,
    "random_clone": _same,
    "random_fold_in": _fold_in,
    "random_seed": _seed,
    "random_split": _split,
    "random_unwrap": _same,
    "random_wrap": _wrap,
    "reshape": _reshape,
    "rev": lambda e, x: np.flip(x, e.params["dimensions"]),
    "select_n": _select,
    "shift_left": _shifted(np.left_shift),
    "shift_right_arithmetic": _shifted(np.right_shift),
    "shift_right_logical": _shifted(np.right_shift, logical=True),
    "slice": _slice,
    "split": _parted,
    "squeeze": lambda e, x: np.squeeze(x, e.params["dimensions"]),
    "stop_gradient": _same,
    "sub": _whole(np.subtract),
    "transpose": _transpose,
    "unstack": _unstacked,
    "xor": _whole(np.bitwise_xor),
}
"""Name of a primitive -> what it is on the host."""
