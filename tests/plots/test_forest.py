"""The forest plot of comparisons made by hand."""

import math
from typing import NamedTuple

import pytest

from paramjax.plots import forest_figure
from paramjax.plots._forest import difference_span


class Decision(NamedTuple):
    difference: float
    interval: tuple[float, float]
    equivalence_interval: tuple[float, float]
    lost: int = 0
    lost_baseline: int = 0
    lost_both: int = 0


class Compared(NamedTuple):
    optimizer: str
    verdict: str
    decision: Decision
    differences: list[float]
    baseline: str = "adamw"
    metric: str = "accuracy"
    margin: float = 0.005


def compared(name, word, mean, half=0.01, differences=None, **lost):
    ends = [(mean - h, mean + h) for h in (half, 0.8 * half)]
    dots = [mean - half, mean, mean + half] if differences is None else differences
    return Compared(name, word, Decision(mean, *ends, **lost), dots)


WORDS = [
    compared("bad_one", "worse", -0.03),
    compared("good", "better", 0.03),
    compared("alike", "equivalent", 0.001, 0.002),
    compared("noisy", "undecided", 0.01),
]


@pytest.mark.parametrize("maximise", [True, False])
def test_rows_go_from_better_to_worse_and_right_is_better(maximise):
    (ax,) = forest_figure(WORDS, maximise=maximise).axes
    names = [text.get_text() for text in ax.get_yticklabels()]
    order = ["good", "noisy", "alike", "bad one"]
    assert names == (order if maximise else order[::-1])
    left, right = ax.get_xlim()
    assert (left < right) == maximise
    means = {float(p.get_offsets()[0][0]) for p in ax.collections if len(p.get_offsets()) == 1}
    assert means == {0.03, 0.01, 0.001, -0.03}
    dots = sorted(float(x) for p in ax.collections if len(p.get_offsets()) == 3
                  for x, _ in p.get_offsets())  # fmt: skip
    assert dots == pytest.approx(sorted(x for verdict in WORDS for x in verdict.differences))
    lines = [tuple(line.get_xdata()) for line in ax.lines]
    assert all(verdict.decision.interval in lines for verdict in WORDS)


def test_the_margin_is_shaded():
    (ax,) = forest_figure(WORDS, maximise=True).axes
    (band,) = ax.patches
    assert (band.get_x(), band.get_width()) == (-0.005, 0.01)


def test_lost_pairs_stand_at_the_side_of_who_lost_them():
    lost = compared("lossy", "undecided", math.nan, math.nan, [math.nan] * 6,
                    lost=4, lost_baseline=2, lost_both=1)  # fmt: skip
    (ax,) = forest_figure([*WORDS, lost], maximise=True).axes
    texts = {text.get_text(): text.get_position()[0] for text in ax.texts}
    assert texts == {"\u00d7 3 lost": 0.01, "\u00d7 1 lost": 0.99}


@pytest.mark.parametrize(("maximise", "side"), [(True, 0.01), (False, 0.99)])
def test_a_mean_beyond_the_axis_is_a_number_at_its_side(maximise, side):
    far = compared("broken", "worse", -9.0)
    (ax,) = forest_figure([*WORDS, far], maximise=maximise).axes
    (text,) = ax.texts
    assert (text.get_text()[2:], text.get_position()[0]) == ("-9", side)


def test_a_figure_is_saved(tmp_path):
    forest_figure(WORDS, maximise=True, path=tmp_path / "forest.png")
    assert (tmp_path / "forest.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("verdicts", [[], [WORDS[0], WORDS[1]._replace(metric="loss")]])
def test_what_does_not_fit_one_axis_is_refused(verdicts):
    with pytest.raises(ValueError, match="one baseline and one metric"):
        forest_figure(verdicts, maximise=True)


def test_broken_optimizers_do_not_squeeze_the_axis_of_differences():
    ends = [(-0.01, 0.01)] * 3 + [(-9.0, -8.0), (math.nan, math.nan)]
    points = [[0.012, math.nan]] * 3 + [[-8.5]] + [[math.nan]]
    low, high = difference_span(ends, points, 0.005)
    assert (low, high) == pytest.approx((-0.01 - 0.00176, 0.012 + 0.00176))
    assert difference_span([], [], 0.1) == pytest.approx((-0.116, 0.116))
    assert difference_span([(math.nan, math.nan)], [[math.nan]], 0.0) == (-1.0, 1.0)
