"""Simulate the rule behind the benchmark's verdicts, and print the tables of its docs page.

Scores of two optimizers are drawn over and over, with one true difference or another, and
judged by `paramjax.bench.statistics.weigh`, which is the rule of `decide`. Each rate stands
with its Clopper-Pearson interval at 95 %.

    python experiments/verdicts/simulate.py --repetitions 5000
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np

from paramjax.bench.statistics import (
    Evidence,
    adjust,
    boundaries,
    caution,
    clopper_pearson,
    decide,
    looks_until,
    rank_intervals,
    weigh,
)

Array = np.ndarray[Any, np.dtype[Any]]
Rng = np.random.Generator
Draw = Callable[[Rng, tuple[int, int]], tuple[Array, Array]]

REPLICATES = (3, 6, 10, 20)
MARGIN = 2.0
POCOCK = {5: 0.0158, 7: 0.0132}
"""Pocock's level for so many looks, by simulation: 5 % in all under normal differences."""


def one_sided(noise: Callable[[Rng, tuple[int, int]], Array]) -> Draw:
    """All variation on the optimizer's side, with mean 0 and standard deviation 1."""
    return lambda rng, shape: (noise(rng, shape), np.zeros(shape))


def two_sided(noise: Callable[[Rng, tuple[int, int]], Array]) -> Draw:
    """Independent scores of one distribution; the difference has standard deviation 1."""
    half = np.sqrt(0.5)
    return lambda rng, shape: (half * noise(rng, shape), half * noise(rng, shape))


def normal(rng: Rng, shape: tuple[int, int]) -> Array:
    return rng.normal(size=shape)


def t3(rng: Rng, shape: tuple[int, int]) -> Array:
    return rng.standard_t(3, shape) / np.sqrt(3)


def exponential(rng: Rng, shape: tuple[int, int]) -> Array:
    return rng.exponential(size=shape) - 1


def lognormal(rng: Rng, shape: tuple[int, int]) -> Array:
    return (np.exp(rng.normal(size=shape)) - np.exp(0.5)) / np.sqrt((np.e - 1) * np.e)


def basins(rng: Rng, shape: tuple[int, int]) -> Array:
    """One replicate of ten falls by five standard deviations of the others."""
    scores = rng.normal(size=shape) - 5 * (rng.random(shape) < 0.1)
    return np.asarray((scores + 0.5) / np.sqrt(1 + 25 * 0.09))


def rounded(rng: Rng, shape: tuple[int, int]) -> tuple[Array, Array]:
    """Accuracies in rows; the difference has a standard deviation of one row before rounding."""
    first, second = rng.normal(0, np.sqrt(0.5), (2, *shape))
    return np.round(first), np.round(second)


def lost(rng: Rng, shape: tuple[int, int]) -> tuple[Array, Array]:
    """Normal scores of which each side loses 5 %."""
    sides = two_sided(normal)(rng, shape)
    first, second = (np.where(rng.random(shape) < 0.05, np.nan, scores) for scores in sides)
    return first, second


ROWS: dict[str, Draw] = {
    "normal": two_sided(normal),
    "t, 3 degrees of freedom": two_sided(t3),
    "exponential, both": two_sided(exponential),
    "lognormal, both": two_sided(lognormal),
    "rounded to one spread": rounded,
    "two basins, both": two_sided(basins),
    "5 % lost on each side": lost,
    "exponential differences": one_sided(exponential),
    "lognormal differences": one_sided(lognormal),
    "two basins on one side": one_sided(basins),
}


def judge(sides: tuple[Array, Array], margin: float = 0.0, level: float = 0.95) -> Evidence:
    """The rule of `decide` on every row of scores."""
    return weigh(*sides, margin=margin, maximise=True, variance_ratio=0.0, level=level)


def rate(hits: Array, digits: int = 1) -> str:
    """A share in per cent, with its interval."""
    low, high = clopper_pearson(int(hits.sum()), hits.size)
    return f"{100 * hits.mean():.{digits}f} ({100 * low:.{digits}f}-{100 * high:.{digits}f})"


def decided(words: Array) -> Array:
    """Whether a word is better or worse."""
    return np.asarray((words == "better") | (words == "worse"))


def false_verdicts(draw: Draw, rng: Rng, repetitions: int) -> list[str]:
    """Better or worse at a true difference of zero."""
    return [rate(decided(judge(draw(rng, (repetitions, count))).words)) for count in REPLICATES]


def missed(draw: Draw, rng: Rng, repetitions: int) -> list[str]:
    """Student's interval without the true difference, which is zero."""
    found = [judge(draw(rng, (repetitions, count))) for count in REPLICATES]
    ends = [evidence.student.interval(0.95) for evidence in found]
    return [rate((low > 0) | (high < 0)) for low, high in ends]


def undoubted(draw: Draw, rng: Rng, repetitions: int) -> list[str]:
    """Better or worse at a true difference of zero, and `caution` says nothing."""
    cells = []
    for count in REPLICATES[1:]:
        scores, base = draw(rng, (repetitions, count))
        hits = decided(judge((scores, base)).words)
        for case in np.flatnonzero(hits):
            decision = decide(scores[case], base[case], margin=0.0, maximise=True)
            hits[case] = not caution(decision, scores[case] - base[case])
        cells.append(rate(hits))
    return cells


def power(draw: Draw, rng: Rng, repetitions: int) -> list[str]:
    """Better at a true difference of one and of two standard deviations."""
    cells = []
    for count in REPLICATES[1:]:
        scores, base = draw(rng, (repetitions, count))
        found = [np.mean(judge((scores + shift, base)).words == "better") for shift in (1, 2)]
        cells.append(" / ".join(f"{100 * share:.0f}" for share in found))
    return cells


def power_in_a_family(rng: Rng, size: int, repetitions: int) -> list[str]:
    """Better at one to four standard deviations, by the strictest step of Holm's correction."""
    cells = []
    for count in (6, 8, 10, 20):
        scores, base = two_sided(normal)(rng, (repetitions, count))
        found = [
            np.mean(judge((scores + shift, base), level=1 - 0.05 / size).words == "better")
            for shift in (1, 2, 3, 4)
        ]
        cells.append(" / ".join(f"{100 * share:.0f}" for share in found))
    return cells


def false_equivalents(draw: Draw, rng: Rng, repetitions: int) -> list[str]:
    """Equivalent at a true difference of the margin: up or down, whichever errs more."""
    cells = []
    for count in REPLICATES:
        scores, base = draw(rng, (repetitions, count))
        found = [
            judge((scores + side * MARGIN, base), MARGIN).words == "equivalent" for side in (-1, 1)
        ]
        cells.append(rate(max(found, key=np.mean)))
    return cells


def true_equivalents(draw: Draw, rng: Rng, repetitions: int) -> list[str]:
    """Equivalent at a true difference of zero."""
    found = [
        judge(draw(rng, (repetitions, count)), MARGIN).words == "equivalent" for count in REPLICATES
    ]
    return [f"{100 * np.mean(words):.0f}" for words in found]


def look_by_look(
    sides: tuple[Array, Array], looks: list[int], levels: list[float], margin: float = 0.0
) -> tuple[Array, Array]:
    """The first word other than undecided, and the replicates that it took."""
    words = np.full(len(sides[0]), "undecided", "<U10")
    spent = np.full(len(words), looks[-1])
    for look, level in zip(looks, levels, strict=True):
        going = np.flatnonzero(words == "undecided")
        first, second = (scores[going, :look] for scores in sides)
        words[going] = judge((first, second), margin, level).words
        spent[going[words[going] != "undecided"]] = look
    return words, spent


def sequential(draw: Draw, rng: Rng, repetitions: int) -> list[str]:
    """False verdicts with looks until 24 and 48, with Pocock's levels, and false equivalents."""
    cells: list[str] = []
    for maximum in (24, 48):
        looks = looks_until(maximum)
        sides = draw(rng, (repetitions, maximum))
        plans = (boundaries(looks), [1 - POCOCK[len(looks)]] * len(looks))
        found = [decided(look_by_look(sides, looks, levels)[0]) for levels in plans]
        cells.extend(rate(hits) for hits in found)
    looks = looks_until(24)
    scores, base = draw(rng, (repetitions, 24))
    equivalent = [
        look_by_look((scores + side * MARGIN, base), looks, boundaries(looks), MARGIN)[0]
        == "equivalent"
        for side in (-1, 1)
    ]
    return [*cells, rate(max(equivalent, key=np.mean))]


def spent_replicates(maximum: int, rng: Rng, repetitions: int) -> list[str]:
    """Power and mean replicates of a sequence of looks, normal differences."""
    looks = looks_until(maximum)
    scores, base = two_sided(normal)(rng, (repetitions, maximum))
    found = [
        look_by_look((scores + shift, base), looks, boundaries(looks)) for shift in (0.5, 1.0, 2.0)
    ]
    return [
        f"{100 * np.mean(words == 'better'):.0f} in {spent.mean():.1f}" for words, spent in found
    ]


def family(draw: Draw, rng: Rng, count: int, size: int, repetitions: int) -> list[str]:
    """Any false verdict among comparisons with one baseline, before and after Holm."""
    alone, corrected, best = (np.zeros(repetitions, bool) for _ in range(3))
    for k in range(repetitions):
        mine, other = draw(rng, (size, count))
        decisions = [decide(row, other[0], margin=0.0, maximise=True) for row in mine]
        words = np.array([d.word for d in adjust(decisions)])
        alone[k] = decided(np.array([d.alone for d in decisions])).any()
        corrected[k], best[k] = decided(words).any(), (words == "better").any()
    return [rate(alone), rate(corrected), rate(best)]


def correlated(rng: Rng, count: int, ratio: float, repetitions: int) -> list[str]:
    """Splits share rows: differences correlate by ratio / (1 + ratio). Errors, then power."""
    share = ratio / (1 + ratio)
    common = rng.normal(0, np.sqrt(share), (repetitions, 1))
    scores = common + rng.normal(0, np.sqrt(1 - share), (repetitions, count))

    def words(shift: float, used: float) -> Array:
        options = {"margin": 0.0, "maximise": True, "level": 0.95}
        return weigh(scores + shift, 0 * scores, variance_ratio=used, **options).words

    found = [np.mean(words(shift, ratio) == "better") for shift in (1, 2, 3, 4)]
    power = " / ".join(f"{100 * share:.0f}" for share in found)
    return [rate(decided(words(0, 0.0))), rate(decided(words(0, ratio))), power]


def false_ranks(draw: Draw, rng: Rng, repetitions: int) -> list[str]:
    """Nine equal optimizers, and a rank interval of any of them is not 1 to 9."""
    cells = []
    for count in (6, 10):
        wrong = np.zeros(repetitions, bool)
        for k in range(repetitions):
            rows = enumerate(draw(rng, (9, count))[0])
            found = rank_intervals({str(i): row for i, row in rows}, maximise=True)
            wrong[k] = any(interval != (1, 9) for interval in found.values())
        cells.append(rate(wrong))
    return cells


def table(title: str, heads: list[str], rows: list[list[str]]) -> None:
    """Print one table in markdown."""
    print(f"\n{title}\n")
    for row in [heads, ["---"] * len(heads), *rows]:
        print(f"| {' | '.join(row)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    single_comparisons(rng, args.repetitions)
    families_and_splits(rng, args.repetitions)


def single_comparisons(rng: Rng, repetitions: int) -> None:
    """One comparison at a time, at a fixed number of replicates and in sequential mode."""
    counts = [f"K = {count}" for count in REPLICATES]
    parts: list[tuple[str, Callable[[Draw, Rng, int], list[str]], list[str]]] = [
        ("False better or worse, %", false_verdicts, counts),
        ("False better or worse without a caution, %", undoubted, counts[1:]),
        ("The interval alone misses the true difference, %", missed, counts),
        ("Power at one / two standard deviations, %", power, counts[1:]),
        ("False equivalent at the margin, %", false_equivalents, counts),
        ("Equivalent without a difference, %", true_equivalents, counts),
        (
            "Sequential: false better or worse, %, and false equivalent at the margin, %",
            sequential,
            ["until 24", "Pocock", "until 48", "Pocock", "equivalent, until 24"],
        ),
    ]
    for title, cells, heads in parts:
        rows = [[name, *cells(draw, rng, repetitions)] for name, draw in ROWS.items()]
        table(title, ["scores", *heads], rows)
    rows = [
        [f"looks until {maximum}", *spent_replicates(maximum, rng, repetitions)]
        for maximum in (24, 48)
    ]
    table(
        "Sequential: power, %, in so many replicates on average",
        ["normal differences", "0.5 sd", "1 sd", "2 sd"],
        rows,
    )


def families_and_splits(rng: Rng, repetitions: int) -> None:
    """Many comparisons in one report, replicates that share rows, and ranks."""
    few = max(repetitions // 10, 1)
    rows = [
        [f"{size} x {name}", str(count), *family(ROWS[name], rng, count, size, few)]
        for size in (8, 24)
        for name in ("normal", "rounded to one spread", "5 % lost on each side")
        for count in (6, 10)
    ]
    table(
        "Families with one baseline: any false verdict, %",
        ["family", "K", "alone", "after Holm", "any better after Holm"],
        rows,
    )
    rows = [[str(size), *power_in_a_family(rng, size, repetitions)] for size in (1, 8, 24)]
    table(
        "Power at 1 / 2 / 3 / 4 standard deviations among so many comparisons, %",
        ["normal differences", "K = 6", "K = 8", "K = 10", "K = 20"],
        rows,
    )
    rows = [
        [str(count), f"{ratio:.3g}", *correlated(rng, count, ratio, repetitions)]
        for count in (6, 10, 20)
        for ratio in (0.25, 1 / 3)
    ]
    table(
        "A split for each replicate: false better or worse, %",
        [
            "K",
            "n_test / n_learn",
            "c = 1/K",
            "c = 1/K + n_test/n_learn",
            "its power at 1 / 2 / 3 / 4 sd",
        ],
        rows,
    )
    rows = [[name, *false_ranks(draw, rng, 2 * few)] for name, draw in ROWS.items()]
    table("Nine equal optimizers: any false rank interval, %", ["scores", "K = 6", "K = 10"], rows)


if __name__ == "__main__":
    main()
