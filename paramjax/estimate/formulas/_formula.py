"""A formula: the text, the names that it reads, and functions that compute it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from paramjax._checks import nearest
from paramjax._types import Array
from paramjax.estimate.formulas._functions import CONSTANTS
from paramjax.estimate.formulas._parser import Code, parse

Values = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Expression:
    """Arithmetic of some names.

    Attributes:
        text: As it was written.
        names: That it reads, in the order in which they come; pi and e apart.
        constants: Which of pi and e it reads.
        evaluate: `(values by name) -> [n]`; by numpy in float64 if all values are numbers or numpy
            arrays, else by JAX. A value that is called pi or e takes precedence.

    Example:
        >>> response = formula("log(y) ~ b*x").response
        >>> response.text, response.names, response.evaluate({"y": np.ones(2)}).tolist()
        ('log(y)', ('y',), [0.0, 0.0])
    """

    text: str
    names: tuple[str, ...]
    constants: tuple[str, ...]
    evaluate: Callable[[Values], Array]


@dataclass(frozen=True, eq=False, repr=False)
class Formula:
    """A model as a text: what is left of `~` or `=` is the response, what is right predicts it.

    Attributes:
        text: As it was written.
        response: What is left, or None.
        names: Of columns and parameters on the right, in the order in which they come; pi and e
            apart.
        constants: Which of pi and e stand on the right.
        evaluate: `(values by name) -> [n]`, the right side.
        predict: `(params by name, columns by name) -> [n]`, the same as `curve_fit` takes it; a
            single column may be the array alone.

    Example:
        >>> model = formula("y ~ b1*exp(-b2*x)")
        >>> model.response.names, model.names
        (('y',), ('b1', 'b2', 'x'))
    """

    text: str
    response: Expression | None
    names: tuple[str, ...]
    constants: tuple[str, ...]
    evaluate: Callable[[Values], Array]
    predict: Callable[[Values, Values | Array], Array]

    def __repr__(self) -> str:
        """Show the call that makes it."""
        return f"formula({self.text!r})"


@functools.lru_cache(64)  # one formula is one function, so that its programs are compiled once
def formula(text: str) -> Formula:
    """Read a formula: arithmetic, functions and names, and nothing else.

    Signs are `+ - * / ^` (or `**`) with the precedence of mathematics: `-x^2` is `-(x^2)`, and
    `2^3^2` is `2^(3^2)`. Parentheses may be written as brackets, as in exp[-b*x]. Functions are
    exp, expm1, log or ln (natural), log1p, log2, log10, sqrt, cbrt, sin, cos, tan, sinh, cosh,
    tanh, the inverses of these six (arctan or atan), atan2, abs, erf, erfc, gamma, lgamma,
    sigmoid, pow, min and max; constants pi and e. A name of other characters stands between
    backticks.

    The text is read by an own grammar; no part of it is executed as Python.

    Args:
        text: Such as "y ~ b1*exp(-b2*x)"; the response and its `~` may be left out.

    Returns:
        The formula, the same one for the same text.

    Raises:
        TypeError: If it is not a text.
        ValueError: If it holds anything else, or is nested too deeply, or a constant is not
            finite; carets point at the place.

    Example:
        >>> model = formula("y ~ b1*x^2 - 1")
        >>> model.evaluate({"b1": 2.0, "x": np.array([0.0, 3.0])}).tolist()
        [-1.0, 17.0]
        >>> formula("y ~ x.shape")
        Traceback (most recent call last):
        ...
        ValueError: formula: attributes are not allowed; write a dotted name as `a.b`
          y ~ x.shape
               ^
    """
    if not isinstance(text, str):
        raise TypeError(f'formula: expected a text such as "y ~ b0 + b1*x", got {text!r}')
    left, right, (start, end) = parse(text)
    model = _expression(text, right)
    response = None if left is None else _expression(text[start:end].strip(), left)

    def predict(params: Values, columns: Values | Array) -> Array:
        columns = _by_name(model.names, params, columns)
        shape = np.broadcast_shapes(*(np.shape(column) for column in columns.values()))
        value = model.evaluate({**columns, **params})
        library: Any = np if isinstance(value, np.ndarray | np.generic | float) else jnp
        predicted: Array = library.broadcast_to(value, shape)
        return predicted

    return Formula(text, response, model.names, model.constants, model.evaluate, predict)


def _by_name(names: tuple[str, ...], params: Values, columns: Values | Array) -> Values:
    """The columns by name, of a mapping or of the array of a single one."""
    if isinstance(columns, Mapping):
        return columns
    inputs = [name for name in names if name not in params]
    if len(inputs) != 1:
        raise ValueError(
            f"formula: expected columns by name, got an array, for {len(inputs)} names of "
            f"{', '.join(names)} are no parameters; pass a dict"
        )
    return {inputs[0]: columns}


def _expression(text: str, code: Code) -> Expression:
    named = tuple(dict.fromkeys(item for item in code if isinstance(item, str)))
    constants = tuple(name for name in named if name in CONSTANTS)
    names = tuple(name for name in named if name not in CONSTANTS)
    program = tuple(code)
    return Expression(text, names, constants, lambda values: _run(program, values))


def _run(program: tuple[Any, ...], values: Values) -> Any:
    """Run postfix code on a stack."""
    known = {**CONSTANTS, **values}
    lacking = [name for name in program if isinstance(name, str) and name not in known]
    if lacking:
        raise ValueError(f"formula: {nearest(lacking[0], values, what='name')}")
    read = {name: known[name] for name in program if isinstance(name, str)}
    host = all(isinstance(value, np.ndarray | np.generic | float | int) for value in read.values())
    if host:
        read = {name: np.asarray(value, np.float64) for name, value in read.items()}
    else:  # a float of Python would raise where an array is infinite
        read = {name: jnp.asarray(value) for name, value in read.items()}
    stack: list[Any] = []
    with np.errstate(all="ignore"):
        for item in program:
            if isinstance(item, tuple):
                operation, count = item
                function = operation.host if host else operation.device
                stack[-count:] = [function(*stack[-count:])]
            else:
                stack.append(read[item] if isinstance(item, str) else item)
    return stack[0]
