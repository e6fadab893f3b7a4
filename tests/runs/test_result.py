"""What a user does with a run that has ended: a table and a plot."""

import builtins

import numpy as np
import pytest

import paramjax as pj
from paramjax.plots._run_curves import thinned


@pytest.fixture
def fit():
    history = {
        "loss": np.array([8.0, 4.0, 2.0, 1.0], np.float32),
        "per_layer": np.ones((4, 3), np.float32),
    }
    validation = {
        "step": np.array([2, 4]),
        "loss": np.array([5.0, 3.0], np.float32),
        "accuracy": np.array([0.5, 0.75], np.float32),
    }
    return pj.Fit({}, None, history, validation)


def test_the_table_has_a_row_a_step(fit):
    frame = fit.to_frame()
    assert frame.index.name == "step"
    assert frame.index.tolist() == [1, 2, 3, 4]
    assert frame.columns.tolist() == ["loss", "validation/loss", "validation/accuracy"]
    assert frame["loss"].tolist() == [8.0, 4.0, 2.0, 1.0]
    assert frame["validation/accuracy"].dropna().to_dict() == {2: 0.5, 4: 0.75}
    assert fit._replace(validation={}).to_frame().columns.tolist() == ["loss"]


def test_the_plot_shows_what_was_measured(fit, tmp_path):
    figure = fit.plot()
    loss, accuracy = figure.axes
    assert loss.get_ylabel() == "loss"
    training, validation = loss.lines
    np.testing.assert_array_equal(training.get_xydata(), [[1, 8], [2, 4], [3, 2], [4, 1]])
    np.testing.assert_array_equal(validation.get_xydata(), [[2, 5], [4, 3]])
    assert [text.get_text() for text in loss.get_legend().get_texts()] == ["training", "validation"]
    assert accuracy.get_ylabel() == "accuracy"
    np.testing.assert_array_equal(accuracy.lines[0].get_xydata(), [[2, 0.5], [4, 0.75]])
    figure.savefig(tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("losses", "scale"),
    [([1e3, 1.0], "log"), ([2.0, 1.0], "linear"), ([1e3, -1.0], "linear"), ([np.nan], "linear")],
)
def test_magnitudes_are_shown_on_a_logarithmic_axis(losses, scale):
    figure = pj.Fit({}, None, {"loss": np.array(losses)}, {}).plot()
    assert figure.axes[0].get_yscale() == scale


@pytest.mark.parametrize("count", [1, 7, 1000, 1001, 12_345])
def test_a_long_run_is_drawn_by_its_means(count):
    values = np.random.default_rng(0).normal(size=count)
    steps, means = thinned(values)
    assert len(steps) == len(means) <= 1000
    assert steps[-1] == count
    lengths = np.diff([0, *steps])
    np.testing.assert_allclose((means * lengths).sum(), values.sum(), rtol=1e-9)


@pytest.mark.parametrize(("package", "call"), [("pandas", "to_frame"), ("matplotlib", "plot")])
def test_what_is_missing_is_named(fit, monkeypatch, package, call):
    real = builtins.__import__

    def without(name, *rest, **options):
        if name.partition(".")[0] == package:
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModuleNotFoundError, match=rf'{package} is missing: pip install "param'):
        getattr(fit, call)()
