"""What `repr` shows fits into ten lines of 80 columns, whatever the sizes; a notebook shows it."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax.tuning._cross_validation import CrossValidation

ROWS = {f"column_{i}": np.zeros((1000, 50), np.float32) for i in range(40)}
PARAMS = {"a long name of a layer \x1b[31m" * 3: {f"w{i}": np.ones((9, 9)) for i in range(30)}}
STEPS = np.arange(1, 100_001)
CURVES = {f"metric_{i}": 1 / STEPS for i in range(30)}


def trainer():
    return pj.train_step(lambda p, batch, key: ((p - batch.mean()) ** 2, {}), optax.sgd(0.1))


SHOWN = [
    pj.Fit(PARAMS, None, {"loss": 1 / STEPS, **CURVES}, {"step": STEPS, **CURVES}),
    pj.Fit({}, None, {}, {}),
    trainer().init(jax.random.key(0), jnp.zeros(3)),
    trainer(),
    pj.Validation(lambda p, b: {}, ROWS, every=10, early_stopping=pj.EarlyStopping(3)),
    pj.Problem(init=lambda key: PARAMS, data=ROWS, eval_data=ROWS, batch_size=8),
    CrossValidation(
        PARAMS, {"loss": np.array([1.0, 3.0])}, CURVES, np.zeros(1000, np.int32),
        (pj.Status.FINISHED, pj.Status.DIVERGED), (None, 7),
    ),
]  # fmt: skip


@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: type(shown).__name__)
def test_ten_lines_of_80_columns(shown):
    lines = repr(shown).splitlines()
    assert 1 <= len(lines) <= 12
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in repr(shown)
    assert str(shown) == repr(shown)
    page = shown._repr_html_()
    assert page.startswith("<pre>")
    assert "<lambda>" not in page


def test_a_run_says_how_it_went():
    history = {"loss": np.array([8.0, 1.0, 2.0]), "grad_norm": np.ones(3)}
    validation = {"step": np.array([2]), "accuracy": np.array([0.75])}
    run = pj.Fit({"w": np.ones((2, 3), np.float32)}, None, history, validation)
    assert repr(run).splitlines() == [
        "Fit: finished after 3 steps",
        "  loss                 2 at last, least 1 at step 2, largest 8 at step 1",
        "  validation accuracy  0.75 at last",
        "  history              loss, grad_norm",
        "  params               1 array, 6 numbers: w float32[2, 3]",
    ]


def test_a_curve_without_a_finite_value():
    run = pj.Fit((), None, {"loss": np.full(2, np.nan)}, {}, pj.Status.DIVERGED)
    assert repr(run).splitlines()[:2] == ["Fit: diverged after 2 steps", "  loss     nan at last"]


def test_a_state_is_shown_while_it_is_traced():
    texts = []
    state = trainer().init(jax.random.key(0), jnp.zeros(3))
    jax.eval_shape(lambda state: texts.append(repr(state)), state)
    assert "float32[3]" in texts[0]


def test_ipython_shows_html_and_the_plot():
    formatters = pytest.importorskip("IPython.core.formatters")
    run = pj.Fit((), None, {"loss": np.array([2.0, 1.0])}, {})
    assert formatters.HTMLFormatter()(run).startswith("<pre>Fit: finished after 2 steps")
    assert formatters.PNGFormatter()(run.plot()).startswith(b"\x89PNG")


def test_a_problem_whose_data_is_one_array_shows_itself():
    rows = np.zeros((40, 2), np.float32)
    problem = pj.Problem(init=lambda key: 0.0, data=rows, eval_data=rows, model_state=rows)
    assert "40" in repr(problem)
