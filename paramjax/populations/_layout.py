"""How the runs of a population are laid out on the machine."""

from __future__ import annotations

from dataclasses import dataclass

from paramjax._checks import check_count


@dataclass(frozen=True)
class Layout:
    """How many runs a program call trains, and how many calls are under way at once.

    `Layout(1, workers=cores)` puts single runs side by side on the cores: inside a loop XLA's CPU
    code mostly uses one thread. `Layout(64)` maps 64 runs into one program. `stepwise=True`
    leaves the loop out: each step is a call of its own, which is faster where operations use
    all cores outside of a loop only, as convolutions do.

    Attributes:
        width: Runs a call trains, on each device; 1 is the single run, which is not mapped.
        workers: Calls side by side.
        stepwise: Whether each step is a call of its own.

    Raises:
        TypeError: If a count is not a whole number.
        ValueError: If it is less than 1.

    Example:
        >>> str(Layout(1, workers=2)), str(Layout(64)), str(Layout(1, stepwise=True))
        ('single runs, 2 side by side', '64 runs mapped', 'single runs, step by step')
    """

    width: int = 1
    workers: int = 1
    stepwise: bool = False

    def __post_init__(self) -> None:
        check_count("layout: width", self.width)
        check_count("layout: workers", self.workers)

    def __str__(self) -> str:
        """As a plan describes it."""
        runs = "single runs" if self.width == 1 else f"{self.width} runs mapped"
        steps = ", step by step" if self.stepwise else ""
        beside = f", {self.workers} side by side" if self.workers > 1 else ""
        return runs + steps + beside
