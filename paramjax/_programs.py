"""Compiled programs that live as long as what they were compiled for.

`jax.jit` keeps a program for each value of a static argument in caches of the whole process, so
a function that is one (a step, a loss, an initialisation) never goes, nor does its machine code.
Here the programs hang on that function itself: they go when it goes.
"""

from __future__ import annotations

import functools
import inspect
import threading
import types
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

import jax

_R = TypeVar("_R")

_ATTRIBUTE = "_paramjax_programs"

_MOST = 64
"""Programs of one owner at most: one that is called with ever new functions keeps the newest."""


class _Programs:
    """The newest programs of an owner."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The program of a key, made at the first call."""
        with self._lock:
            if key not in self._kept:
                self._kept[key] = make()
            self._kept.move_to_end(key)
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)
            return self._kept[key]

    def __reduce__(self) -> tuple[type[_Programs], tuple[()]]:
        # copies of an owner, and pickles of it in another process, begin without programs
        return _Programs, ()


_homeless = _Programs()
"""Programs of other owners: bound methods are made anew, and a module may list its attributes."""

_OWNERS = (types.FunctionType, functools.partial, type(jax.jit(len)))
"""Types that can hold an attribute of ours."""


class OwnedJit(Generic[_R]):
    """A function whose first arguments are static, compiled for each value of them.

    The first of them owns the programs; of a trainer its step does. Keywords are static, too.

    Example:
        >>> @owned_jit(static=2)
        ... def scaled(function, scale, x):
        ...     return scale * function(x)
        >>> square = lambda x: x**2
        >>> float(scaled(square, 3, 2.0)), scaled.of(square, 3) is scaled.of(square, 3)
        (12.0, True)
    """

    def __init__(self, function: Callable[..., _R], static: int, options: dict[str, Any]) -> None:
        functools.update_wrapper(self, function)
        self._function, self._static, self._options = function, static, options

    def __call__(self, *args: Any, **kwargs: Any) -> _R:
        """Call the program of the static arguments."""
        result: _R = self.of(*args[: self._static], **kwargs)(*args[self._static :])
        return result

    def of(self, *static: Any, **named: Any) -> Any:
        """The jitted function of the other arguments."""
        key = (self, static, tuple(sorted(named.items())))
        return _programs_of(static[0]).get(key, lambda: self._jitted(static, named))

    def _jitted(self, static: tuple[Any, ...], named: dict[str, Any]) -> Any:
        def program(*inputs: Any) -> Any:
            return self._function(*static, *inputs, **named)

        # a closure, for JAX looks into a functools.partial and keeps what it binds for ever
        program.__name__ = program.__qualname__ = self._function.__name__
        program.__module__ = self._function.__module__
        bound = functools.partial(self._function, *static, **named)
        vars(program)["__signature__"] = inspect.signature(bound)
        return jax.jit(program, **self._options)


def owned_jit(*, static: int = 1, **options: Any) -> Callable[[Callable[..., _R]], OwnedJit[_R]]:
    """Compile a function for its first `static` arguments; `options` are those of `jax.jit`."""
    return lambda function: OwnedJit(function, static, options)


def kept_on(owner: Any, key: Hashable, make: Callable[[], _R]) -> _R:
    """What was made for a key, kept on a function as its programs are.

    Example:
        >>> owner = lambda x: x
        >>> kept_on(owner, "a", lambda: 3), kept_on(owner, "a", lambda: 4)
        (3, 3)
    """
    made: _R = _programs_of(owner).get(key, make)
    return made


def _programs_of(owner: Any) -> _Programs:
    """The programs that hang on a function, or on the step of a trainer."""
    function = getattr(owner, "step", owner)
    if not isinstance(function, _OWNERS):
        return _homeless
    kept: _Programs | None = vars(function).get(_ATTRIBUTE)
    # setdefault, for two threads may come here at once
    return kept or vars(function).setdefault(_ATTRIBUTE, _Programs())
