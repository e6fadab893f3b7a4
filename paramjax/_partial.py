"""Evaluate a function once: on the host what needs no compiler, the rest as small programs.

A first state is zeros, copies and arithmetic on keys, first parameters are words of threefry and a
few functions of each. XLA takes a tenth of a second to compile the former and half a second for
the latter, most of it for threefry; numpy needs no compilation.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import numpy as np

from paramjax._ahead import Ahead
from paramjax._checks import is_key
from paramjax._host_primitives import KEY, computed, form_of
from paramjax._independent_parts import Part, Step, grouped_parts
from paramjax._jaxprs import is_literal, open_jaxpr, runs_uncompiled
from paramjax._types import Array

_R = TypeVar("_R")

_CALLS = ("jit", "pjit", "closed_call", "core_call", "custom_jvp_call", "custom_vjp_call")
"""Equations that are a call of another program."""

_FETCHED = 2**16
"""Numbers of an array on another device that are fetched, at most."""


def evaluated(function: Callable[..., _R], *args: Any) -> _R:
    """What `jax.jit(function)(*args)` returns, bit for bit, in memory of its own.

    Keys, zeros, copies and whole numbers are computed by numpy; fractions of random words and
    whatever numpy may round otherwise are compiled, as one program that takes its random words
    from the host, and one for all equal layers. Nothing is compiled if nothing is left. What has
    effects, runs on several devices, or is being traced itself, runs as under `jax.jit`.

    Args:
        function: Takes and returns pytrees of arrays and typed keys. Traced once for each form of
            its arguments if it is jitted, else at each call.
        *args: Arrays, keys and numbers.

    Example:
        >>> import jax.numpy as jnp
        >>> start = lambda key: (jax.random.split(key), jnp.zeros(3))
        >>> keys, zeros = evaluated(start, jax.random.key(0))
        >>> keys.shape, zeros.tolist()
        ((2,), [0.0, 0.0, 0.0])
    """
    return pending(function, *args)()


def pending(function: Callable[..., _R], *args: Any) -> Callable[[], _R]:
    """The same, traced now and computed when the result is called, by whichever thread.

    Example:
        >>> later = pending(lambda key: jax.random.key_data(jax.random.fold_in(key, 3)), \
                            jax.random.key(0))
        >>> later().shape
        (2,)
    """
    jitted = function if hasattr(function, "trace") else jax.jit(function)
    inputs = jax.tree.leaves(args)
    apart = runs_uncompiled() or not jax.sharding.get_abstract_mesh().empty
    if apart or not all(map(_is_plain, inputs)) or is_tracing():
        return lambda: jitted(*args)
    traced = jitted.trace(*args)
    forms, structure = jax.tree.flatten(traced.out_info)
    if open_jaxpr(traced.jaxpr).effects:
        return lambda: jitted(*args)
    tape = _tape_of(traced.jaxpr)

    def result() -> _R:
        leaves = tape.outputs(inputs)
        if any(_form(leaf) != _form(form) for leaf, form in zip(leaves, forms, strict=True)):
            return jitted(*args)
        made: _R = jax.tree.unflatten(structure, leaves)
        return made

    return result


def is_tracing() -> bool:
    """Whether what is computed now becomes part of a program, even of arrays that are there.

    Example:
        >>> is_tracing(), bool(jax.jit(is_tracing)())
        (False, True)
    """
    return isinstance(jax.device_put(np.int32(0)), jax.core.Tracer)


def _form(leaf: Any) -> tuple[Any, ...]:
    """What a compiled function is compiled for."""
    return leaf.shape, leaf.dtype, _is_weak(leaf)


def _is_plain(leaf: Any) -> bool:
    """Whether a leaf is a number or an array that is there, and lies on one device."""
    if isinstance(leaf, jax.core.Tracer):
        return False
    return not isinstance(leaf, jax.Array) or len(leaf.sharding.device_set) == 1


_tapes: weakref.WeakKeyDictionary[Any, _Tape] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def _tape_of(program: Any) -> _Tape:
    """The tape of a traced program, kept as long as that is."""
    with _lock:
        if program not in _tapes:
            _tapes[program] = _Tape(program)
        return _tapes[program]


class _Tape:
    """A program with its calls entered, each of its values at a place of its own."""

    def __init__(self, program: Any) -> None:
        self._program = open_jaxpr(program)  # of which steps that are compiled are made
        self._steps: list[Step] = []
        self._avals: list[Any] = []
        self._constants: dict[int, Any] = {}
        self._copies: dict[int, int] = {}
        self._compiled: dict[Any, Any] = {}
        self._inputs = [self._place(variable.aval) for variable in self._program.invars]
        self._results = self._enter(program, self._inputs)
        self._steps = self._needed(self._results)
        self._varying = set(self._inputs)
        for step in self._steps:
            if not self._varying.isdisjoint(step.inputs):
                self._varying.update(step.outputs)

    def outputs(self, inputs: Sequence[Any]) -> list[Any]:
        """The program's results for its inputs."""
        known = self._known(inputs)
        # numpy has no weakly typed arrays
        weak = {at for at in self._results if _is_weak(self._avals[at]) and self._avals[at].shape}
        left = [at for at in self._results if at not in known or at in weak]
        device = self._device(inputs)
        rest = self._rest(inputs, known, left, device)
        # each in memory of its own: two results of one value, too, for both may be donated
        own = [self._source(at, inputs, known) for at in self._results if at not in rest]
        placed = iter(jax.device_put(own, device, may_alias=False))
        return [
            rest[at] if at in rest else _typed(next(placed), self._avals[at])
            for at in self._results
        ]

    def _device(self, inputs: Sequence[Any]) -> Any:
        """The device that the arguments that count are bound to, None if there is none."""
        used = {*self._results, *(at for step in self._steps for at in step.inputs)}
        for at, leaf in zip(self._inputs, inputs, strict=True):
            if at in used and isinstance(leaf, jax.Array) and leaf.committed:
                return next(iter(leaf.devices()))
        return None

    def _place(self, aval: Any) -> int:
        self._avals.append(aval)
        return len(self._avals) - 1

    def _constant(self, aval: Any, value: Any) -> int:
        at = self._place(aval)
        self._constants[at] = value
        return at

    def _enter(self, program: Any, inputs: Sequence[int]) -> list[int]:
        """Take a program's equations up, and those of the programs that it calls."""
        jaxpr = open_jaxpr(program)
        places = dict(zip(jaxpr.invars, inputs, strict=True))
        for variable, value in zip(jaxpr.constvars, getattr(program, "consts", ()), strict=True):
            places[variable] = self._constant(variable.aval, value)

        def place(variable: Any) -> int:
            if is_literal(variable):
                value = np.asarray(variable.val, variable.aval.dtype)
                return self._constant(variable.aval, value)
            return int(places[variable])

        for equation in jaxpr.eqns:
            taken = tuple(map(place, equation.invars))
            called = _called(equation)
            if called is None:
                left = tuple(self._place(variable.aval) for variable in equation.outvars)
                self._steps.append(Step(equation, taken, left))
                if equation.primitive.name in ("copy", "copy_p"):
                    self._copies[left[0]] = taken[0]
            else:
                left = tuple(self._enter(called, taken))
            places.update(zip(equation.outvars, left, strict=True))
        return [place(variable) for variable in jaxpr.outvars]

    def _needed(self, results: Sequence[int], given: Any = ()) -> list[Step]:
        """The steps that lead to results, from the values that are given on."""
        wanted, steps = set(results), []
        for step in reversed(self._steps):
            if not wanted.isdisjoint(step.outputs):
                steps.append(step)
                wanted.update(at for at in step.inputs if at not in given)
        return steps[::-1]

    def _known(self, inputs: Sequence[Any]) -> dict[int, Any]:
        """What numpy computes, by place."""
        known = {}
        pairs = [*zip(self._inputs, inputs, strict=True), *self._constants.items()]
        for at, value in pairs:
            if (form := form_of(self._avals[at])) is not None and _is_at_hand(value):
                known[at] = _on_host(value).astype(form.dtype, copy=False)
        for step in self._steps:
            if all(at in known for at in step.inputs):
                values = computed(step.equation, [known[at] for at in step.inputs])
                known.update(zip(step.outputs, values or (), strict=values is not None))
        return known

    def _source(self, at: int, inputs: Sequence[Any], known: dict[int, Any]) -> Any:
        """An argument that a result is or copies, where it lies; else the number of numpy."""
        while at in self._copies:
            at = self._copies[at]
        source = inputs[self._inputs.index(at)] if at in self._inputs else None
        if isinstance(source, jax.Array):
            return source
        aval = self._avals[at]
        # numpy's memory is taken over where it is aligned, whatever may_alias says
        return known[at].item() if _is_weak(aval) and not aval.shape else np.array(known[at])

    def _rest(
        self, inputs: Sequence[Any], known: Any, results: list[int], device: Any
    ) -> dict[int, Any]:
        """Results that need a compiler, by place, on the device that they are bound to, if any."""
        if not results:
            return {}
        arguments = dict(zip(self._inputs, inputs, strict=True))

        def taken(part: Part) -> list[Any]:
            values = [
                _typed(known[at], self._avals[at]) if at in known else arguments[at]
                for at in part.taken
            ]
            return values if device is None else jax.device_put(values, device)

        programs = self._programs(known, results)
        given = [[taken(part) for part in parts] for _, parts in programs]
        if len(programs) > 1:  # one is compiled by its call, several beside each other
            pairs = zip(programs, given, strict=True)
            for ahead in [Ahead(program, values[0]) for (program, _), values in pairs]:
                ahead.wait()
        made: dict[int, Any] = {}
        for (program, parts), values in zip(programs, given, strict=True):
            for part, own in zip(parts, values, strict=True):
                made |= zip(part.made, program(own), strict=True)
        if device is not None:  # of constants only they lie where all unbound ones do
            made = jax.device_put(made, device)
        return made

    def _programs(self, known: Any, results: list[int]) -> list[tuple[Any, list[Part]]]:
        """Jitted functions, each with the parts that it computes."""
        given = {at for at in known if at in self._varying} | set(self._inputs)
        key = (*sorted(given), None, *results)
        if key not in self._compiled:
            steps = self._needed(results, given)
            groups = grouped_parts(steps, given, results, self._constants)
            self._compiled[key] = [(self._program_of(parts[0]), parts) for parts in groups]
        programs: list[tuple[Any, list[Part]]] = self._compiled[key]
        return programs

    def _program_of(self, part: Part) -> Any:
        """Steps as a jitted function of the values that they take."""

        def rest(values: list[Array]) -> list[Any]:
            at_place = {**self._constants, **dict(zip(part.taken, values, strict=True))}
            for equation, places, left in part.steps:
                found = self._evaluate(equation, [at_place[at] for at in places])
                at_place.update(zip(left, found, strict=True))
            return [at_place[at] for at in part.made]

        return jax.jit(rest)

    def _evaluate(self, equation: Any, values: list[Any]) -> list[Any]:
        pairs = zip(equation.invars, values, strict=True)
        open_ones = {variable: value for variable, value in pairs if not is_literal(variable)}
        alone = self._program.replace(
            constvars=[], invars=list(open_ones), outvars=equation.outvars, eqns=[equation]
        )
        return list(jax.core.eval_jaxpr(alone, [], *open_ones.values()))


def _called(equation: Any) -> Any:
    """The program that an equation does nothing but call, None if it is another equation."""
    params = equation.params
    if equation.primitive.name not in _CALLS:
        return None
    set_apart = [*params.get("in_shardings", ()), *params.get("out_shardings", ())]
    if any(type(one).__name__ != "UnspecifiedValue" for one in set_apart):
        return None
    if any(params.get("donated_invars", ())) or params.get("compiler_options_kvs"):
        return None
    called = params.get("jaxpr", params.get("call_jaxpr"))
    return called if len(open_jaxpr(called).invars) == len(equation.invars) else None


def _is_at_hand(value: Any) -> bool:
    """Whether an array is on the host, or small enough to be fetched."""
    if not isinstance(value, jax.Array):
        return True
    return value.size <= _FETCHED or next(iter(value.devices())).platform == "cpu"


def _on_host(value: Any) -> Any:
    return np.asarray(jax.random.key_data(value) if is_key(value) else value)


def _is_weak(aval: Any) -> bool:
    return bool(getattr(aval, "weak_type", False))


def _typed(value: Any, aval: Any) -> Any:
    """The words of a key as a key, everything else as it is."""
    if str(aval.dtype) != KEY or is_key(value):
        return value
    return jax.random.wrap_key_data(value, impl="threefry2x32")
