import math

import numpy as np
import pytest

import paramjax as pj
from paramjax.plots import parallel_coordinates

RATE = {"learning_rate": pj.log_uniform(1e-4, 1.0)}
COPIES = 4
"""Further lines that make that of the best trial thicker; they stand last."""


def rates(*losses):
    return [({"learning_rate": 0.1}, own) for own in losses]


def axes_of(figure):
    """Label -> (values, tick text -> position, range); lines go from the worst to the best."""
    (lines,) = figure.data
    return {
        dimension.label: (
            list(dimension.values),
            dict(zip(dimension.ticktext, dimension.tickvals, strict=True)),
            dimension.range,
        )
        for dimension in lines.dimensions
    }


def colour_at(figure, value):
    """The colour of a value on the scale of the lines."""
    scale = figure.data[0].line.colorscale
    return [colour for position, colour in scale if position <= value][-1]


def test_a_line_passes_each_axis_at_its_value(make):
    space = RATE | {"beta": pj.uniform(0.0, 2.0)}
    trials = [
        ({"learning_rate": 1e-2, "beta": 0.5}, [1.0, 3.0]),
        ({"learning_rate": 1e-3, "beta": 2.0}, [4.0, 6.0]),
    ]
    figure = parallel_coordinates(make(trials), space)
    axes = axes_of(figure)
    assert list(axes) == ["learning rate", "beta", "loss<br>(mean of the seeds)"]
    (rate, rate_ticks, rate_range), (beta, beta_ticks, _), (loss, _, loss_range) = axes.values()
    np.testing.assert_allclose([rate[:2], beta[:2], loss[:2]], [[-3, -2], [2, 0.5], [5, 2]])
    assert rate_ticks == {"0.0001": -4, "0.001": -3, "0.01": -2, "0.1": -1, "1": 0}
    np.testing.assert_allclose([rate_range, loss_range], [(-4, 0), (0.75, 6.25)])
    assert beta_ticks == {"0": 0, "0.5": 0.5, "1": 1, "1.5": 1.5, "2": 2}
    assert figure.layout.title.text == "all hyperparameters and loss: lower is better"
    assert "best loss 2 in trial 0" in figure.layout.title.subtitle.text


@pytest.mark.parametrize("maximise", [False, True], ids=["minimise", "maximise"])
def test_the_better_the_darker_and_the_best_is_in_front_in_its_own_colour(make, maximise):
    trials = rates([1.0], [3.0], [2.0], [4.0])
    metric = "accuracy" if maximise else "loss"  # accuracy falls with the loss
    figure = parallel_coordinates(make(trials), RATE, metric, maximise=maximise)
    lines = figure.data[0].line
    colours = [colour_at(figure, value) for value in lines.color]
    assert colours[3:] == ["#D55E00"] * (1 + COPIES)
    light = [sum(map(int, colour[4:-1].split(","))) for colour in colours[:3]]
    assert light == sorted(light, reverse=True), "from the worst to the best"
    assert max(lines.color[:3]) < lines.color[3], "larger values are drawn in front"
    assert lines.colorbar.ticktext[-1] == "best trial"
    values = axes_of(figure)[metric][0]
    assert values[:4] == sorted(values[:4], reverse=not maximise)
    np.testing.assert_allclose(values[4:], values[3], atol=0.02)
    better = "higher" if maximise else "lower"
    assert f"{better} is better" in figure.layout.title.text


def test_a_hyperparameter_that_does_not_exist_has_a_tick_of_its_own(make):
    space = {
        "chain": pj.choice(["sgd", "adam"]),
        "momentum": pj.conditional("chain", "sgd", pj.uniform(0.0, 1.0)),
    }
    trials = [({"chain": "sgd", "momentum": 0.5}, [1.0]), ({"chain": "adam"}, [2.0])]
    values, ticks, (low, _) = axes_of(parallel_coordinates(make(trials), space))["momentum"]
    assert values[:2] == [ticks["absent"], 0.5]
    assert low == ticks["absent"] < 0


def test_categories_are_named_and_their_lines_lie_side_by_side_from_bad_to_good(make):
    space = {"activation": pj.choice([max, min]), "batch_size": pj.choice([64, 32, 128])}
    trials = [({"activation": max, "batch_size": 64}, [loss]) for loss in (3.0, 1.0, 2.0)]
    axes = axes_of(parallel_coordinates(make(trials), space))
    assert axes["activation"][1] == {"max": 0, "min": 1}
    assert axes["batch size"][1] == {"32": 0, "64": 1, "128": 2}
    np.testing.assert_allclose(axes["batch size"][0][:3], [0.78, 1.0, 1.22])


@pytest.mark.parametrize("maximise", [False, True], ids=["minimise", "maximise"])
def test_diverged_trials_are_grey_and_end_beyond_the_bad_end(make, maximise):
    metric = "accuracy" if maximise else "loss"
    figure = parallel_coordinates(
        make(rates([1.0], [2.0], [math.nan])), RATE, metric, maximise=maximise
    )
    values, ticks, (low, high) = axes_of(figure)[metric]
    assert values[0] == ticks["diverged"] == (low if maximise else high)
    assert all(low < value < high for value in values[1:])
    lines = figure.data[0].line
    assert colour_at(figure, lines.color[0]) == "#9A9A9A"
    assert "#9A9A9A" not in {colour_at(figure, value) for value in lines.color[1:]}
    assert lines.colorbar.ticktext[0] == "diverged"


def test_a_finite_diverged_trial_is_grey_at_its_value(make):
    figure = parallel_coordinates(make(rates([1.0], [2.0]), status={1: "diverged"}), RATE)
    assert colour_at(figure, figure.data[0].line.color[0]) == "#9A9A9A"
    assert "diverged" in figure.data[0].line.colorbar.ticktext


def test_an_axis_tells_stopped_trials_from_finished_ones(make):
    status = {2: "stopped", 3: "stopped", 4: "stopped"}
    records = make(rates([1.0], [2.0], [2.5], [2.6], [1e9]), status=status)
    axes = axes_of(parallel_coordinates(records, RATE))
    values, ticks, _ = axes["ended"]
    assert ticks == {"stopped": 0, "finished": 1}
    assert np.round(values[:5]).tolist() == [0, 0, 0, 1, 1]
    assert axes["loss"][0][0] == axes["loss"][1]["worse"], "the worst of them is off the axis"
    assert "ended" not in axes_of(parallel_coordinates(make(rates([1.0])), RATE))


@pytest.mark.parametrize(
    "space",
    [{}, {"depth": pj.integer(3, 3)}, {"chain": pj.choice(["only"])}],
    ids=["no hyperparameter", "one whole number", "one option"],
)
@pytest.mark.parametrize("loss", [1.0, math.nan], ids=["finite", "diverged"])
def test_one_value_is_drawn_within_its_axis(make, space, loss):
    hp = {name: distribution.quantile(0.5) for name, distribution in space.items()}
    axes = axes_of(parallel_coordinates(make([(hp, [loss])]), space))
    assert len(axes) == len(space) + 1
    for values, _, (low, high) in axes.values():
        assert low < high
        assert all(low <= value <= high for value in values)


def test_names_are_text_and_the_page_needs_no_network(make, tmp_path):
    space = {"<b>x</b>": pj.uniform(0.0, 1.0)}
    figure = parallel_coordinates(make([({"<b>x</b>": 0.5}, [1.0])]), space)
    assert figure.data[0].dimensions[0].label == "&lt;b&gt;x&lt;/b&gt;"
    assert "<b>" not in figure.layout.title.subtitle.text
    figure.write_html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "plotly.js v" in page
    assert '<script src="http' not in page
    assert "<link" not in page
