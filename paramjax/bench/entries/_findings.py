"""What a traced program contains: calls of the host, constants, loops, evaluations of the loss."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal

from paramjax._checks import describe
from paramjax._hashes import array_hash
from paramjax._jaxprs import constants, inner_programs, open_jaxpr, programs_within
from paramjax.bench.entries._marks import marks

_FOREIGN = (
    "callback", "debug_print", "infeed", "outfeed", "outside_call", "ffi_call", "custom_vmap",
)  # fmt: skip
_UNCOUNTED = {
    "cholesky", "eig", "eigh", "geqp3", "geqrf", "hessenberg", "householder_product", "lu", "qr",
    "schur", "svd", "triangular_solve", "tridiagonal", "tridiagonal_solve",
}  # fmt: skip
_CALLS = {"jit", "pjit", "closed_call", "core_call", "remat", "checkpoint", "custom_jvp_call"}


class Findings(NamedTuple):
    """What a program contains.

    Attributes:
        constants: Hash -> form and size in bytes of each array that is not one value repeated.
        scalars: The numbers written into it.
        loops: Whether it holds a loop whose length is not known before it runs.
        uncounted: Names of primitives whose work XLA does not count.
    """

    constants: dict[str, tuple[str, int]]
    scalars: set[Any]
    loops: bool
    uncounted: set[str]

    def without(self, other: Findings) -> Findings:
        """What is not in another program."""
        mine = {h: c for h, c in self.constants.items() if h not in other.constants}
        return Findings(
            mine, self.scalars - other.scalars,
            self.loops and not other.loops, self.uncounted - other.uncounted,
        )  # fmt: skip


def findings(*programs: Any) -> Findings:
    """What closed jaxprs contain, at any depth.

    Example:
        >>> found = findings(jax.make_jaxpr(lambda x: x * np.arange(3.0) + 0.5)(1.0))
        >>> list(found.constants.values()), found.scalars
        ([('float32[3]', 12)], {0.5})
    """
    found = Findings({}, set(), False, set())
    for program in programs:
        for array in filter(_is_numeric, constants(program)):
            _add_constant(found, np.asarray(array))
        for part in programs_within(program):
            found = _add(found, {e.primitive.name for e in open_jaxpr(part).eqns})
    return found


def foreign(*programs: Any) -> set[str]:
    """Names of what closed jaxprs do beside computing: effects, and calls of host or foreign code.

    Operations that become something else when they are batched are among them.
    """
    effects = {type(effect).__name__ for program in programs for effect in program.effects}
    parts = (part for program in programs for part in programs_within(program))
    names = {equation.primitive.name for part in parts for equation in open_jaxpr(part).eqns}
    return effects | {n for n in names if any(word in n for word in _FOREIGN)}


def gradients(program: Any) -> float:
    """How many gradients a marked program evaluates; infinity if a loop has no known end.

    Of the branches of a conditional the one with most counts.
    """
    return sum(_gradients(equation) for equation in open_jaxpr(program).eqns)


def switches(program: Any, inputs: int) -> bool:
    """Whether a program chooses between arrays or branches by its first inputs alone.

    Args:
        program: Closed jaxpr.
        inputs: How many of its first inputs are hyperparameters.
    """
    jaxpr = open_jaxpr(program)
    return _switches(jaxpr, set(map(id, jaxpr.invars[:inputs])))


def scans(program: Any) -> Iterator[Any]:
    """The scans of a program that do not lie inside another scan."""
    for equation in open_jaxpr(program).eqns:
        if equation.primitive.name == "scan":
            yield equation
        else:
            for part in inner_programs(equation):
                yield from scans(part)


def _add(found: Findings, names: set[str]) -> Findings:
    """The findings with those of the primitives of one program."""
    found.uncounted.update(names & _UNCOUNTED)
    return found._replace(loops=found.loops or "while" in names)


def _add_constant(found: Findings, array: np.ndarray) -> None:
    """Note an array, or a number that is no small whole one; repeated values hold one number."""
    flat = array.ravel()
    if flat.size and (flat == flat[0]).all():
        number = flat[0].item()
        if isinstance(number, complex) or number % 1 or abs(number) > 16:
            found.scalars.add(number)
    elif flat.size:
        found.constants[array_hash(array)] = (describe(array), array.nbytes)


def _is_numeric(value: Any) -> bool:
    dtype = getattr(value, "dtype", np.asarray(value).dtype if np.isscalar(value) else None)
    if dtype is None or jnp.issubdtype(dtype, jax.dtypes.extended):
        return False
    return bool(jnp.issubdtype(dtype, np.number) or dtype == np.bool_)


def _gradients(equation: Any) -> float:
    counts = [gradients(part) for part in inner_programs(equation)]
    kind = equation.primitive.name
    if kind == "while":
        return math.inf if sum(counts) else 0.0
    if kind == "cond":
        return max(counts)
    # 0 * inf would be NaN
    repeats = equation.params["length"] if kind == "scan" else 1
    return marks(equation) + (repeats * sum(counts) if sum(counts) else 0.0)


def _switches(jaxpr: Any, known: set[int]) -> bool:
    """Whether an equation chooses by variables that follow from hyperparameters alone."""
    for equation in jaxpr.eqns:
        inputs = [v for v in equation.invars if not isinstance(v, Literal)]
        kind = equation.primitive.name
        if id(equation.invars[0] if equation.invars else None) in known and (
            kind == "cond" or (kind == "select_n" and _differ(equation.invars[1:], known))
        ):
            return True
        if kind in _CALLS and any(
            _switches(*_called(p, equation, known)) for p in inner_programs(equation)
        ):
            return True
        if inputs and all(id(v) in known for v in inputs):
            known = known | set(map(id, equation.outvars))
    return False


def _differ(cases: Sequence[Any], known: set[int]) -> bool:
    """Whether a case that is an array does not follow from hyperparameters."""
    return any(not isinstance(v, Literal) and id(v) not in known and v.aval.shape for v in cases)


def _called(part: Any, equation: Any, known: set[int]) -> tuple[Any, set[int]]:
    """An inner program, with those of its inputs that are known outside."""
    jaxpr = open_jaxpr(part)
    pairs = zip(jaxpr.invars, equation.invars, strict=False)
    return jaxpr, {id(inner) for inner, outer in pairs if id(outer) in known}
