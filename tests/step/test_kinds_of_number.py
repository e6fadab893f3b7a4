"""Complex parameters go downhill as their two real parts do; double precision stays double."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest
from stepping import run_steps

import paramjax as pj
from paramjax import grads, hooks

TARGETS = jnp.array([1.0 + 2.0j, -0.5 + 0.25j], jnp.complex64)
START = jnp.array([0.5 + 0.5j, 1.0 - 1.0j], jnp.complex64)
BATCHES = jnp.ones((30, 4))


def of_complex(z, batch, key):
    """A function of z that is no function of |z|: both parts have slopes of their own."""
    return (jnp.abs(z - TARGETS) ** 2 * batch.mean() + jnp.sin(z.real) * z.imag / 4).sum(), {}


def of_parts(parts, batch, key):
    return of_complex(jax.lax.complex(*parts), batch, key)


def counted(loss_fn):
    return lambda params, calls, batch, key: (loss_fn(params, batch, key)[0], (calls + 1, {}))


TXS = {
    "sgd": optax.sgd(0.05),
    "momentum": optax.sgd(0.02, momentum=0.9),
    "clipped": optax.chain(optax.clip_by_global_norm(0.5), optax.sgd(0.1)),
    "lookahead": optax.lookahead(optax.sgd(0.05), 3, 0.5),
    "schedule-free": optax.contrib.schedule_free_sgd(0.05),
    "sam": optax.contrib.sam(optax.sgd(0.05), optax.sgd(0.02), sync_period=2),
    "sam in one step": optax.contrib.sam(
        optax.sgd(0.05), optax.sgd(0.02), sync_period=2, opaque_mode=True
    ),
    "polyak": optax.polyak_sgd(0.1),
    "split": optax.contrib.split_real_and_imaginary(optax.contrib.prodigy(1.0)),
}
GRAD_FNS = {
    "gradient": lambda f: f,
    "stateful": lambda f: pj.gradient(counted(f), stateful=True),
    "accumulate": lambda f: grads.accumulate(f, 2),
    "loss scale": grads.dynamic_loss_scale,
    "adapted": lambda f: pj.trainers.meta_loss(f, optax.sgd(0.05), 2),
}
HOOKS = [hooks.skip_nonfinite(), hooks.skip_spikes(), hooks.monitor_groups()]
AVERAGES = {
    "ema": [*HOOKS, hooks.ema(0.9)],
    "polyak": [*HOOKS, hooks.polyak_average()],
    "best": [*HOOKS, hooks.best_params(lambda metrics: metrics["grad_norm"])],
}


def both(make, averages=HOOKS, batches=BATCHES):
    """The parameters to evaluate and the metrics, of complex parameters and of their parts."""
    results = []
    for loss_fn, start in ((of_complex, START), (of_parts, (START.real, START.imag))):
        trainer = make(loss_fn, averages)
        state = jnp.int32(0) if trainer.stateful else ()
        after, metrics = run_steps(trainer, start, jax.random.key(0), batches, model_state=state)
        results.append((trainer.eval_params(after), metrics))
    (z, metrics), (parts, expected) = results
    np.testing.assert_allclose(z, jax.lax.complex(*parts), rtol=2e-4, atol=1e-6)
    for name in ("loss", "grad_norm"):
        np.testing.assert_allclose(metrics[name], expected[name], rtol=2e-4, atol=1e-6)
    assert metrics["loss"][-1] < metrics["loss"][0] - 0.5  # prodigy begins with short steps
    return metrics


FEW = {"schedule-free", "momentum", "sam", "split"}


@pytest.mark.parametrize(
    "tx", [n if n in FEW else pytest.param(n, marks=pytest.mark.slow) for n in TXS]
)
def test_complex_parameters_go_as_their_two_parts_under_optimizers(tx):
    both(lambda f, hook_list: pj.train_step(f, TXS[tx], hook_list))


@pytest.mark.parametrize("name", GRAD_FNS)
def test_complex_parameters_go_as_their_two_parts_under_every_estimator(name):
    batches = {"support": BATCHES[..., None], "query": BATCHES[..., None]}
    batches = batches if name == "adapted" else BATCHES
    both(
        lambda f, hook_list: pj.train_step(GRAD_FNS[name](f), TXS["sgd"], hook_list),
        batches=batches,
    )


@pytest.mark.parametrize("name", AVERAGES)
def test_averages_of_complex_parameters_are_those_of_their_parts(name):
    both(lambda f, hook_list: pj.train_step(f, TXS["sgd"], hook_list), AVERAGES[name])


def test_gradients_per_example_of_complex_parameters_point_uphill(key):
    each, _, _ = grads.per_example(of_complex)(START, BATCHES[0], key)
    whole, _, _ = pj.gradient(of_complex)(START, BATCHES[0], key)
    np.testing.assert_allclose(each.mean(0), whole, rtol=1e-5)
    length = 1e-2 / float(jnp.abs(whole).max())
    uphill = of_complex(START + length * whole, BATCHES[0], key)[0]
    assert uphill > of_complex(START, BATCHES[0], key)[0]


def test_players_and_clients_with_complex_parameters():
    both(
        lambda f, hook_list: pj.trainers.federated(
            f, optax.sgd(0.05), local_steps=2, proximal=0.1, hooks=hook_list
        ),
        batches=jnp.ones((30, 3, 4)),
    )
    game = lambda f: {"x": lambda p, b, k: f(p["x"], b, k)}
    for loss_fn, start in ((of_complex, START), (of_parts, (START.real, START.imag))):
        trainer = pj.trainers.alternating(game(loss_fn), {"x": TXS["sgd"]})
        _, metrics = run_steps(trainer, {"x": start}, jax.random.key(0), BATCHES)
        assert metrics["loss"][-1] < metrics["loss"][0] - 0.5  # prodigy begins with short steps


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda f: pj.train_step(f, optax.lbfgs()), "searches along the loss, .* real parameters"),
        (lambda f: pj.train_step(f, optax.contrib.prodigy()), "Prodigy takes inner .* complex"),
        (lambda f: pj.train_step(f, optax.contrib.mechanize(TXS["sgd"])), "Mechanic takes inner"),
        (lambda f: pj.train_step(f, optax.contrib.dadapt_adamw()), "DAdaptAdamW takes inner"),
        (lambda f: pj.train_step(grads.spsa(f, scale=0.1), TXS["sgd"]), "spsa: leaf .* complex64"),
        (
            lambda f: pj.train_step(f, TXS["sgd"], [hooks.sharpness()]),
            "sharpness: leaf .* complex64",
        ),
    ],
)
def test_what_needs_real_parameters_says_so(key, make, message):
    with pytest.raises(TypeError, match=message):
        jax.eval_shape(lambda: make(of_complex).step(make(of_complex).init(key, START), BATCHES[0]))


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.9, 0.999, 0.99999])
@pytest.mark.parametrize("x64", [False, True])
def test_the_average_of_a_constant_is_the_constant(decay, x64):
    with jax.enable_x64(x64):
        dtype = jnp.float64 if x64 else jnp.float32
        zero = lambda p, b, k: (jnp.sum(0.0 * p), {})
        trainer = pj.train_step(zero, optax.sgd(0.1), [hooks.ema(decay)])
        state = trainer.init(jax.random.key(0), jnp.ones(1, dtype))
        step = jax.jit(trainer.step)
        for _ in range(12):
            state, _ = step(state, None)
            average = trainer.eval_params(state)
            assert average.dtype == dtype
            np.testing.assert_allclose(average, 1.0, rtol=1e-12 if x64 else 1e-6)


def test_the_average_under_x64_is_that_of_numpy():
    def numpy_average(values, decay):
        average = 0.0
        for value in values:
            average = decay * average + (1 - decay) * value
        return average / (1 - decay ** len(values))

    with jax.enable_x64(True):
        trainer = pj.train_step(lambda w, b, k: (w**2, {}), optax.sgd(0.01), [hooks.ema(0.9999)])
        state, _ = run_steps(trainer, jnp.float64(1.0), jax.random.key(0), steps=50)
        values = 0.98 ** np.arange(1, 51)
        np.testing.assert_allclose(
            trainer.eval_params(state), numpy_average(values, 0.9999), rtol=1e-11
        )


def test_statistics_under_x64_tell_apart_what_float32_does_not():
    """Losses of 1 + 1e-12 k: the lowest is the last, and the mean has the digits."""
    with jax.enable_x64(True):
        losses = 1.0 - 1e-12 * jnp.arange(6, dtype=jnp.float64)
        loss_fn = lambda w, b, k: (b + 0.0 * w, {})
        chosen = [hooks.best_params(), hooks.average_metrics("loss", window=3)]
        trainer = pj.train_step(loss_fn, optax.sgd(0.1), chosen)
        _, metrics = run_steps(trainer, jnp.float64(0.0), jax.random.key(0), losses)
        np.testing.assert_allclose(metrics["best_score"], losses, rtol=1e-15)
        last = metrics["loss/mean"][-1]
        np.testing.assert_allclose(last - 1.0, -4e-12, rtol=1e-3)


@pytest.mark.parametrize("name", ["spsa", "evolution", "forward_gradient", "surgery"])
def test_estimates_under_x64_have_its_precision(name):
    """On a linear loss of one number each estimate is the slope up to rounding."""
    with jax.enable_x64(True):
        slope = lambda w, b, k: (3.0 * w, {})
        make = {
            "spsa": lambda: grads.spsa(slope, scale=0.25),
            "evolution": lambda: grads.evolution(slope, population=2, sigma=0.1),
            "forward_gradient": lambda: grads.forward_gradient(slope),
            "surgery": lambda: grads.surgery({"a": slope, "b": slope}),
        }[name]
        key, one = jax.random.key(0), jnp.float64(1.0 + 1e-9)
        estimate, loss, _ = jax.jit(make())(one, None, key)
        assert (estimate.dtype, loss.dtype) == (jnp.float64, jnp.float64)
        if name in ("spsa", "surgery"):
            np.testing.assert_allclose(estimate, 3.0, rtol=1e-12)
        exact = 3.0 * (1.0 + 1e-9)
        np.testing.assert_allclose(loss, exact, rtol=1e-14)


@pytest.mark.slow
def test_every_hook_keeps_its_form_under_x64():
    with jax.enable_x64(True):
        chosen = [
            hooks.average_metrics("loss", window=2), hooks.best_params(), hooks.ema(0.9),
            hooks.monitor_groups(), hooks.noise_scale(1), hooks.polyak_average(),
            hooks.sharpness(1, iterations=2), hooks.skip_nonfinite(), hooks.skip_spikes(warmup=2),
        ]  # fmt: skip
        for dtype in (jnp.float32, jnp.float64, jnp.bfloat16):
            loss_fn = lambda w, b, k: (((w - b) ** 2).mean(), {})
            trainer = pj.train_step(loss_fn, optax.adam(0.1), chosen)
            batches = jnp.ones((3, 4), dtype)
            state, metrics = run_steps(trainer, jnp.zeros((), dtype), jax.random.key(0), batches)
            assert trainer.eval_params(state).dtype == dtype
            assert np.isfinite(metrics["loss"].astype(float)).all()
