"""An option is the object that was written, and a traced number promotes no array."""

import operator

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax.populations import Layout

ROWS = np.ones(8, np.float32)


def loss(params, batch, key):
    return ((params - 1) ** 2).sum() * batch.mean().astype(params.dtype), {}


def swept(make, space, dtype="float32", **settings):
    problem = pj.Problem(init=lambda key: jnp.full(2, 0.1, dtype), data=ROWS)
    arguments = {"trials": pj.tuning.grid(2), "seeds": 1, "steps": 5, "key": jax.random.key(0)}
    return pj.sweep(make, space, problem, **arguments | settings)


class Object:
    """Compares as arrays do, entry by entry, and has no hash."""

    __hash__ = None

    def __eq__(self, other):
        return np.array([True, False])


OPTIONS = [
    (3, 3), [3, 3], [[1, 2], (3,)], 0.3, np.float32(0.3), np.float64(0.1), None, True, "a", max,
    operator.itemgetter(0), dict, Object(), np.arange(3), np.arange(2000.0), {"a": 1}, 1e300,
    float("inf"), lambda x: x, lambda x: x, 2, frozenset({1}),
]  # fmt: skip


@pytest.mark.parametrize(
    "options", [OPTIONS[2:18:2], pytest.param(OPTIONS, marks=pytest.mark.slow)], ids=["some", "all"]
)
def test_make_trainer_gets_the_very_object(tmp_path, options):
    read, space = [], {"option": pj.choice(options, static=True)}

    def make(hp):
        read.append(hp["option"])
        rate = 0.1 + 0.01 * next(i for i, own in enumerate(options) if own is hp["option"])
        return pj.train_step(loss, optax.sgd(rate))

    few = {"option": pj.choice(options[:3], static=True)}
    for found in (swept(make, space), *[swept(make, few, store=tmp_path) for _ in range(2)]):
        ends = [float(found.params_of(r.trial, 0)[0]) for r in found.records]
        # the error shrinks by 1 - 2 rate at each step
        rates = 0.1 + 0.01 * np.arange(len(ends))
        np.testing.assert_allclose(ends, 1 - 0.9 * (1 - 2 * rates) ** 5, rtol=1e-5)
        written = [record.hyperparameters["option"] for record in found.records]
        assert all(map(operator.is_, written, options))
        assert found.replay(1, 0).params_distance < 1e-5
    assert {id(own) for own in read} == set(map(id, options))


def test_a_float_on_which_others_depend_is_not_rounded():
    space = {
        "which": pj.choice([0.1, 0.3]),
        "momentum": pj.conditional("which", 0.3, pj.choice([0.5])),
    }

    def make(hp):
        assert hp["which"] in (0.1, 0.3)
        tx = optax.sgd(0.1, momentum=hp["momentum"]) if hp["which"] == 0.3 else optax.sgd(0.1)
        return pj.train_step(loss, tx)

    found = swept(make, space)
    assert [r.hyperparameters for r in found.records] == [
        {"which": 0.1}, {"which": 0.3, "momentum": 0.5},
    ]  # fmt: skip
    assert found.records[0].metrics != found.records[1].metrics


@pytest.mark.parametrize("options", [[0.1, np.float64(0.1)], [(1, 2), (1, 2)], [np.ones(2)] * 2])
def test_equal_options_are_refused(options):
    with pytest.raises(ValueError, match="expected distinct options"):
        pj.choice(options, static=True)


PLAIN = {
    "sgd": lambda hp: optax.sgd(hp["b"], momentum=hp["a"], nesterov=True),
    "adam": lambda hp: optax.adam(0.1, b1=hp["a"], b2=hp["b"]),
    "adamw": lambda hp: optax.adamw(hp["a"], weight_decay=hp["b"]),
    "rmsprop": lambda hp: optax.rmsprop(0.1, decay=hp["a"], momentum=hp["b"]),
    "lion": lambda hp: optax.lion(0.1, b1=hp["a"], b2=hp["b"]),
    "clipped": lambda hp: optax.chain(optax.clip(hp["a"]), optax.sgd(hp["b"])),
    "schedule": lambda hp: optax.sgd(optax.cosine_decay_schedule(hp["a"], 9, hp["b"])),
    "lookahead": lambda hp: optax.chain(optax.ema(hp["a"]), optax.sgd(hp["b"])),
}


@pytest.mark.parametrize(
    "dtype",
    ["bfloat16", *(pytest.param(d, marks=pytest.mark.slow) for d in ("float16", "float32"))],
)
@pytest.mark.parametrize("name", PLAIN)
def test_parameters_keep_their_dtype_under_traced_numbers(name, dtype):
    """As with numbers of Python in a loop of optax by hand, up to the rounding of one number."""
    make = lambda hp: pj.train_step(loss, PLAIN[name](hp))
    space = {"a": pj.choice([0.3]), "b": pj.choice([0.6])}
    found = swept(make, space, dtype, execution=pj.Execution(layout=Layout(1)))
    (got,) = found.params
    tx, params = PLAIN[name]({"a": 0.3, "b": 0.6}), jnp.full(2, 0.1, dtype)
    state = tx.init(params)
    for _ in range(5):
        grads = jax.grad(lambda own: loss(own, ROWS, None)[0])(params)
        updates, state = tx.update(grads, state, params)
        params = optax.apply_updates(params, updates)
    assert got.dtype == params.dtype == dtype
    tolerance = 4 * float(jnp.finfo(dtype).eps)
    np.testing.assert_allclose(np.float32(got), np.float32(params), rtol=tolerance, atol=tolerance)
