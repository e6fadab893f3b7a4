"""What a search space is made of."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Distribution(Protocol):
    """What a search space maps a name to.

    Attributes:
        static: Whether the value is structure (a program of its own for each
            value) rather than a number that one program traces.
        logarithmic: Whether plots of it belong on a logarithmic axis.
    """

    @property
    def static(self) -> bool:
        """Whether the value is structure."""
        ...

    @property
    def logarithmic(self) -> bool:
        """Whether it is drawn on a logarithmic scale."""
        ...

    def quantile(self, u: float) -> Any:
        """The value at probability `u` in [0, 1]."""
        ...


Space = dict[str, Distribution]
"""Hyperparameter name -> its distribution."""
