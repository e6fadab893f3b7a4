"""What a user does with a run that has ended: a table and a plot."""

import builtins

import numpy as np
import pytest

import paramjax as pj


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


def test_the_plot_has_a_panel_for_each_validated_metric(fit, tmp_path):
    figure = fit.plot()
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "accuracy"]
    assert [len(axes.lines) for axes in figure.axes] == [2, 1]
    figure.savefig(tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 1000


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
