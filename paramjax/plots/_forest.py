"""The forest plot of a comparison: differences, intervals, replicates and the margin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import ArrayLike

from paramjax.plots._shown_figure import shown_figure
from paramjax.plots._style import words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NEAR = 3.0
"""How many times as far as the median interval an interval may reach to count for its axis."""

_MARKS = {
    "better": ("#009E73", ">"),
    "worse": ("#D55E00", "<"),
    "equivalent": ("#0072B2", "s"),
    "undecided": ("#6E6E6E", "o"),
}
"""Word -> colour and marker; the last one is hollow."""

_ABOVE, _BELOW = -0.14, 0.2
"""Where the interval and the replicates of a row stand, in rows."""


class DecisionRecord(Protocol):
    """What decided one comparison, such as `verdict.decision`.

    Example:
        >>> from types import SimpleNamespace
        >>> decision: DecisionRecord = SimpleNamespace(
        ...     difference=0.02, interval=(0.01, 0.03), equivalence_interval=(0.012, 0.028),
        ...     lost=0, lost_baseline=0, lost_both=0,
        ... )
        >>> decision.difference
        0.02
    """

    @property
    def difference(self) -> float:
        """Mean difference; NaN if every pair has a lost run."""

    @property
    def interval(self) -> tuple[float, float]:
        """Of the difference, at the level of the verdict."""

    @property
    def equivalence_interval(self) -> tuple[float, float]:
        """The narrower one that equivalence rests on."""

    @property
    def lost(self) -> int:
        """Runs that the optimizer lost."""

    @property
    def lost_baseline(self) -> int:
        """Runs that the baseline lost."""

    @property
    def lost_both(self) -> int:
        """Pairs in which both are lost."""


class ComparisonRecord(Protocol):
    """One optimizer compared with the baseline, such as a verdict of a benchmark.

    Example:
        >>> from types import SimpleNamespace
        >>> verdict: ComparisonRecord = SimpleNamespace(
        ...     optimizer="mine", baseline="adamw", metric="accuracy", margin=0.005,
        ...     differences=[0.01, 0.03], verdict="better", decision=None,
        ... )
        >>> verdict.differences
        [0.01, 0.03]
    """

    @property
    def optimizer(self) -> str:
        """Name of the optimizer."""

    @property
    def baseline(self) -> str:
        """Name of the baseline."""

    @property
    def metric(self) -> str:
        """The metric that decides."""

    @property
    def margin(self) -> float:
        """The largest difference that does not matter."""

    @property
    def differences(self) -> Sequence[float]:
        """Optimizer minus baseline in each replicate; NaN if a run is lost."""

    @property
    def verdict(self) -> str:
        """`better`, `worse`, `equivalent` or `undecided`."""

    @property
    def decision(self) -> DecisionRecord:
        """What decided."""


def forest_figure(
    verdicts: Sequence[ComparisonRecord], *, maximise: bool, path: str | Path | None = None
) -> Figure:
    """Draw each difference from the baseline with its interval, its replicates and the margin.

    Right is better. The thin line is the interval of the verdict, the thick one that of
    equivalence, a dot one replicate, and the shaded band the margin. Crosses at the left and
    right side count the pairs that the optimizer and the baseline lost by a lost run.

    Args:
        verdicts: Comparisons on one workload with one baseline.
        maximise: Whether a larger metric is better.
        path: A file to save the figure to, whose suffix is the format; None saves nothing.

    Returns:
        The figure.

    Raises:
        ModuleNotFoundError: If matplotlib is missing.
        OSError: If the file cannot be written.
        ValueError: If there is no comparison, or they have more than one baseline or metric.

    Example:
        >>> from types import SimpleNamespace as Record
        >>> decision = Record(
        ...     difference=0.02, interval=(0.01, 0.03), equivalence_interval=(0.012, 0.028),
        ...     lost=0, lost_baseline=0, lost_both=0,
        ... )
        >>> verdict = Record(
        ...     optimizer="mine", baseline="adamw", metric="accuracy", margin=0.005,
        ...     differences=[0.01, 0.03], verdict="better", decision=decision,
        ... )
        >>> figure = forest_figure([verdict], maximise=True)
        >>> figure.axes[0].get_xlabel()
        'difference in accuracy from adamw'
    """
    _check(verdicts)
    ordered = sorted(verdicts, key=lambda verdict: _place(verdict.decision.difference, maximise))
    page = shown_figure(8.0, 1.3 + 0.5 * len(ordered))
    ax = page.add_subplot()
    first = ordered[0]
    intervals = [verdict.decision.interval for verdict in ordered]
    span = difference_span(intervals, [verdict.differences for verdict in ordered], first.margin)
    ax.set_xlim(span if maximise else span[::-1])
    ax.set_ylim(len(ordered) - 0.4, -0.6)
    ax.axvspan(-first.margin, first.margin, color="0.9", linewidth=0, zorder=0)
    ax.axvline(0.0, color="0.45", linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    for row, verdict in enumerate(ordered):
        _draw(ax, row, verdict, span, maximise=maximise)
    ax.set_yticks(range(len(ordered)), [words(verdict.optimizer) for verdict in ordered])
    ax.set_xlabel(f"difference in {words(first.metric)} from {words(first.baseline)}")
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    ax.set_title("\N{LEFTWARDS ARROW} worse", loc="left", fontsize=9)
    ax.set_title("better \N{RIGHTWARDS ARROW}", loc="right", fontsize=9)
    if path is not None:
        page.savefig(path, dpi=150)
    return page


def difference_span(
    intervals: ArrayLike, points: Sequence[ArrayLike], margin: float
) -> tuple[float, float]:
    """Ends of an axis for intervals, float[n, 2], the points of each, and the margin around zero.

    An interval, with its points, that reaches over three times as far from zero as the median one
    does not count.

    Example:
        >>> ends = [[0.0, 1.0], [0.5, 1.0], [-90.0, -80.0]]
        >>> low, high = difference_span(ends, [[0.2], [1.2], [-85.0]], 0.1)
        >>> round(low, 2), round(high, 2)
        (-0.2, 1.3)
    """
    groups = [
        [v for v in (*np.ravel(ends), *np.ravel(dots)) if math.isfinite(v)]
        for ends, dots in zip(np.asarray(intervals, float), points, strict=True)
    ]
    reach = [max(map(abs, group)) for group in groups if group]
    near = max(_NEAR * float(np.median(reach)) if reach else 0.0, 2 * margin)
    shown = [v for group in groups if max(map(abs, group), default=math.inf) <= near for v in group]
    low, high = min([-margin, *shown]), max([margin, *shown])
    room = 0.08 * (high - low) or 1.0
    return float(low - room), float(high + room)


def _check(verdicts: Sequence[ComparisonRecord]) -> None:
    """Refuse what does not belong on one axis."""
    scales = {(verdict.baseline, verdict.metric) for verdict in verdicts}
    if len(scales) != 1:
        raise ValueError(
            "forest_figure: expected verdicts with one baseline and one metric, got "
            f"{sorted(scales) or 'none'}; draw one figure for each"
        )


def _place(difference: float, maximise: bool) -> float:
    """The best difference first, one that is not finite last."""
    return (-difference if maximise else difference) if math.isfinite(difference) else math.inf


def _draw(
    ax: Axes, row: int, verdict: ComparisonRecord, span: tuple[float, float], *, maximise: bool
) -> None:
    """The intervals and the mean of one row; a mean beyond the axis as a number at its side."""
    decision, (colour, marker) = verdict.decision, _MARKS[verdict.verdict]
    for ends, width in ((decision.interval, 1.4), (decision.equivalence_interval, 4.0)):
        if all(map(math.isfinite, ends)):
            ax.plot(ends, [row + _ABOVE] * 2, color=colour, linewidth=width, zorder=2)
    mean, (low, high) = decision.difference, span
    if low <= mean <= high:
        face = "white" if marker == "o" else colour
        ax.scatter([mean], [row + _ABOVE], s=64, marker=marker, color=face, edgecolors=colour,
                   linewidths=1.6, zorder=3)  # fmt: skip
    elif math.isfinite(mean):
        left = (mean < low) == maximise
        arrow = "\N{LEFTWARDS ARROW}" if left else "\N{RIGHTWARDS ARROW}"
        _beside(ax, row + 2 * _ABOVE, f"{arrow} {mean:+.4g}", colour, left=left)
    _draw_replicates(ax, row, verdict, colour, span)


def _draw_replicates(
    ax: Axes, row: int, verdict: ComparisonRecord, colour: str, span: tuple[float, float]
) -> None:
    """A dot for each difference on the axis, and how many pairs each side lost by a lost run."""
    dots = [difference for difference in verdict.differences if span[0] <= difference <= span[1]]
    ax.scatter(dots, [row + _BELOW] * len(dots), s=12, color=colour, alpha=0.7, zorder=3,
               linewidths=0)  # fmt: skip
    decision = verdict.decision
    for lost, left in ((decision.lost, True), (decision.lost_baseline, False)):
        if count := lost - decision.lost_both:
            _beside(ax, row + _BELOW, f"\N{MULTIPLICATION SIGN} {count} lost", colour, left=left)


def _beside(ax: Axes, y: float, text: str, colour: str, *, left: bool) -> None:
    """A text at the left or right side of the panel."""
    ax.text(0.01 if left else 0.99, y, text, color=colour, ha="left" if left else "right",
            va="center", fontsize=8, transform=ax.get_yaxis_transform())  # fmt: skip
