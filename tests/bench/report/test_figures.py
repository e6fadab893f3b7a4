"""The figures as plotly gets them; they have no public name, so their modules are imported."""

import json
import math

import pytest

from paramjax.bench.report._curves import curve_block
from paramjax.bench.report._forest import forest_block
from paramjax.bench.report._page import describe
from paramjax.bench.report._search import search_block, shared_scale
from paramjax.bench.report._style import COLOURS, log_axis, script_json, styles, tick_text
from paramjax.bench.report._table import costs, rows, worth
from paramjax.bench.report._target import target_block
from paramjax.bench.report._tuning import budget_block, rate_block
from paramjax.bench.report._view import views


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def drawn(block, index=0):
    """A figure of a block as the page reads it."""
    return json.loads(block.figures[index][1].json)


@pytest.fixture
def look(make):
    """`scores -> the view of the one workload`."""

    def build(scores, *arguments, **more):
        results = make(scores, *arguments, **more)
        return views(results, styles(list(scores)))[0]

    return build


def change(view, name, **fields):
    """The view with other fields of one optimizer."""
    optimizers = {**view.optimizers, name: view.optimizers[name]._replace(**fields)}
    return view._replace(workload=view.workload._replace(optimizers=optimizers))


@pytest.mark.parametrize("page", ["#ffffff", "#181c23"])
def test_colours_are_legible_on_both_pages(page):
    assert min(contrast(colour, page) for colour in COLOURS) >= 3  # WCAG 2.1, 1.4.11


def test_forty_optimizers_look_different():
    many = styles([str(i) for i in range(40)]).values()
    assert len({(style.colour, style.dash) for style in many}) == 40


def test_a_long_name_is_cut_before_it_is_escaped():
    assert tick_text("<" * 100) == "&lt;" * 25 + "…"


def test_script_json_keeps_values_and_hides_tags():
    value = {"x": [1.0, math.nan, math.inf], "name": "</script><!--&"}
    text = script_json(value)
    assert not set("<>&") & set(text)
    assert json.loads(text) == {"x": [1.0, None, None], "name": "</script><!--&"}


@pytest.mark.parametrize(
    ("low", "high"), [(1e-5, 0.1), (0.09, 0.49), (1e-30, 1e30), (0.05, 2.0), (0.3, 0.3001)]
)
def test_log_ticks_are_few_and_inside(low, high):
    ticks = log_axis(low, high).get("tickvals", [low, high])
    assert 2 <= len(ticks) <= 7
    assert all(low * 0.98 <= tick <= high * 1.02 for tick in ticks)


@pytest.mark.parametrize("higher", [True, False])
def test_the_forest_plot_has_better_to_the_right_and_the_margin_around_zero(look, scores, higher):
    view = look(scores, (("digits", "accuracy", higher),))
    figure = drawn(forest_block(view))
    left, right = figure["layout"]["xaxis"]["range"]
    assert (left < right) == higher
    first = "good" if higher else "bad"
    assert figure["layout"]["yaxis"]["ticktext"][0] == first
    band = figure["layout"]["shapes"][0]
    assert (band["x0"], band["x1"]) == (-0.005, 0.005)
    decision = view.verdicts[0].decision
    interval, equivalence, mean, points = figure["data"][:4]
    assert interval["x"] == list(decision.interval)
    assert equivalence["x"] == list(decision.equivalence_interval)
    assert mean["x"] == [decision.difference]
    assert points["x"] == view.verdicts[0].differences
    assert {verdict.verdict for verdict in view.verdicts} == {
        "better", "worse", "equivalent", "undecided",
    }  # fmt: skip


@pytest.mark.parametrize("higher", [True, False])
def test_a_lost_pair_stands_at_the_side_of_who_lost_it(look, scores, higher):
    scores["good"][0] = math.nan
    scores["adamw"][1] = math.nan
    scores["good"][2] = scores["adamw"][2] = math.nan
    view = look(scores, (("digits", "accuracy", higher),))
    figure = drawn(forest_block(view))
    points = next(t for t in figure["data"] if "good" in str(t["hovertext"]) and len(t["x"]) == 6)
    left, right = figure["layout"]["xaxis"]["range"]  # as they stand on the screen
    places = [(x - left) / (right - left) for x in points["x"][:2]]
    assert places == pytest.approx([0.015, 0.985])
    assert points["x"][2] == 0
    assert points["marker"]["symbol"][:4] == ["x", "x", "x", "circle"]
    texts = [text.split(">")[-1] for text in points["hovertext"][:3]]
    assert texts == ["lost by good", "lost by adamw", "lost by good and adamw"]


def test_one_broken_optimizer_stands_at_the_edge(look, scores):
    scores["bad"] = [score - 0.7 for score in scores["bad"]]
    figure = drawn(forest_block(look(scores)))
    assert figure["layout"]["xaxis"]["range"][0] > -0.2
    assert figure["layout"]["annotations"][-1]["text"].startswith("\u25c0 \u22120.75")
    points = next(t for t in figure["data"] if "bad" in str(t["hovertext"]) and len(t["x"]) == 6)
    assert set(points["marker"]["symbol"]) == {"triangle-left-open"}


def test_the_reader_is_told_how_many_replicates_would_decide(look, scores):
    view = look(scores)
    needed = next(v.decision.needed for v in view.verdicts if v.verdict == "undecided")
    assert f"noisy {needed}" in forest_block(view).answer
    assert forest_block(look({"adamw": scores["adamw"]})) is None


def test_a_median_counts_a_lost_training_as_the_worst(look, scores):
    scores["good"][0] = math.nan
    block = curve_block(look({"good": scores["good"]}))
    median, crosses = drawn(block)["data"]
    known = sorted([*[s for s in scores["good"][1:] for _ in range(2)], 0.9])
    assert median["y"][-1] == pytest.approx((known[4] + known[5]) / 2)  # the lost one is first
    assert (crosses["marker"]["symbol"], crosses["x"]) == ("x", [12.0])
    assert curve_block(look({"good": []})) is None


def test_curves_that_still_climb_are_named(look, scores):
    answer = curve_block(look(scores)).answer  # the last point is a third higher
    assert answer.startswith("It may.")
    assert "good 0.29" in answer


@pytest.mark.parametrize("replicates", [6, 4])
def test_paired_curves_are_differences_within_replicates(look, scores, replicates):
    view = look({"adamw": scores["adamw"], "good": scores["good"][:replicates]})
    band, median = drawn(curve_block(view), 1)["data"]
    gains = sorted(0.05 + 0.001 * k for k in range(replicates))
    middle = (gains[(replicates - 1) // 2] + gains[replicates // 2]) / 2
    assert median["y"] == pytest.approx([middle / 3, middle * 2 / 3, middle])
    assert max(band["y"]) == pytest.approx(gains[-1 - (replicates - 1) // 4])


def test_a_leader_that_changes_with_the_budget_is_told(look, scores):
    view = look({"adamw": scores["adamw"], "good": scores["good"]})
    better = [
        replicate._replace(
            tuning=[t._replace(value=v) for t, v in zip(replicate.tuning, (0.9, 0.1, 0.1, 0.1),
                                                        strict=True)]
        )
        for replicate in view.optimizers["good"].replicates
    ]  # fmt: skip
    view = change(view, "good", replicates=better)
    answer = budget_block(view).answer
    assert answer.endswith("after one trial: adamw; after 4: good.")


def test_every_trial_is_in_its_panel(look, scores):
    view = look(scores)
    scale = shared_scale(view)
    block = search_block(view, scale)
    (marks,) = drawn(block, 1)["data"]
    assert len(marks["x"]) == 24
    symbols = dict(zip(marks["x"], marks["marker"]["symbol"], strict=True))
    assert symbols[0.2] == "star"
    assert symbols[0.9] == "x"
    assert symbols[0.002] in ("circle", "triangle-down-open")
    assert "No: none chose an edge" in block.answer


def test_trials_beyond_the_axis_are_counted(look, scores):
    view = look(scores)
    below = search_block(view, shared_scale(view)._replace(low=0.55)).answer
    assert "adamw 6 of 24" in below


def test_an_edge_is_named(look, scores):
    view = look(scores)
    view = view._replace(verdicts=[view.verdicts[0]._replace(edges=["learning_rate"])])
    assert "good at learning_rate" in search_block(view, shared_scale(view)).answer


@pytest.mark.parametrize(
    ("space", "value"),
    [
        ({"kind": {"kind": "Choice", "options": ["a", "b"]}}, {"kind": "a"}),
        ({"nesterov": {"kind": "Choice", "options": [True, False]}}, {"nesterov": True}),
        ({}, {}),
    ],
)
def test_spaces_without_a_learning_rate_are_drawn(look, scores, space, value):
    view = look({"adamw": scores["adamw"][:1]})
    replicate = view.optimizers["adamw"].replicates[0]
    tuning = [training._replace(hyperparameters=value) for training in replicate.tuning]
    view = change(view, "adamw", space=space, replicates=[replicate._replace(tuning=tuning)])
    assert len(drawn(search_block(view, shared_scale(view)))["data"][0]["y"]) == 4
    assert rate_block(view, shared_scale(view)) is None


def test_a_scale_exists_if_every_training_diverged(look):
    view = look({"adamw": [math.nan]})
    replicate = view.optimizers["adamw"].replicates[0]
    tuning = [training._replace(value=math.nan) for training in replicate.tuning]
    view = change(view, "adamw", replicates=[replicate._replace(tuning=tuning)])
    scale = shared_scale(view)
    assert scale.low < bad_of(search_block(view, scale)) < scale.high


def bad_of(block):
    return drawn(block)["data"][0]["y"][0]


def test_the_expected_best_counts_a_lost_trial_as_untrained(look, scores):
    view = look(scores)
    data = drawn(budget_block(view))["data"]
    # trials 0.5, 0.6, 0.7 and one lost; untrained parameters have 0.1
    line = next(t["y"] for t in data if len(t["y"]) == 4)
    assert line == pytest.approx([1.9 / 4, 3.8 / 6, 2.7 / 4, 0.7])
    assert "after one trial as after 4: adamw, good," in budget_block(view).answer


def test_the_sensitivity_is_the_mean_distance_from_the_best(look, scores):
    block = rate_block(look(scores), shared_scale(look(scores)))
    assert "adamw 0.225" in block.answer  # of 0, 0.1, 0.2 and 0.6 from 0.7
    line = drawn(block)["data"][0]
    assert line["x"] == pytest.approx([0.002, 0.02, 0.2, 0.9])
    assert line["y"] == pytest.approx([0.5, 0.6, 0.7, 0.1])


def test_time_to_target_counts_gradients_and_misses(look, scores):
    scores["good"][0] = math.nan
    view = look(scores)
    view = change(view, "good", audit={"flops": 300.0, "gradients": 4.0})
    view = change(view, "bad", audit={"gradients": math.inf})
    block = target_block(view)
    line = next(t for t in drawn(block)["data"] if "good" in t["hovertext"][0])
    # 0.6 is reached at the last of 30 steps, at once by 11 of 12; two thirds of 0.9 at step 20
    assert line["x"] == [0.0, 80.0, 120.0, 120.0]
    assert line["y"] == pytest.approx([0, 1 / 12, 11 / 12, 11 / 12])
    assert "good 1 of 12" in block.answer
    assert "Not counted: bad." in block.answer
    costly = {cost.optimizer: cost for cost in costs(view)}
    assert (costly["good"].flops, costly["good"].gradients) == ("3.00×", "4")
    assert (costly["good"].target, costly["good"].misses) == ("120", "1 of 12")
    assert costly["bad"].gradients == "unbounded"
    assert "good 3.00×" in worth(view)
    assert "bad unbounded" in worth(view)
    assert target_block(look(scores, target=None)) is None


def test_the_table_shows_the_decision(look, scores):
    view = look(scores, split="anew", variance_ratio=0.25)
    by_name = {row.optimizer: row for row in rows(view)}
    assert next(iter(by_name)) == "good"
    assert by_name["adamw"].status == "baseline"
    good = by_name["good"]
    assert (good.difference, good.pairs, good.lost) == ("+0.0525", "6 / 0 / 0", "0 / 0")
    assert (good.probability, good.rank) == ("1.00", "1–5")
    assert good.interval != good.other_interval
    assert by_name["noisy"].needed == "–"
    assert {row.other_interval for row in rows(look(scores))} == {""}


def test_the_uncorrected_verdict_stands_beside_a_corrected_one(look, scores):
    view = look(scores)
    decision = view.verdicts[0].decision._replace(word="undecided", alone="better")
    view = view._replace(verdicts=[view.verdicts[0]._replace(decision=decision)])
    assert rows(view)[0].notes == ["alone: better"]


@pytest.mark.parametrize(
    ("distribution", "text"),
    [
        ({"kind": "Uniform", "low": 0.5, "high": 0.9}, "0.5 to 0.9"),
        ({"kind": "Mine"}, "Mine"),
        (
            {"kind": "Conditional", "distribution": {"low": 1, "high": 3}, "volume": "if a"},
            "1 to 3 (if a)",
        ),
        ({}, ""),
    ],
)
def test_spaces_in_words(distribution, text):
    assert describe(distribution) == text
