"""How many steps the next chunk should take."""

from __future__ import annotations

_SECONDS = 0.2
"""Of a chunk: long beside what the host does in between, short beside a look at the screen."""

_GROWTH = 8
"""Times longer that a chunk may be than the one before."""


class ChunkSizing:
    """Lengthens chunks until the host's share is small.

    Example:
        >>> sizing = ChunkSizing()
        >>> sizing.steps
        1
        >>> sizing.measured(1, 5.0)  # with the compilation, so that it says nothing
        >>> sizing.measured(1, 0.001)
        >>> sizing.steps
        8
        >>> sizing.measured(8, 0.4)
        >>> sizing.steps
        4
    """

    def __init__(self) -> None:
        self.steps = 1
        self._compiled = False

    def measured(self, steps: int, seconds: float) -> None:
        """Learn from a chunk.

        Args:
            steps: Steps that it took, positive.
            seconds: Time that it took, from its call to its results.
        """
        if not self._compiled:
            self._compiled = True
            return
        wanted = int(_SECONDS * steps / max(seconds, 1e-9))
        self.steps = max(1, min(wanted, _GROWTH * max(steps, self.steps)))
