import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.ad_checkpoint import checkpoint_name

import paramjax as pj
from paramjax.losses import frozen, remat

PARAMS = {
    "encoder": {"kernel": jnp.full((3, 4), 0.1), "bias": jnp.full((4,), 0.2)},
    "head": {"kernel": jnp.full((4, 2), 0.3)},
}
X = jnp.linspace(-1, 1, 15).reshape(5, 3)
DEPTH, WIDTH, BATCH = 8, 32, 256
LAYERS = [jnp.full((WIDTH, WIDTH), 0.01 * (i + 1)) for i in range(DEPTH)]
ROWS = jnp.linspace(-1, 1, BATCH * WIDTH).reshape(BATCH, WIDTH)
POLICIES = jax.checkpoint_policies


def network(params, batch, key):
    bias = jnp.broadcast_to(params["encoder"]["bias"], (5, 4))
    h = jnp.tanh(batch @ params["encoder"]["kernel"] + bias)
    return jnp.mean(jnp.square(h @ params["head"]["kernel"])), {}


def products(loss_fn, params=PARAMS, batch=X):
    jaxpr = jax.make_jaxpr(jax.grad(loss_fn, has_aux=True))(params, batch, None)
    return str(jaxpr).count("dot_general[")


def test_frozen_leaves_have_no_gradient_and_cost_no_backward_pass():
    held = frozen(network, "encoder/.*")
    grads, expected = (jax.grad(f, has_aux=True)(PARAMS, X, None)[0] for f in (held, network))
    assert not any(jnp.any(leaf) for leaf in jax.tree.leaves(grads["encoder"]))
    np.testing.assert_allclose(grads["head"]["kernel"], expected["head"]["kernel"], rtol=1e-6)
    assert jax.tree.map(jnp.shape, grads) == jax.tree.map(jnp.shape, PARAMS)
    # 2 products forward; backward 1 for the head's kernel, 1 for its input, 1 for the encoder's
    assert (products(network), products(held)) == (5, 3)


@pytest.mark.parametrize("held", [True, False], ids=["held", "decayed"])
def test_only_the_optimizer_can_hold_frozen_leaves(held, key):
    decaying = optax.adamw(0.1, weight_decay=0.1)
    parts = {"encoder/.*": optax.set_to_zero(), ".*": decaying}
    tx = pj.optim.by_path(parts) if held else decaying
    trainer = pj.train_step(frozen(network, "encoder/.*"), tx)
    state, _ = jax.jit(trainer.step)(trainer.init(key, PARAMS), X)
    np.testing.assert_allclose(state.params["encoder"]["bias"], 0.2 if held else 0.2 * 0.99)
    assert not jnp.any(state.params["head"]["kernel"] == 0.3)


@pytest.mark.parametrize("wrap", [lambda loss_fn: frozen(loss_fn, "a"), remat], ids=["f", "r"])
def test_stateful_losses_keep_their_form(wrap, key):
    def loss_fn(params, model_state, batch, key):
        noise = jax.random.normal(key)
        return params["a"] * params["b"] * noise, (model_state + 1, {"seen": model_state})

    params = {"a": jnp.float32(2.0), "b": jnp.float32(3.0)}
    grads, (state, metrics) = jax.grad(wrap(loss_fn), has_aux=True)(params, 4, None, key)
    assert (int(state), int(metrics["seen"])) == (5, 4)
    np.testing.assert_allclose(grads["b"], 2 * jax.random.normal(key), rtol=1e-6)


def chain(params, batch, key):
    """Layers of which every second one is marked as the end of a block."""
    h = batch
    for layer, w in enumerate(params):
        h = jax.nn.gelu(h @ w)
        h = checkpoint_name(h, "block") if layer % 2 else h
    return jnp.mean(jnp.square(h)), {"largest": h.max()}


def compiled(loss_fn):
    step = jax.jit(jax.value_and_grad(loss_fn, has_aux=True)).lower(LAYERS, ROWS, None)
    # a CPU's default order of instructions trades memory for concurrency
    memory = {"xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED"}
    return step.compile(compiler_options=memory if jax.default_backend() == "cpu" else None)


@pytest.fixture(scope="module")
def plain():
    return compiled(chain)


@pytest.mark.parametrize(
    ("policy", "low", "high"),
    [
        # a gelu keeps several arrays of the batch; with a policy one a layer stays, or one in two
        pytest.param(POLICIES.dots_saveable, 0.0, 0.6, id="default"),
        pytest.param(POLICIES.save_only_these_names("block"), 0.0, 0.6, id="named blocks"),
        pytest.param(None, 0.8, 2.0, id="nothing saved of a whole loss saves no memory"),
    ],
)
def test_temporary_memory_goes_down_and_the_gradient_stays(plain, policy, low, high):
    program = compiled(remat(chain, policy))
    new, old = (p.memory_analysis().temp_size_in_bytes for p in (program, plain))
    assert low < new / old < high
    ours, theirs = program(LAYERS, ROWS, None), plain(LAYERS, ROWS, None)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-9), ours, theirs)


def test_the_default_policy_recomputes_no_matrix_product():
    assert products(remat(chain), LAYERS, ROWS) == products(chain, LAYERS, ROWS)
    assert products(remat(chain, None), LAYERS, ROWS) > products(chain, LAYERS, ROWS)


def test_what_is_refused():
    with pytest.raises(ValueError, match="frozen: pattern 'encoder' matches no leaf.*encoder/bias"):
        frozen(network, "encoder")(PARAMS, X, None)
    with pytest.raises(TypeError, match="frozen: expected a pattern"):
        frozen(network, None)
    with pytest.raises(TypeError, match="remat: loss_fn: expected a function, got float"):
        remat(3.0)
    with pytest.raises(TypeError, match="remat: policy: expected a function such as .*got str"):
        remat(chain, "dots")
