"""By JAX's own switches users debug: a healthy run, its restart and folds stay as they are."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax.models import MLP

RNG = np.random.default_rng(0)
DATA = {"x": RNG.normal(size=(20, 4)).astype("f"), "y": (np.arange(20) % 3).astype(np.int32)}
MODEL = MLP((8, 3))
LOSS = pj.losses.supervised(MODEL.apply, pj.losses.cross_entropy)


def key(seed):
    return jax.random.key(seed)  # a new one at each call, which debug_key_reuse may count as used


def init(init_key):
    return MODEL.init(init_key, DATA["x"][:1])


def trainer():
    return pj.train_step(LOSS, optax.sgd(0.1, 0.9), [pj.hooks.ema(0.9)])


def evaluate(params, batch):
    return LOSS(params, batch, None)


def run(folder, steps):
    return pj.fit(
        trainer(), init(key(1)), DATA, key=key(0), steps=steps, batch_size=8, last_batch="keep",
        validation=pj.Validation(evaluate, DATA, every=3, batch_size=8),
        checkpoints=pj.Checkpoints(folder, every=2),
    )  # fmt: skip


SWITCHES = {
    "debug_nans": lambda: jax.debug_nans(True),
    "debug_infs": lambda: jax.debug_infs(True),
    "disable_jit": lambda: jax.disable_jit(),
    "debug_key_reuse": lambda: jax.debug_key_reuse(True),
    "strict_promotion": lambda: jax.numpy_dtype_promotion("strict"),
    "tracer_leaks": lambda: jax.check_tracer_leaks(),
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return run(tmp_path_factory.mktemp("plain"), 7)


LONG = ("debug_nans", "tracer_leaks", "disable_jit", "debug_key_reuse", "debug_infs")


@pytest.mark.parametrize(
    "switch",
    [pytest.param(name, marks=pytest.mark.slow if name in LONG else ()) for name in SWITCHES],
)
def test_a_run_and_its_restart(switch, tmp_path, plain):
    with SWITCHES[switch]():
        run(tmp_path, 4)
        found = run(tmp_path, 7)
    np.testing.assert_allclose(found.history["loss"], plain.history["loss"], rtol=1e-5)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6),
        found.params, plain.params,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("switch", ["debug_nans", "disable_jit", "debug_key_reuse"])
def test_folds(switch):
    problem = pj.Problem(init=init, data=DATA, evaluate=evaluate, batch_size=8)
    with SWITCHES[switch]():
        found = pj.cross_validate(trainer(), problem, steps=2, key=key(0), folds=2)
    assert np.isfinite(found.metrics["loss"]).all()


def test_a_nan_is_still_found():
    loss_fn = lambda w, batch, key: (jnp.log(w - batch.mean()), {})
    with jax.debug_nans(True), pytest.raises(FloatingPointError):
        pj.fit(
            pj.train_step(loss_fn, optax.sgd(0.1)), jnp.float32(0), np.ones(3, np.float32),
            key=key(0), steps=2,
        )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("validated", [False, True])
def test_a_run_goes_on_without_compilation_and_back(tmp_path, validated):
    """Which program a run has does not depend on how a user looks at it."""
    validation = pj.Validation(evaluate, DATA, every=2) if validated else None
    begun = init(key(3))  # once, for without compilation its last bits are others

    def on(steps):
        return pj.fit(
            trainer(), begun, DATA, key=key(1), steps=steps, batch_size=5,
            validation=validation, checkpoints=pj.Checkpoints(tmp_path, every=2),
        )  # fmt: skip

    on(2)
    with jax.disable_jit():
        assert on(4).history["loss"].shape == (4,)
    assert on(6).history["loss"].shape == (6,)
