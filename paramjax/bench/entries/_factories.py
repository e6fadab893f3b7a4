"""How a factory is called with the hyperparameters of its space: by keyword, or as a mapping."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import optax

from paramjax.space._distribution import Space

MAPPINGS = frozenset(
    {"hp", "hps", "hparams", "hyperparams", "hyperparameters", "config", "cfg", "settings"}
)
"""Names by which a factory's only argument asks for all hyperparameters as one mapping."""

Factory = Callable[..., optax.GradientTransformation]


def called(factory: Callable[..., Any], space: Space) -> Factory:
    """A factory as it is called: `(**hyperparameters) -> tx`.

    Args:
        factory: Takes each hyperparameter by its name; or all of them as one mapping, if its only
            argument is annotated as one or has one of the names in `MAPPINGS`.
        space: Name -> distribution.

    Returns:
        The factory, or a function that calls it.

    Raises:
        TypeError: If it does not take a hyperparameter of the space, needs one that the space has
            not, or can return no transformation because it is a coroutine or a generator.

    Example:
        >>> from paramjax import uniform
        >>> called(lambda hp: optax.sgd(hp["rate"]), {"rate": uniform(0.0, 1.0)})(rate=0.5).init(())
        (EmptyState(), EmptyState())
    """
    _refuse_deferred(factory)
    try:
        parameters = list(inspect.signature(factory).parameters.values())
    except (TypeError, ValueError):  # builtins and some extension types tell no signature
        return factory
    if _takes_mapping(parameters, space):
        return lambda **hyperparameters: factory(hyperparameters)
    _require_match(parameters, space)
    first = [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY and p.name in space]
    return _positional(factory, first) if first else factory


def _positional(factory: Callable[..., Any], first: list[str]) -> Factory:
    """A factory whose first arguments have no names for its callers."""

    def call(**hyperparameters: Any) -> optax.GradientTransformation:
        positional = [hyperparameters.pop(name) for name in first if name in hyperparameters]
        transformation: optax.GradientTransformation = factory(*positional, **hyperparameters)
        return transformation

    return call


def _takes_mapping(parameters: list[inspect.Parameter], space: Space) -> bool:
    """Whether the only required argument stands for all hyperparameters."""
    required = [p for p in parameters if _required(p)]
    if len(required) != 1 or required[0].name in space:
        return False
    (only,) = required
    annotated = "" if only.annotation is only.empty else str(only.annotation)
    as_mapping = any(word in annotated for word in ("dict", "Dict", "Mapping", "Hyperparameters"))
    return only.kind is not only.KEYWORD_ONLY and (as_mapping or only.name in MAPPINGS)


def _require_match(parameters: list[inspect.Parameter], space: Space) -> None:
    """Raise unless the names of the space are those that a factory takes."""
    searched = ", ".join(map(repr, space)) or "nothing"
    missing = [p.name for p in parameters if _required(p) and p.name not in space]
    if missing:
        names = " and ".join(map(repr, missing))
        raise TypeError(
            f"its factory needs {names}, and its search space has {searched}; write .space = "
            f"{{{missing[0]!r}: pj.log_uniform(1e-4, 1.0), ...}} below it, or rename the argument "
            "(one that takes all of them as a mapping is called hp)"
        )
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return
    taken = {p.name for p in parameters if p.kind is not p.VAR_POSITIONAL}
    unknown = [name for name in space if name not in taken]
    if unknown:
        raise TypeError(
            f"its factory does not take {' and '.join(map(repr, unknown))} of its search space "
            f"(it takes {', '.join(map(repr, taken)) or 'nothing'}); let it take that, or write "
            ".space = {...} below it with what it takes"
        )


def _required(parameter: inspect.Parameter) -> bool:
    gathering = (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    return parameter.default is parameter.empty and parameter.kind not in gathering


def _refuse_deferred(factory: Callable[..., Any]) -> None:
    """Raise for functions whose call returns something to wait for or to iterate."""
    own = factory if inspect.isroutine(factory) else getattr(factory, "__call__", factory)  # noqa: B004
    kinds = {
        "an async function": inspect.iscoroutinefunction(own) or inspect.isasyncgenfunction(own),
        "a generator (it yields)": inspect.isgeneratorfunction(own),
    }
    for kind, found in kinds.items():
        if found:
            raise TypeError(
                f"its factory is {kind}; expected a plain function that returns an optax gradient "
                "transformation"
            )
