"""The page of a sweep: its panels, its headline, its file, and that no text lies on another."""

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


def conditional(count=12, lost=True):
    rng = np.random.default_rng(0)
    trials = []
    for place in range(count):
        rate = float(10 ** rng.uniform(-4, 0))
        hp = {"chain": ["sgd", "adam"][place % 2], "learning_rate": rate, "depth": place % 4 + 1}
        hp |= {"momentum": float(rng.uniform())} if hp["chain"] == "sgd" else {}
        loss = math.inf if lost and rate > 0.3 else 1 + math.log10(rate / 0.01) ** 2
        trials.append((hp, [loss, loss + 0.1]))
    return trials


def drawn_texts(figure):
    """Every text but the labels of ticks beyond the ends of an axis, which exist undrawn."""
    ticks = {id(own) for tick in figure.findobj(Tick) for own in (tick.label1, tick.label2)}
    texts = [text for text in figure.findobj(Text) if id(text) not in ticks]
    for axis in (axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)):
        low, high = sorted(axis.get_view_interval())
        texts += [t.label1 for t in axis.get_major_ticks() if low <= t.get_loc() <= high]
    return [text for text in texts if text.get_visible() and text.get_text().strip()]


def titles(figure):
    return [ax.get_title(loc="left") for ax in figure.axes]


def test_the_page_has_every_panel(swept):
    figure = swept(SPACE, conditional()).plot()
    assert titles(figure) == [
        "loss against learning rate",
        "learning curves",
        "all hyperparameters and loss: lower and darker is better",
        "loss against momentum",
        "loss against depth",
    ]


def test_the_headline_says_what_was_best(swept):
    trials = [({"learning_rate": 0.01}, [2.0, 1.0]), ({"learning_rate": 0.1}, [1.0, 0.5])]
    figure = swept({"learning_rate": SPACE["learning_rate"]}, trials).plot()
    said = figure.get_suptitle().replace("\N{NO-BREAK SPACE}", " ")
    assert said == "2 trials, 4 trainings: best loss 0.75 in trial 1 with learning rate = 0.1"


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_it_is_saved_as_its_suffix_says(swept, tmp_path, suffix):
    path = tmp_path / f"sweep.{suffix}"
    swept(SPACE, conditional()).plot(path=path)
    start = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[suffix]
    assert path.read_bytes().startswith(start)
    if suffix == "png":
        assert matplotlib.image.imread(path).std() > 0.05


@pytest.mark.parametrize(
    "trials",
    [
        conditional(),
        conditional(1, lost=False),
        [(hp, [math.nan] * 2) for hp, _ in conditional()],
        [(hp, [2.5] * 2) for hp, _ in conditional()],
    ],
    ids=["some lost", "one trial", "all lost", "constant"],
)
def test_no_text_lies_on_another(swept, trials):
    figure = swept(SPACE, trials).plot()
    FigureCanvasAgg(figure).draw()
    boxes = [(t.get_text(), t.get_window_extent().shrunk(0.95, 0.9)) for t in drawn_texts(figure)]
    assert len(boxes) > 30
    assert [
        (one, other)
        for place, (one, box) in enumerate(boxes)
        for other, rest in boxes[:place]
        if box.overlaps(rest)
    ] == []


def test_a_real_sweep_is_drawn(line, line_loss, tmp_path):
    result = pj.sweep(
        lambda hp: pj.train_step(line_loss, optax.sgd(hp["learning_rate"])),
        {"learning_rate": pj.log_uniform(1e-3, 100.0)},
        init=lambda key: {"w": jax.random.normal(key, (1, 1)), "b": jax.numpy.zeros((1, 1))},
        data=line, trials=4, seeds=2, steps=40, key=jax.random.key(0),
        layout=pj.populations.Layout(8),
        evaluate=lambda params, data: {"error": line_loss(params, data, None)[0]},
        eval_data=line, evaluations=4,
    )  # fmt: skip
    figure = result.plot("error", path=tmp_path / "sweep.png")
    assert titles(figure)[0] == "error against learning rate"
    dots = [tuple(p) for c in figure.axes[0].collections for p in c.get_offsets().tolist()]
    for record in result.records:
        if record.status == "finished":
            assert (record.hyperparameters["learning_rate"], record.metrics["error"]) in dots


PLOT = """
import sys
import jax, jax.numpy as jnp, optax
import paramjax as pj

pop = pj.sweep(
    lambda hp: pj.train_step(lambda p, batch, key: (jnp.sum(p**2), {{}}), optax.sgd(hp["rate"])),
    {{"rate": pj.uniform(0.1, 0.2)}}, init=lambda key: jax.random.normal(key, (3,)),
    data=jnp.ones(4), trials=2, seeds=2, steps=3, key=jax.random.key(0),
    layout=pj.populations.Layout(4),
)
print("matplotlib" in sys.modules)
pop.plot(path={path!r})
print("matplotlib.pyplot" in sys.modules)
"""


def test_nothing_global_is_touched(tmp_path):
    """Neither pyplot nor the backend of whoever calls."""
    code = PLOT.format(path=str(tmp_path / "sweep.png"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["False", "False"]


def test_an_unknown_metric_is_refused_with_the_nearest(swept):
    with pytest.raises(ValueError, match="unknown metric 'acuracy'; nearest: accuracy"):
        swept(SPACE, conditional()).plot("acuracy")


def test_without_matplotlib_the_extra_is_named(swept, monkeypatch):
    pop, real = swept(SPACE, conditional()), builtins.__import__

    def without(name, *rest, **options):
        if name.partition(".")[0] == "matplotlib":
            raise ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib")
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModuleNotFoundError, match=r'matplotlib is missing: .*"paramjax\[bench\]"'):
        pop.plot()
