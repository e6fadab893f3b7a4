"""`compare`: is one optimizer better than another on this problem? From Python, in one call."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from paramjax._checks import check_key, describe, nearest, needs_extra
from paramjax._files import absolute_path
from paramjax._types import Key, LossFn
from paramjax.bench._benchmark import Benchmark, Plan
from paramjax.bench._protocol import Protocol
from paramjax.bench._results import Results, Verdict
from paramjax.bench._runner import Progress as Event
from paramjax.bench._verdicts import flat
from paramjax.bench.entries import entry_of
from paramjax.bench.workloads import Workload
from paramjax.populations import Problem
from paramjax.runs._progress import Progress

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


class Comparison:
    """What `compare` found: verdicts with their intervals, and everything that they rest on.

    Attributes:
        results: Trainings, replicates, statistics and warnings.
        verdicts: One for each optimizer beside the baseline.
    """

    def __init__(self, results: Results) -> None:
        self.results = results
        self.verdicts: list[Verdict] = results.verdicts

    def __getitem__(self, optimizer: str) -> Verdict:
        """The verdict on an optimizer.

        Raises:
            KeyError: If no verdict is about an optimizer of that name; with the nearest ones.
        """
        for verdict in self.verdicts:
            if verdict.optimizer == optimizer:
                return verdict
        for name, reason in self.results.excluded:
            if name == optimizer:
                raise KeyError(f"{name} is left out: {reason}")
        known = [verdict.optimizer for verdict in self.verdicts]
        raise KeyError(nearest(optimizer, known, what="optimizer"))

    def __str__(self) -> str:
        """The verdicts, a sentence each, and what a reader must know before trusting them."""
        lines = [verdict.sentence for verdict in self.verdicts]
        lines += [f"{name} is left out: {reason}" for name, reason in self.results.excluded]
        lines += [text for workload in self.results.workloads for text in workload.warnings]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """The sentences and the table, as a notebook shows them."""
        from html import escape

        sentences = "".join(f"<li>{escape(line)}</li>" for line in str(self).splitlines())
        return f"<ul>{sentences}</ul>{_table(self.verdicts)}"

    def to_frame(self) -> pd.DataFrame:
        """The verdicts as a table.

        Returns:
            A data frame with a row a verdict: names, word, difference, both ends of the interval,
            margin, p-values, counts of pairs won, lost and tied, and of lost runs.

        Raises:
            ModuleNotFoundError: If pandas is not installed.
        """
        with needs_extra("frames"):
            import pandas as pd
        rows = [flat(verdict) for verdict in self.verdicts]
        for row in rows:
            for name in ("interval", "fixed_interval", "varied_interval", "equivalence_interval"):
                row[f"{name}_low"], row[f"{name}_high"] = row.pop(name)
        return pd.DataFrame(rows)

    def plot(self, *, path: str | Path | None = None) -> Figure:
        """Plot the differences from the baseline, each replicate a point beside the interval.

        Args:
            path: A file to save the figure to, whose suffix is the format; None saves nothing.

        Returns:
            A matplotlib figure.

        Raises:
            ModuleNotFoundError: If matplotlib is not installed.
        """
        from paramjax.plots import forest_figure

        maximise = self.results.workloads[0].maximise
        return forest_figure(self.verdicts, maximise=maximise, path=path)

    def report(self, path: str | Path) -> Path:
        """Write the whole report, one HTML file that needs no network.

        Args:
            path: The file.

        Returns:
            The file.

        Raises:
            ModuleNotFoundError: If plotly or jinja2 is not installed.
        """
        from paramjax.bench.report import write_report

        write_report(self.results, Path(path))
        return Path(path)


def compare(
    problem: Problem,
    optimizers: Mapping[str, Any],
    *,
    baseline: str,
    loss_fn: LossFn | None = None,
    replicates: int = 6,
    trials: int = 6,
    tuning_seeds: int = 1,
    report_seeds: int = 2,
    steps: int = 500,
    key: Key | None = None,
    margin: float | None = None,
    fixed_split: bool = False,
    these_rows: bool = False,
    until_decided: bool = False,
    max_replicates: int = 24,
    store: str | Path | None = None,
    fresh: bool = False,
    progress: bool | None = None,
) -> Comparison:
    """Compare optimizers on a problem by replicates of the whole search.

    A replicate draws a split of the data, initial parameters, orders of batches and trials, tunes
    every optimizer on validation rows, and scores its best trial on test rows. The verdict on an
    optimizer comes from the paired differences of all replicates: `better` or `worse` if the 95 %
    interval of their mean lies beyond the margin, `equivalent` if the 90 % interval lies within
    it, else `undecided`. The gradient of everybody is clipped at the same global norm, 1.

    Args:
        problem: What is learned and how it is judged: a `Workload`, or a `Problem`, whose rows are
            split anew in each replicate (60 % train, 20 % validate, 20 % test); if it has
            `eval_data`, its halves validate and test.
        optimizers: Name -> a name of `pj.optim.CATALOGUE`, a `pj.optim.Optimizer`, or a factory
            `(**hyperparameters) -> optax transformation` whose attribute `space` is its search
            space; without it the learning rate is searched from 1e-4 to 1.
        baseline: The name that the others are compared with.
        loss_fn: The training loss, for a `Problem`; a `Workload` has its own.
        replicates: Replicates of each optimizer; below 6 nothing can be `better` or `worse`.
        trials: Trials of each replicate, positive.
        tuning_seeds: Trainings of each trial, positive.
        report_seeds: Trainings of the best trial of each replicate, positive.
        steps: Steps of each training, positive.
        key: A typed key that names all randomness; None for `jax.random.key(0)`.
        margin: The largest difference that does not matter, in units of the metric; None takes
            the problem's own: for an accuracy the larger of 0.005 and two test rows, otherwise a
            hundredth of what training with the baseline wins.
        fixed_split: Whether all replicates share the first one's split, so that the verdicts are
            about that split alone.
        these_rows: Whether the verdicts are about the rows of this data set alone, and not about
            others like them: their intervals are narrower.
        until_decided: Whether to add replicates, at looks fixed in advance, while a verdict is
            undecided.
        max_replicates: Most replicates that `until_decided` trains.
        store: A folder that keeps every training as it ends; the same call goes on from there.
        fresh: Whether to delete the results in `store` and start over.
        progress: Whether to show a progress bar; None shows one on a terminal.

    Returns:
        The verdicts, with `to_frame()`, `plot()` and `report(path)`.

    Raises:
        TypeError: If an argument is of another type than described.
        ValueError: If a number is out of range, the data cannot be used, two optimizers have one
            name, the baseline is not among them or cannot take part.
        StoreMismatchError: If the store holds a comparison by other rules.
        DamagedError: If the store is damaged.

    Example:
        >>> import jax.numpy as jnp
        >>> import optax
        >>> from paramjax import Problem
        >>> loss_fn = lambda params, batch, key: (jnp.mean((params - batch) ** 2), {})
        >>> data = jnp.linspace(1.0, 2.0, 50)
        >>> problem = Problem(init=lambda key: jnp.zeros(()), data=data, batch_size=10)
        >>> found = compare(
        ...     problem, {"sgd": optax.sgd, "up": lambda learning_rate: optax.scale(learning_rate)},
        ...     baseline="sgd", loss_fn=loss_fn, trials=2, steps=10,
        ... )
        >>> found["up"].verdict
        'worse'
    """
    workload = _workload(problem, loss_fn, margin)
    entries = [entry_of(name, given) for name, given in optimizers.items()]
    if baseline not in optimizers:
        raise ValueError(f"baseline: {nearest(baseline, list(optimizers), what='optimizer')}")
    if len(entries) < 2:
        raise ValueError("optimizers: expected the baseline and at least one more, got one")
    protocol = Protocol(
        replicates=replicates, trials=trials, tuning_seeds=tuning_seeds,
        report_seeds=report_seeds, steps=steps, key=_number(key),
        fixed_split=fixed_split, these_rows=these_rows,
    )  # fmt: skip
    with _folder(store) as out:
        plan = Plan(
            workloads=[workload], entries=entries, baseline=baseline, protocol=protocol, out=out,
            fresh=fresh, most=max_replicates if until_decided else None,
        )  # fmt: skip
        benchmark = Benchmark(plan)
        total = benchmark.trainings * len(entries)
        with Progress(total, progress, doing="compiling") as bar:
            return Comparison(benchmark.run(_shown(bar)))


def _workload(problem: Problem, loss_fn: LossFn | None, margin: float | None) -> Workload:
    """The problem as a workload."""
    if not isinstance(problem, Problem):
        raise TypeError(f"problem: expected a pj.Problem, got {describe(problem)}")
    given: dict[str, Any] = (
        {} if margin is None else {"margin": margin, "margin_reason": "as asked"}
    )
    if isinstance(problem, Workload):
        if loss_fn is not None:
            raise TypeError("loss_fn: a Workload has its own; leave it out")
        return dataclasses.replace(problem, **given)
    if loss_fn is None:
        raise TypeError("loss_fn: expected the training loss of this problem, got None")
    names = [field.name for field in dataclasses.fields(Problem)]
    fields: dict[str, Any] = {name: getattr(problem, name) for name in names}
    return Workload(name="problem", loss_fn=loss_fn, **fields, **given)


def _number(key: Key | None) -> int:
    """The integer that names a typed key."""
    if key is None:
        return 0
    high, low = (int(word) for word in np.asarray(jax.random.key_data(check_key(key))).ravel())
    return high << 32 | low


@contextlib.contextmanager
def _folder(store: str | Path | None) -> Iterator[Path]:
    """The folder of the stores, a temporary one if nothing is to be kept."""
    if store is not None:
        yield absolute_path("store", store)
        return
    with tempfile.TemporaryDirectory(prefix="paramjax-compare-") as folder:
        yield Path(folder)


def _shown(bar: Progress) -> Callable[[Event], None]:
    done = 0

    def show(event: Event) -> None:
        nonlocal done
        done += event.trainings
        bar.update(done, {"now": f"{event.optimizer} {event.phase}"})

    return show


def _table(verdicts: list[Verdict]) -> str:
    """The verdicts as an HTML table."""
    from html import escape

    head = ("optimizer", "verdict", "difference", "95 % interval", "won", "lost", "replicates")
    rows = [
        (
            v.optimizer, v.verdict, f"{v.decision.difference:+.4g}",
            f"[{v.decision.interval[0]:+.4g}, {v.decision.interval[1]:+.4g}]",
            str(v.decision.wins), str(v.decision.losses), str(v.decision.replicates),
        )
        for v in verdicts
    ]  # fmt: skip
    cells = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return "<table><tr>" + "".join(f"<th>{name}</th>" for name in head) + f"</tr>{cells}</table>"
