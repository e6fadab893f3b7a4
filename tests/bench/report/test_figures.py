"""The figures as plotly gets them; they have no public name, so their modules are imported."""

import json
import math

import pytest
from paramjax.bench._rows import OptimizerRow, Training

from paramjax.bench import verdicts
from paramjax.bench._protocol import REPORT, TUNING
from paramjax.bench.report._curves import curve_plot
from paramjax.bench.report._forest import forest_plot
from paramjax.bench.report._search import search_plot, shared_scale
from paramjax.bench.report._style import COLOURS, log_axis, script_json, styles, tick_text

STYLES = styles(["adamw", "good", "bad", "alike"])


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


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
def test_the_forest_plot_shows_the_statistics_with_better_to_the_right(make, values, higher):
    records = make(values)
    decided = {verdict.optimizer: verdict for verdict in verdicts(records)}
    workload = records.workloads()[0]._replace(maximise=higher)
    figure = json.loads(forest_plot("id", workload, list(decided.values()), STYLES).json)
    left, right = figure["layout"]["xaxis"]["range"]
    assert (left < right) == higher
    first = "good" if higher else "bad"
    assert figure["layout"]["yaxis"]["ticktext"][0] == first
    low, high = decided[first].interval
    assert figure["data"][0]["x"] == [low, decided[first].difference, high]


def test_one_broken_optimizer_does_not_squeeze_the_others(make, values):
    records = make(values)
    one = verdicts(records)[0]._replace(difference=0.01, interval=(0.005, 0.015))
    names = [f"o{i}" for i in range(6)]
    many = [one._replace(optimizer=name) for name in names]
    many[-1] = many[-1]._replace(difference=-900.0, interval=(-910.0, -890.0), verdict="worse")
    figure = forest_plot("id", records.workloads()[0], many, styles(names))
    layout = json.loads(figure.json)["layout"]
    assert layout["xaxis"]["range"] == pytest.approx([-0.0012, 0.0162])
    assert layout["annotations"][-1]["text"] == "\u25c0 \u2212900.0000"
    assert layout["annotations"][-1]["y"] == 5


def test_a_mean_stops_where_a_seed_diverges(make, values):
    values["good"][0] = math.nan
    trainings = {"good": make(values).trainings("digits", "good", REPORT)}
    figure = curve_plot("id", "accuracy", trainings, STYLES, title="a", maximise=True)
    band, line, crosses = json.loads(figure.json)["data"]
    assert line["y"][0] == pytest.approx((0.9 + sum(values["good"][1:])) / 3 / 6)
    assert line["y"][1:] == [None, None]
    assert len(band["x"]) == 6
    assert (crosses["marker"]["symbol"], crosses["x"]) == ("x", [12.0])


def test_no_trainings_have_no_curves():
    assert curve_plot("id", "a", {"good": []}, STYLES, title="", maximise=True) is None


def test_every_trial_is_in_the_search_plot(make, values):
    records = make(values)
    tuning = records.trainings("digits", "good", TUNING)
    scale = shared_scale(tuning, maximise=True)
    row = next(row for row in records.optimizers() if row.optimizer == "good")
    figure = search_plot("id", records.workloads()[0], row, tuning, 2, STYLES["good"], scale)
    traces = json.loads(figure.json)["data"]
    marks = {trace["x"][0]: trace["marker"]["symbol"] for trace in traces}
    assert len(traces) == len(marks)
    assert marks == {0.002: "circle", 0.02: "circle", 0.2: "star", 0.9: "x"}
    bad = next(trace for trace in traces if trace["x"] == [0.9])
    assert bad["y"][0] < min(t.value for t in tuning if math.isfinite(t.value))


@pytest.mark.parametrize(
    ("space", "hyperparameters"),
    [
        ({"kind": {"kind": "Choice", "options": ["a", "b"]}}, {"kind": "a"}),
        ({"nesterov": {"kind": "Choice", "options": [True, False]}}, {"nesterov": True}),
        ({}, {}),
    ],
)
def test_spaces_without_a_learning_rate_are_drawn(make, space, hyperparameters):
    workload = make({}).workloads()[0]
    tuning = [Training(0, 0, hyperparameters, "finished", None, 0.5, {})]
    scale = shared_scale(tuning, maximise=True)
    row = OptimizerRow("mine", "", space, "")
    figure = search_plot("id", workload, row, tuning, None, STYLES["good"], scale)
    assert json.loads(figure.json)["data"][0]["y"] == [0.5]


def test_a_scale_exists_if_every_training_diverged():
    tuning = [Training(0, 0, {}, "diverged", 1, math.nan, {})]
    low, high = shared_scale(tuning, maximise=False).ends
    assert low < high
