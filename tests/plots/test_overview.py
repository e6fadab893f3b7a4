import builtins
import math
import subprocess
import sys

import jax
import matplotlib.image
import numpy as np
import optax
import pytest
from matplotlib.axis import Tick
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

import paramjax as pj

SPACE = {
    "chain": pj.choice(["sgd", "adam"]),
    "learning_rate": pj.log_uniform(1e-4, 1.0),
    "momentum": pj.conditional("chain", "sgd", pj.uniform(0.0, 1.0)),
    "depth": pj.integer(1, 4),
}


def conditional(count=12, diverging=True):
    rng = np.random.default_rng(0)
    trials = []
    for trial in range(count):
        rate = float(10 ** rng.uniform(-4, 0))
        hp = {"chain": ["sgd", "adam"][trial % 2], "learning_rate": rate, "depth": trial % 4 + 1}
        hp |= {"momentum": float(rng.uniform())} if hp["chain"] == "sgd" else {}
        loss = math.inf if diverging and rate > 0.3 else 1 + math.log10(rate / 0.01) ** 2
        trials.append((hp, [loss, loss + 0.1]))
    return trials


def visible_texts(figure):
    """Every text but the labels of ticks beyond the ends of an axis, which are not drawn."""
    ticks = {id(own) for tick in figure.findobj(Tick) for own in (tick.label1, tick.label2)}
    texts = [text for text in figure.findobj(Text) if id(text) not in ticks]
    for axis in (axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)):
        low, high = sorted(axis.get_view_interval())
        texts += [t.label1 for t in axis.get_major_ticks() if low <= t.get_loc() <= high]
    return [text for text in texts if text.get_visible() and text.get_text().strip()]


def test_the_page_has_every_panel(make):
    figure = pj.plots.overview(make(conditional()), SPACE)
    assert [ax.get_title(loc="left") for ax in figure.axes] == [
        "loss against learning rate",
        "learning curves",
        "loss against momentum",
        "loss against depth",
    ]
    assert figure.axes[2].get_legend() is None


def test_the_headline_names_the_best_trial(make):
    hps = [{"learning_rate": rate, "act": act} for rate, act in ((0.01, "a_b"), (0.1, "c"))]
    records = make([(hps[0], [2.0, 1.0]), (hps[1], [1.0, 0.5])])
    space = {"learning_rate": SPACE["learning_rate"], "act": pj.choice(["a_b", "c"])}
    headline = pj.plots.overview(records, space).get_suptitle().replace("\N{NO-BREAK SPACE}", " ")
    assert headline == (
        "2 trials, 4 trainings: best loss 0.75 in trial 1 with learning rate = 0.1, act = c"
    )


def test_a_trial_that_was_stopped_early_is_not_the_best_unless_all_were(make):
    trials = [({"learning_rate": 0.01}, [2.0]), ({"learning_rate": 0.1}, [1.0])]
    space = {"learning_rate": SPACE["learning_rate"]}
    for stopped, best in (([1], 0), ([0, 1], 1)):
        records = make(trials, status=dict.fromkeys(stopped, "stopped"))
        assert f"in trial {best} with" in pj.plots.overview(records, space).get_suptitle()


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_the_suffix_is_the_format(make, tmp_path, suffix):
    path = tmp_path / f"sweep.{suffix}"
    records = make([({"chain": "sgd"}, [1.0])])
    pj.plots.overview(records, {"chain": SPACE["chain"]}, path=path)
    start = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[suffix]
    assert path.read_bytes().startswith(start)
    if suffix == "png":
        assert matplotlib.image.imread(path).std() > 0.05


@pytest.mark.parametrize(
    "trials",
    [
        conditional(),
        conditional(1, diverging=False),
        [(hp, [math.nan] * 2) for hp, _ in conditional()],
        [(hp, [2.5] * 2) for hp, _ in conditional()],
    ],
    ids=["some diverged", "one trial", "all diverged", "constant"],
)
def test_no_text_lies_on_another(make, trials):
    figure = pj.plots.overview(make(trials), SPACE)
    FigureCanvasAgg(figure).draw()
    boxes = [(t.get_text(), t.get_window_extent().shrunk(0.95, 0.9)) for t in visible_texts(figure)]
    assert len(boxes) > 25
    assert [
        (one, other)
        for index, (one, box) in enumerate(boxes)
        for other, rest in boxes[:index]
        if box.overlaps(rest)
    ] == []


def test_a_sweep_draws_its_records(line, line_loss, tmp_path):
    result = pj.sweep(
        lambda hp: pj.train_step(line_loss, optax.sgd(hp["learning_rate"])),
        {"learning_rate": pj.log_uniform(1e-3, 100.0)},
        pj.Problem(
            init=lambda key: {"w": jax.random.normal(key, (1, 1)), "b": jax.numpy.zeros((1, 1))},
            data=line,
            evaluate=lambda params, data: {"error": line_loss(params, data, None)[0]},
            eval_data=line,
        ),
        trials=4,
        seeds=2,
        steps=40,
        key=jax.random.key(0),
        evaluations=4,
        execution=pj.Execution(layout=pj.populations.Layout(8)),
    )
    figure = result.plot("error", path=tmp_path / "sweep.png")
    assert figure.axes[0].get_title(loc="left") == "error against learning rate"
    assert (tmp_path / "sweep.png").stat().st_size > 10_000
    dots = [tuple(p) for c in figure.axes[0].collections for p in c.get_offsets().tolist()]
    for record in result.records:
        if record.status == "finished":
            assert (record.hyperparameters["learning_rate"], record.metrics["error"]) in dots
    best = f"best error {result.best('error').value:.4g} in trial {result.best('error').trial} "
    assert best in figure.get_suptitle()
    lines = result.parallel_coordinates("error").data[0]
    assert lines.dimensions[0].label == "learning rate"


DRAW = """
import sys
import paramjax as pj
pj.bench
print("matplotlib" in sys.modules or "plotly" in sys.modules)
record = pj.populations.Record(0, 0, {{"rate": 0.5}}, "finished", None, {{"loss": 1.0}},
                               {{"step": [1.0], "train_loss": [1.0]}}, 1)
pj.plots.overview([record], {{"rate": pj.uniform(0.0, 1.0)}}, path={path!r})
print("matplotlib.pyplot" in sys.modules)
"""


def test_drawing_changes_nothing_global(tmp_path):
    """Neither pyplot nor the caller's backend; and importing loads no package that draws."""
    code = DRAW.format(path=str(tmp_path / "sweep.png"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.parametrize(
    ("package", "draw"),
    [
        ("matplotlib", lambda records: pj.plots.overview(records, {})),
        ("matplotlib", lambda records: pj.plots.run_curves({"loss": np.ones(2)})),
        ("plotly", lambda records: pj.plots.parallel_coordinates(records, {})),
    ],
    ids=["overview", "run_curves", "parallel_coordinates"],
)
def test_a_missing_package_is_named_with_its_extra(make, monkeypatch, package, draw):
    records, real = make([({}, [1.0])]), builtins.__import__

    def without(name, *rest, **options):
        if name.partition(".")[0] == package:
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.delitem(sys.modules, "paramjax.plots._shown_figure", raising=False)
    with pytest.raises(ModuleNotFoundError, match=rf'{package} is missing: .*"paramjax\[bench\]"'):
        draw(records)


@pytest.mark.parametrize(
    "draw",
    [
        lambda records, ax: pj.plots.overview(records, SPACE, "acuracy"),
        lambda records, ax: pj.plots.parallel_coordinates(records, SPACE, "acuracy"),
        lambda records, ax: pj.plots.learning_curves(records, ax, "acuracy"),
        lambda records, ax: pj.plots.learning_rate_curve(records, SPACE, ax, "acuracy"),
    ],
    ids=["overview", "parallel_coordinates", "learning_curves", "learning_rate_curve"],
)
def test_an_unknown_metric_raises_with_the_nearest_name(make, ax, draw):
    with pytest.raises(ValueError, match="unknown metric 'acuracy'; nearest: accuracy"):
        draw(make(conditional()), ax)
