"""What of a sweep goes through `pickle`: all but functions and objects that pickle refuses."""

from __future__ import annotations

import functools
import importlib
import pickle
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from paramjax._format import option_name
from paramjax.populations._trial_run import Record
from paramjax.populations.planning._execution_plan import ExecutionPlan
from paramjax.space._choice import Choice
from paramjax.space._conditional import Conditional
from paramjax.space._distribution import Distribution, Space


class LostOption:
    """Stands for an option that pickle refuses, such as a lambda; it has the option's name."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __repr__(self) -> str:
        """The option's name."""
        return self.__name__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Raise: the option itself did not travel."""
        raise RuntimeError(
            f"{self.__name__}: this option of a sweep is an object that pickle refuses, and was "
            "left out; take it from your program"
        )


class LostDistribution:
    """Stands for a distribution of the user's own that pickle refuses."""

    def __init__(self, like: Distribution) -> None:
        self.static, self.logarithmic, self._name = like.static, like.logarithmic, option_name(like)

    def __repr__(self) -> str:
        """The distribution's name."""
        return self._name

    def quantile(self, u: float) -> Any:
        """Raise: the distribution itself did not travel."""
        raise RuntimeError(f"{self._name}: pickle refuses this distribution, and it was left out")


class _ByName:
    """A function that pickle refuses though its module has it under its name, as `jax.nn.relu`."""

    def __init__(self, module: str, name: str) -> None:
        self._address = module, name

    def __reduce__(self) -> tuple[Callable[[str, str], Any], tuple[str, str]]:
        """What unpickles as the function itself."""
        return _found, self._address


def _found(module: str, name: str) -> Any:
    return functools.reduce(getattr, name.split("."), importlib.import_module(module))


def _stand_in(value: Any) -> _ByName | LostOption:
    module, name = str(getattr(value, "__module__", "")), str(getattr(value, "__qualname__", ""))
    try:
        if _found(module, name) is value:
            return _ByName(module, name)
    except (AttributeError, ImportError, ValueError):
        return LostOption(option_name(value))
    return LostOption(option_name(value))


class Packing:
    """Replaces what pickle refuses, the same object always by the same stand-in."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, Any]] = {}  # the object too, so that no id is used again

    def value(self, value: Any) -> Any:
        """A value, or what stands for it."""
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if id(value) not in self._known:
            self._known[id(value)] = value, value if _can_travel(value) else _stand_in(value)
        return self._known[id(value)][1]

    def values(self, hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
        """Hyperparameters, name -> value."""
        return {name: self.value(value) for name, value in hyperparameters.items()}

    def record(self, record: Record) -> Record:
        """A record."""
        return record._replace(hyperparameters=self.values(record.hyperparameters))

    def plan(self, plan: ExecutionPlan) -> ExecutionPlan:
        """A plan, which names structures."""
        choices = [own._replace(structure=self.values(own.structure)) for own in plan.choices]
        return plan._replace(choices=tuple(choices))

    def space(self, space: Space) -> Space:
        """A space."""
        return {name: self._distribution(own) for name, own in space.items()}

    def _distribution(self, own: Distribution) -> Distribution:
        if isinstance(own, Conditional):
            values = tuple(map(self.value, own.values))
            return replace(own, values=values, distribution=self._distribution(own.distribution))
        if isinstance(own, Choice):
            return replace(own, options=tuple(map(self.value, own.options)))
        return own if _can_travel(own) else LostDistribution(own)


def _can_travel(value: Any) -> bool:
    """Whether pickle takes a value; what it says of one that it refuses has many kinds."""
    try:
        pickle.dumps(value)
    except Exception:
        return False
    return True
