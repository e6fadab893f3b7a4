"""What parallel coordinates draw: where each line passes, in which colour, and what is absent."""

import math

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba

import paramjax as pj
from paramjax.plots import parallel_coordinates
from paramjax.plots._parallel_coordinates import ABSENT, shades
from paramjax.plots._scale import scale_of
from paramjax.plots._style import BEST_COLOUR, DIVERGED_COLOUR

RATE = {"learning_rate": pj.log_uniform(1e-4, 1.0)}


def lines(ax, zorder=2.0):
    """Segments and colours of the lines at one depth, in the order in which they are drawn."""
    found = [c for c in ax.collections if isinstance(c, LineCollection) and c.zorder == zorder]
    return [
        (segment.tolist(), colour.tolist())
        for collection in found
        for segment, colour in zip(
            collection.get_segments(),
            np.resize(collection.get_colors(), (len(collection.get_segments()), 4)),
            strict=True,
        )
    ]


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_a_line_passes_each_axis_at_its_value(swept, ax):
    space = RATE | {"beta": pj.uniform(0.0, 2.0)}
    trials = [
        ({"learning_rate": 1e-2, "beta": 0.5}, [1.0, 3.0]),
        ({"learning_rate": 1e-3, "beta": 2.0}, [4.0, 6.0]),
    ]
    assert parallel_coordinates(swept(space, trials), ax) is ax
    ((segment, _),) = lines(ax)
    ((best, colour),) = lines(ax, zorder=3.1)
    # seeds from 1 to 6 with a margin of a twentieth
    share = lambda value: (value - 0.75) / 5.5
    np.testing.assert_allclose(best, [[0, 0.5], [1, 0.25], [2, share(2)]], atol=1e-6)
    np.testing.assert_allclose(segment, [[0, 0.25], [1, 1.0], [2, share(5)]], atol=1e-6)
    assert colour == pytest.approx(to_rgba(BEST_COLOUR))
    names = [text.get_text() for text in ax.get_xticklabels()]
    assert names == ["learning rate", "beta", "loss\n(mean of the seeds)"]
    assert {"0.0001", "0.01", "1", "0", "2"} <= set(texts(ax))


def test_the_better_the_darker_and_on_top(swept, ax):
    trials = [({"learning_rate": 0.1}, [loss]) for loss in (1.0, 3.0, 2.0, 4.0)]
    parallel_coordinates(swept(RATE, trials), ax)
    colours = np.array([colour for _, colour in lines(ax)])
    light = colours[:, :3] @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(light) < 0).all(), "from the worst to the best"
    assert (np.diff(colours[:, 3]) > 0).all()


@pytest.mark.parametrize("maximise", [False, True], ids=["minimise", "maximise"])
def test_the_good_end_is_the_dark_one(maximise):
    colours = shades(scale_of([1.0, 2.0], maximise=maximise))([0.0, 1.0])[:, :3].sum(1)
    assert (colours[0] < colours[1]) is not maximise


def test_what_does_not_exist_passes_below_its_axis_dotted(swept, ax):
    space = {
        "chain": pj.choice(["sgd", "adam"]),
        "momentum": pj.conditional("chain", "sgd", pj.uniform(0.0, 1.0)),
        "decay": pj.uniform(0.0, 1.0),
    }
    trials = [
        ({"chain": "sgd", "momentum": 0.5, "decay": 0.5}, [1.0]),
        ({"chain": "adam", "decay": 0.25}, [2.0]),
    ]
    parallel_coordinates(swept(space, trials), ax)
    whole, dotted = (c for c in ax.collections if c.zorder == 2.0)
    assert whole.get_linestyles()[0][1] is None
    assert dotted.get_linestyles()[0][1] is not None
    assert [s.tolist() for s in dotted.get_segments()] == [
        [[0, 0.75], [1, ABSENT]],
        [[1, ABSENT], [2, 0.25]],
    ]
    (tail,) = (s.tolist() for s in whole.get_segments())
    assert tail[0] == [2, 0.25]
    assert texts(ax).count("absent") == 1
    assert ax.get_ylim()[0] < ABSENT
    ((best, _),) = lines(ax, zorder=3.1)
    assert [x for x, _ in best] == [0, 1, 2, 3]


def test_two_absent_ones_in_a_row_at_the_end(swept, ax):
    condition = pj.conditional("chain", "sgd", pj.uniform(0.0, 1.0))
    space = {"chain": pj.choice(["sgd", "adam"]), "one": condition, "two": condition}
    trials = [({"chain": "sgd", "one": 0.5, "two": 0.5}, [1.0]), ({"chain": "adam"}, [2.0])]
    parallel_coordinates(swept(space, trials), ax)
    segments = [segment for segment, _ in lines(ax)]
    assert [[x for x, _ in segment] for segment in segments] == [[0, 1], [1, 2], [2, 3]]
    assert segments[1] == [[1, ABSENT], [2, ABSENT]]


def test_categories_are_named_on_their_axis(swept, ax):
    space = {"activation": pj.choice([max, min]), "batch_size": pj.choice([64, 32, 128])}
    parallel_coordinates(swept(space, [({"activation": max, "batch_size": 64}, [1.0])]), ax)
    heights = {text.get_text(): text.xy for text in ax.texts}
    assert heights["max"] == (0, 0.25)
    assert heights["min"] == (0, 0.75)
    assert [heights[n] for n in ("32", "64", "128")] == [
        (1, pytest.approx(1 / 6)), (1, 0.5), (1, pytest.approx(5 / 6)),
    ]  # fmt: skip


def test_lines_of_one_category_lie_side_by_side_from_low_to_high(swept, ax):
    space = {"chain": pj.choice(["a", "b"])}
    trials = [({"chain": "a"}, [loss]) for loss in (3.0, 2.0, 1.0)]
    parallel_coordinates(swept(space, trials), ax)
    starts = {round(s[1][1], 3): s[0][1] for s, _ in [*lines(ax), *lines(ax, 3.1)]}
    ordered = [starts[end] for end in sorted(starts)]
    assert ordered == pytest.approx([0.25 - 0.11, 0.25, 0.25 + 0.11])


@pytest.mark.parametrize("maximise", [False, True], ids=["minimise", "maximise"])
def test_diverged_trials_end_beyond_the_bad_end(swept, ax, labelled, maximise):
    trials = [({"learning_rate": 0.1}, [loss]) for loss in (1.0, 2.0, math.nan)]
    metric = "accuracy" if maximise else "loss"
    parallel_coordinates(swept(RATE, trials), ax, metric, maximise=maximise)
    lost = labelled(ax)["diverged"]
    end = lost.get_segments()[0][-1][1]
    assert end < 0 if maximise else end > 1
    assert lost.get_colors()[0][:3].tolist() == pytest.approx(to_rgba(DIVERGED_COLOUR)[:3])
    assert texts(ax).count("diverged") == 1
    better = "higher" if maximise else "lower"
    assert f"{better} and darker is better" in ax.get_title(loc="left")


def test_stopped_trials_are_thin(swept, ax, labelled):
    trials = [({"learning_rate": 0.1}, [loss]) for loss in (1.0, 2.0, 2.5, 2.6, 1e9)]
    status = {2: "stopped", 3: "stopped", 4: "stopped"}
    parallel_coordinates(swept(RATE, trials, status=status), ax)
    drawn = labelled(ax)
    assert drawn["stopped early"].get_linewidth() < drawn["one trial"].get_linewidth()
    assert texts(ax).count("worse") == 1


@pytest.mark.parametrize(
    "space",
    [{}, {"depth": pj.integer(3, 3)}, {"chain": pj.choice(["only"])}],
    ids=["no hyperparameter", "one whole number", "one option"],
)
@pytest.mark.parametrize("loss", [1.0, math.nan], ids=["finite", "lost"])
def test_one_value_of_each_is_drawn_within_its_axis(swept, ax, space, loss):
    hp = {name: distribution.quantile(0.5) for name, distribution in space.items()}
    parallel_coordinates(swept(space, [(hp, [loss])]), ax)
    for segment, _ in [*lines(ax), *lines(ax, 3.1)]:
        assert [y for _, y in segment[:-1]] == [0.5] * len(space)


def test_a_thousand_trials_are_pixels_in_a_vector_file(swept, ax):
    trials = [({"learning_rate": r}, [r]) for r in np.geomspace(1e-4, 1, 1000).tolist()]
    parallel_coordinates(swept(RATE, trials), ax)
    drawn = [c for c in ax.collections if c.zorder == 2.0]
    assert [len(c.get_segments()) for c in drawn] == [999]
    assert drawn[0].get_rasterized()


def test_an_unknown_metric_is_refused_with_the_nearest(swept, ax):
    with pytest.raises(ValueError, match="unknown metric 'los'; nearest: loss"):
        parallel_coordinates(swept(RATE, [({"learning_rate": 0.1}, [1.0])]), ax, "los")
