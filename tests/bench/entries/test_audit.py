"""Attacks on a comparison: each is refused, charged or flagged."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from paramjax.bench.entries import RefusedError, audit, entry_of, make_trainer
from paramjax.optim import CATALOGUE, STANDARD
from tests.bench.entries.conftest import PARAMS, ROWS

UPDATE = """
def mine(learning_rate):
    def update(updates, state, params=None{arguments}):
        {body}
    return optax.GradientTransformationExtraArgs(lambda params: (), update)
"""


def with_update(body, arguments="", more=""):
    return UPDATE.format(body=body, arguments=arguments) + more


STEP = "jax.tree.map(lambda u: -learning_rate * u, updates), state"


@pytest.fixture
def plain(audited):
    return audited(with_update(f"return {STEP}"))


@pytest.mark.parametrize(
    "name",
    [n if n in STANDARD else pytest.param(n, marks=pytest.mark.slow) for n in CATALOGUE],
)
def test_nothing_is_flagged_in_the_catalogue(workload, name):
    found = audit(workload, entry_of(name, name), 1.0, params=PARAMS, batch=ROWS)
    assert (found.gradients, found.flags) == (1.0, [])
    assert found.constants < 64


def test_operations_are_those_of_a_gradient_and_an_update(plain):
    """Two products of [16, 6] and [6, 4], forward and for the kernel, are 2 * 2 * 16 * 6 * 4."""
    products = 2 * 2 * 16 * 6 * 4
    elementwise = 16 * 4 * 20 + 28 * 10
    assert products < plain.flops < products + elementwise


# parameters that were learned elsewhere


@pytest.mark.parametrize(
    ("text", "constant"),
    [
        (
            "kernel = np.arange(24.0, dtype='f').reshape(6, 4)\n"
            "LEARNED = {'kernel': kernel, 'bias': kernel[:1]}"
            + with_update("return jax.tree.map(lambda p, q: q - p, params, LEARNED), state"),
            r"float32\[6,4\]",
        ),
        (
            with_update(
                "flat = jnp.array([0.1 * i + 0.01 for i in range(24)]); "
                "return {'kernel': flat.reshape(6, 4), 'bias': flat[:4][None]}, state"
            ),
            r"float32\[24\]",
        ),
        (
            with_update(
                "flat = jnp.stack([jnp.float32(0.1 * i + 0.01) for i in range(28)]); "
                "return {'kernel': flat[:24].reshape(6, 4), 'bias': flat[24:][None]}, state"
            ),
            "single numbers",
        ),
        (
            "LEARNED = np.arange(28.0)\n"
            "def mine(learning_rate):\n"
            "    init = lambda params: jnp.asarray(LEARNED)\n"
            "    def update(updates, state, params=None):\n"
            "        return {'kernel': state[:24].reshape(6, 4), 'bias': state[24:][None]}, state\n"
            "    return optax.GradientTransformation(init, update)",
            r"float32\[28\]",
        ),
        (
            "@jax.jit\ndef learned(p):\n    return p + np.arange(24.0, dtype='f').reshape(6, 4)\n"
            + with_update(
                "return {'kernel': learned(params['kernel']), 'bias': params['bias']}, state"
            ),
            r"float32\[6,4\]",
        ),
        (
            "LEARNED = tuple(0.1 * i for i in range(28))\n"
            "def mine(learning_rate, how):\n"
            "    def update(updates, state, params=None):\n"
            "        flat = jnp.array(how)\n"
            "        return {'kernel': flat[:24].reshape(6, 4), 'bias': flat[24:][None]}, state\n"
            "    return optax.GradientTransformation(lambda params: (), update)\n"
            "mine.space = {'learning_rate': pj.log_uniform(1e-3, 1.0),"
            " 'how': pj.choice([LEARNED, LEARNED[::-1]])}",
            r"float32\[28\]",
        ),
    ],
    ids=["array", "list", "numbers", "in init", "in a jit", "in the space"],
)
def test_memorised_parameters_are_flagged(audited, text, constant):
    found = audited(text)
    assert found.constants >= 4 * 24
    (flag,) = [flag for flag in found.flags if "numbers as constants" in flag]
    assert "the model has 28 parameters" in flag
    assert re.search(constant, flag)


def test_memorised_parameters_as_hyperparameters_are_flagged(audited):
    found = audited(
        "names = [f'w{i}' for i in range(28)]\n"
        "def mine(**hp):\n"
        "    flat = jnp.stack([hp[n] for n in names])\n"
        "    learned = {'kernel': flat[:24].reshape(6, 4), 'bias': flat[24:][None]}\n"
        "    return optax.stateless(lambda u, p: jax.tree.map(lambda a, b: b - a, p, learned))\n"
        "mine.space = {n: pj.uniform(i + 0.1, i + 0.1001) for i, n in enumerate(names)}"
    )
    assert any("28 hyperparameters" in flag for flag in found.flags)


def test_short_tables_and_zeros_are_not(audited):
    found = audited(
        with_update(
            "c = np.array([3.4445, -4.775, 2.0315], 'f'); z = np.zeros((6, 4), 'f'); "
            "return jax.tree.map(lambda u: -learning_rate * c.sum() * u + z.sum(), updates), state"
        )
    )
    assert not found.flags


# state and work outside the program


CALLBACKS = {
    "pure_callback": "jax.pure_callback(lambda x: x, jax.ShapeDtypeStruct((), 'f'), learning_rate)",
    "io_callback": "jax.experimental.io_callback(lambda x: x, jax.ShapeDtypeStruct((), 'f'),"
    " learning_rate)",
    "debug_callback": "jax.debug.callback(print, learning_rate)",
    "debug_print": "jax.debug.print('{}', learning_rate)",
    "in a branch": "jax.lax.cond(learning_rate > 1, lambda: jax.pure_callback("
    "lambda: np.float32(1), jax.ShapeDtypeStruct((), 'f')), lambda: 1.0)",
    "in a scan": "jax.lax.scan(lambda c, _: (jax.pure_callback(lambda x: x,"
    " jax.ShapeDtypeStruct((), 'f'), c), None), learning_rate, length=3)",
    "in a jit": "jax.jit(lambda x: jax.pure_callback(lambda x: x,"
    " jax.ShapeDtypeStruct((), 'f'), x))(learning_rate)",
    "when batched": "HIDES(learning_rate)",
    "a reference": "SEEN[...] = SEEN[...] + 1",
}


@pytest.mark.parametrize("how", CALLBACKS)
def test_calls_of_the_host_are_refused(audited, how):
    head = (
        "import jax.experimental\nSEEN = jax.new_ref(jnp.zeros(()))\n"
        "HIDES = jax.custom_batching.custom_vmap(lambda x: x)\n"
        "HIDES.def_vmap(lambda size, batched, x: (x, True))\n"
    )
    with pytest.raises(RefusedError, match="calls the host, or does what its trace does not show"):
        audited(head + with_update(f"{CALLBACKS[how]}\n        return {STEP}"))


def test_calls_of_the_host_in_init_are_refused(audited):
    with pytest.raises(RefusedError, match="io_callback"):
        audited(
            "import jax.experimental\n"
            "def mine(learning_rate):\n"
            "    init = lambda params: jax.experimental.io_callback(\n"
            "        lambda: np.float32(1), jax.ShapeDtypeStruct((), 'f'))\n"
            "    return optax.GradientTransformation(init, lambda u, s, p=None: (u, s))"
        )


def test_a_program_that_is_trained_is_searched_too(audited, workload):
    """A factory may trace to something else the next time."""

    class Traced:
        init = step = type(
            "", (), {"jaxpr": jax.make_jaxpr(lambda x: jax.debug.print("{}", x))(1.0)}
        )

    with pytest.raises(RefusedError, match="debug_print"):
        audited("mine = optax.sgd", trained=[Traced])


def test_a_program_that_is_trained_is_charged_too(audited, plain):
    def costly(x):
        return jax.lax.fori_loop(0, 9, lambda i, x: x @ x, x)

    class Traced:
        init = step = type("", (), {"jaxpr": jax.make_jaxpr(costly)(jnp.ones((64, 64)))})

    assert audited("mine = optax.sgd", trained=[Traced]).flops >= 9 * 2 * 64**3 > plain.flops


# gradients that others do not have


HIDDEN = with_update(
    "start = params\n"
    "        for _ in range(4):\n"
    "            params = jax.tree.map(lambda p, g: p - g, params, grad_fn(params, 0))\n"
    "        return jax.tree.map(lambda u, p, s: p - s - u, updates, params, start), state",
    ", grad_fn=None, **extra",
)


def test_four_hidden_gradients_are_charged(audited, plain):
    found = audited(HIDDEN + "\nmine.extra_args = ('grad_fn',)")
    assert found.gradients == pytest.approx(5)
    assert 4.2 < found.flops / plain.flops < 5.5
    assert any("It asks for grad_fn" in flag for flag in found.flags)


@pytest.mark.parametrize(
    ("body", "gradients"),
    [
        ("jax.lax.scan(lambda p, _: (grad_fn(p, 0), None), params, length=7)", 8),
        ("jax.vmap(lambda s: grad_fn(jax.tree.map(lambda p: p * s, params), 0))(jnp.ones(3))", 4),
        ("jax.grad(value_fn)(params)", 2),
        ("[value_fn(params) for _ in range(3)]", 2),
        ("jax.lax.cond(learning_rate > 1, grad_fn, lambda p, i: p, params, 0)", 2),
        ("jax.lax.while_loop(lambda p: value_fn(p) > 1, lambda p: grad_fn(p, 0), params)", np.inf),
        ("jax.lax.fori_loop(0, 5, lambda i, p: grad_fn(p, i), params)", 6),
        ("jax.jit(jax.checkpoint(jax.grad(value_fn)))(params)", 2),
    ],
)
def test_gradients_are_counted_wherever_they_are_taken(audited, body, gradients):
    text = with_update(f"x = {body}\n        return {STEP}", ", *, grad_fn, value_fn, **extra")
    found = audited(text + "\nmine.extra_args = ('grad_fn', 'value_fn')")
    assert found.gradients == pytest.approx(gradients, rel=0.2)
    assert any("not known beforehand" in f for f in found.flags) == np.isinf(gradients)


def test_undeclared_arguments_are_not_handed_over(audited, workload, entry):
    with pytest.raises(
        RefusedError, match=r"needs grad_fn, .* write mine.extra_args = \('grad_fn'"
    ):
        audited(HIDDEN)
    seen = entry(with_update(f"assert set(extra) == {{'value'}}; return {STEP}", ", **extra"))
    trainer = make_trainer(workload, seen.optimizer, 1.0)({"learning_rate": 0.1})
    state = trainer.init(jax.random.key(0), PARAMS)
    trainer.step(state, ROWS)


def test_transformations_of_optax_that_need_them_name_them(workload):
    look = lambda factory: audit(workload, entry_of("it", factory), 1.0, params=PARAMS, batch=ROWS)
    lbfgs = lambda learning_rate: optax.lbfgs(learning_rate)
    with pytest.raises(RefusedError, match="needs grad and value_fn"):
        look(lbfgs)
    lbfgs.extra_args = ("grad", "value_fn")
    assert np.isinf(look(lbfgs).gradients)
    sam = lambda learning_rate: optax.contrib.sam(
        optax.sgd(learning_rate), optax.sgd(0.05), opaque_mode=True
    )
    with pytest.raises(RefusedError, match="needs grad_fn"):
        look(sam)
    sam.extra_args = ("grad_fn",)
    assert look(sam).gradients == pytest.approx(2)


def test_gradients_of_its_own_data_are_charged_and_flagged(audited, plain):
    found = audited(
        "from tests.bench.entries.conftest import ROWS, loss_fn\n"
        "ROWS = np.asarray(ROWS)\n"
        + with_update(
            "own = jax.grad(lambda p: loss_fn(p, jnp.asarray(ROWS), None)[0])\n"
            "        start = params\n"
            "        for _ in range(4):\n"
            "            params = jax.tree.map(lambda p, g: p - g, params, own(params))\n"
            "        return jax.tree.map(lambda p, s: p - s, params, start), state"
        )
    )
    assert found.flops > 4.2 * plain.flops
    assert any("float32[16,6]" in flag for flag in found.flags)


def test_the_gradient_before_clipping_is_flagged(audited, workload, entry):
    around = with_update("return jax.tree.map(lambda g: -g, grad), state", ", grad=None, **extra")
    found = audited(around + "\nmine.extra_args = 'grad'")
    assert any("It asks for grad: gradients that are not clipped" in flag for flag in found.flags)
    with pytest.raises(RefusedError, match=r"needs grad, which it does not declare"):
        audited(around)


def test_others_see_the_clipped_gradient(workload, entry):
    mine = entry("def mine(learning_rate):\n    return optax.scale(-1.0)")
    trainer = make_trainer(workload, mine.optimizer, 1e-3)({"learning_rate": 0.1})
    state = trainer.init(jax.random.key(0), PARAMS)
    moved = jax.tree.map(jnp.subtract, trainer.step(state, ROWS)[0].params, PARAMS)
    assert float(optax.tree.norm(moved)) == pytest.approx(1e-3, rel=1e-3)


# portfolios


def test_a_portfolio_as_a_choice_is_flagged(audited):
    found = audited(
        "def mine(rule, learning_rate):\n    return rule(learning_rate)\n"
        "mine.space = {'rule': pj.choice([optax.adam, optax.sgd, optax.lion]),"
        " 'learning_rate': pj.log_uniform(1e-3, 1.0)}"
    )
    (flag,) = found.flags
    assert flag == (
        "Its space is a portfolio: 'rule' chooses between 3 updates, of 3 kinds of state."
    )


@pytest.mark.parametrize(
    "body",
    [
        "jax.lax.switch(jnp.int32(which), [lambda u: u, jax.lax.sign], u)",
        "jnp.where(which > 0.5, u, jnp.sign(u))",
        "jax.jit(lambda w, u: jnp.where(w > 0.5, u, jnp.sign(u)))(which, u)",
    ],
)
def test_a_portfolio_by_a_number_is_flagged(audited, body):
    found = audited(
        "def mine(which, learning_rate):\n"
        f"    step = lambda u: -learning_rate * {body}\n"
        "    return optax.stateless(lambda updates, params: jax.tree.map(step, updates))\n"
        "mine.space = {'which': pj.uniform(0, 1), 'learning_rate': pj.log_uniform(1e-3, 1.0)}"
    )
    assert found.flags == [
        "It switches between updates by the value of a hyperparameter: a portfolio."
    ]


def test_a_structural_hyperparameter_that_nothing_reads_is_refused(audited):
    with pytest.raises(RefusedError, match="nothing depends on 'rule'"):
        audited(
            "def mine(rule, kind, learning_rate):\n"
            "    return optax.sgd(learning_rate, momentum=0.9, nesterov=kind)\n"
            "mine.space = {'rule': pj.choice(['a', 'b']), 'kind': pj.choice([True, False]),"
            " 'learning_rate': pj.log_uniform(1e-3, 1.0)}"
        )


# what says whether stored trainings may be used again


def test_the_hash_is_that_of_what_is_computed(audited):
    text = "def mine(learning_rate):\n    return optax.adam(learning_rate)\n"
    known = audited(text).program
    same = (
        "# a comment\nimport math\n" + text,
        text + "def other(learning_rate):\n    return optax.sgd(learning_rate)\n",
        "RATE = 0.9\ndef mine(learning_rate):\n    return optax.adam(learning_rate, b1=RATE)\n",
        text + "mine.space = {'learning_rate': pj.log_uniform(1e-3, 1.0)}",
    )
    assert [audited(one).program for one in same] == [known] * 4
    other = (
        text.replace("adam(learning_rate", "adam(learning_rate, b1=0.8"),
        text.replace("optax.adam(learning_rate", "optax.sgd(learning_rate"),
        text.replace("adam(learning_rate", "adam(learning_rate, mu_dtype=jnp.bfloat16"),
        text.replace("return ", "w = np.arange(4.0)\n    return ").replace(
            "adam(learning_rate)", "adam(learning_rate * jnp.asarray(w).sum())"
        ),
        text.replace("return ", "w = np.arange(1.0, 5.0)\n    return ").replace(
            "adam(learning_rate)", "adam(learning_rate * jnp.asarray(w).sum())"
        ),
    )
    assert len({known, *(audited(one).program for one in other)}) == 6


def test_the_hash_covers_every_structure(audited):
    text = (
        "def mine(rule, learning_rate):\n"
        "    return {'a': optax.adam, 'b': optax.sgd}[rule](learning_rate)\n"
        "mine.space = {'rule': pj.choice(['a', 'b']), 'learning_rate': pj.log_uniform(1e-3, 1.0)}"
    )
    assert audited(text).program != audited(text.replace("optax.sgd", "optax.lion")).program
