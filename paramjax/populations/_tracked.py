"""Hyperparameters that note which of them are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from paramjax._checks import nearest


class UnknownHyperparameterError(KeyError):
    """A trainer reads a hyperparameter that does not exist."""

    def __str__(self) -> str:
        """The message; KeyError alone would print it in quotes."""
        return str(self.args[0])


class TrackedHyperparameters(dict[str, Any]):
    """The hyperparameters that a trainer is made of."""

    def __init__(self, values: Mapping[str, Any], space: Iterable[str], noted: set[str]) -> None:
        super().__init__(values)
        self._space, self._noted = list(space), noted

    def __getitem__(self, name: str) -> Any:
        self._noted.add(name)
        return super().__getitem__(name)

    def __missing__(self, name: str) -> Any:
        if name in self._space:
            raise UnknownHyperparameterError(
                f"make_trainer: reads {name!r}, which does not exist beside {self._fixed()}; ask "
                f"with `{name!r} in hyperparameters` first"
            )
        raise UnknownHyperparameterError(
            f"make_trainer: {nearest(name, self._space, what='hyperparameter')}"
        )

    def get(self, name: str, default: Any = None) -> Any:
        """The value, or a default."""
        known = name in self
        return self[name] if known else default

    def __iter__(self) -> Iterator[str]:
        # a subclass that iterates by itself is unpacked by ** through __getitem__
        return super().__iter__()

    def items(self) -> Any:
        """All of them are read."""
        self._noted.update(self)
        return super().items()

    def values(self) -> Any:
        """All of them are read."""
        self._noted.update(self)
        return super().values()

    def copy(self) -> dict[str, Any]:
        """All of them are read."""
        return dict(self.items())

    def unread(self) -> dict[str, Any]:
        """The same without noting anything."""
        return dict(super().items())

    def _fixed(self) -> str:
        plain = {n: v for n, v in super().items() if isinstance(v, str | int | bool)}
        return ", ".join(f"{name}={value!r}" for name, value in plain.items()) or "the others"
