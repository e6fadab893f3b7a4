import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.ad_checkpoint import checkpoint_name

from paramjax.losses import remat

DEPTH, WIDTH, BATCH = 8, 32, 256
PARAMS = [jnp.full((WIDTH, WIDTH), 0.01 * (i + 1)) for i in range(DEPTH)]
X = jnp.linspace(-1, 1, BATCH * WIDTH).reshape(BATCH, WIDTH)
POLICIES = jax.checkpoint_policies


def chain(params, batch, key):
    """A chain of layers that marks every second one as the end of a block."""
    h = batch
    for layer, w in enumerate(params):
        h = jax.nn.gelu(h @ w)
        h = checkpoint_name(h, "block") if layer % 2 else h
    return jnp.mean(jnp.square(h)), {"largest": h.max()}


def compiled(loss_fn):
    step = jax.jit(jax.value_and_grad(loss_fn, has_aux=True)).lower(PARAMS, X, None)
    # a CPU's default order of instructions trades memory for concurrency
    memory = {"xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED"}
    return step.compile(compiler_options=memory if jax.default_backend() == "cpu" else None)


def temporary(program):
    return program.memory_analysis().temp_size_in_bytes


@pytest.fixture(scope="module")
def plain():
    return compiled(chain)


@pytest.mark.parametrize(
    ("policy", "share"),
    [
        # a gelu keeps several arrays of the batch; with a policy one a layer stays, or one in two
        pytest.param(POLICIES.dots_saveable, 0.6, id="default"),
        pytest.param(POLICIES.save_only_these_names("block"), 0.6, id="named-blocks"),
    ],
)
def test_temporary_memory_goes_down_and_the_gradient_stays(plain, policy, share):
    program = compiled(remat(chain, policy))
    assert temporary(program) < share * temporary(plain)
    (loss, metrics), grads = program(PARAMS, X, None)
    (expected, largest), expected_grads = plain(PARAMS, X, None)
    np.testing.assert_allclose(loss, expected, rtol=1e-6)
    np.testing.assert_allclose(metrics["largest"], largest["largest"], rtol=1e-6)
    for ours, theirs in zip(grads, expected_grads, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-9)


def test_keeping_nothing_of_a_whole_loss_saves_nothing(plain):
    assert temporary(compiled(remat(chain, None))) > 0.8 * temporary(plain)


def test_the_default_policy_computes_no_matrix_product_again():
    def products(loss_fn):
        text = str(jax.make_jaxpr(jax.grad(loss_fn, has_aux=True))(PARAMS, X, None))
        return text.count("dot_general[")

    assert products(remat(chain)) == products(chain)
    assert products(remat(chain, None)) > products(chain)


def test_stateful_losses_keep_their_form(key):
    def loss_fn(params, model_state, batch, key):
        noise = jax.random.normal(key, batch.shape)
        return jnp.sum(params * (batch + noise)), (model_state + 1, {"seen": model_state})

    grad = jax.grad(remat(loss_fn), has_aux=True)
    grads, (model_state, metrics) = grad(jnp.ones(3), jnp.int32(4), jnp.ones(3), key)
    np.testing.assert_allclose(grads, 1 + jax.random.normal(key, (3,)), rtol=1e-6)
    assert (int(model_state), int(metrics["seen"])) == (5, 4)


def test_losses_and_policies_are_functions():
    with pytest.raises(TypeError, match="remat: loss_fn: expected a function, got float"):
        remat(3.0)
    with pytest.raises(TypeError, match="remat: policy: expected a function such as .*got str"):
        remat(chain, "dots")
