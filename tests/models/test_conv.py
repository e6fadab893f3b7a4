# the forms of a convolution are compared with each other, so their modules are imported here
import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from comparing import assert_close, at, second_derivatives
from jax import lax
from refusing import assert_refused

from paramjax.models import Conv
from paramjax.models._convolution import convolve
from paramjax.models._convolution_forms import (
    convolve_as_matmul,
    convolve_by_lax,
    convolve_in_chunks,
    correlate_as_matmul,
    correlate_by_lax,
    correlate_in_chunks,
    window,
)

WINDOW = window((3, 2), ((1, 1), (1, 0)))


@pytest.fixture(scope="module")
def operands():
    """Images that are not square, and kernels of odd height and even width for three runs."""
    keys = jax.random.split(jax.random.key(1), 2)
    x = jax.random.normal(keys[0], (3, 2, 5, 4, 3))
    return x, 0.3 * jax.random.normal(keys[1], (3, 3, 2, 3, 4))


def bent(conv):
    """A loss whose second derivatives are not zero."""
    return lambda x, kernel: jnp.sum(jnp.sin(conv(x, kernel, WINDOW)))


def product(conv):
    """The product of the Hessian with a vector, forward over reverse."""
    gradient = jax.grad(bent(conv), (0, 1))
    return lambda x, kernel: jax.jvp(gradient, (x, kernel), (x + 1, 2 * kernel))[1]


def both(function, *operands):
    """A function of our convolution and of lax's, each compiled, and equal."""
    assert_close(*(jax.jit(function(conv))(*operands) for conv in (convolve, convolve_by_lax)))


def geometry(shape, kernel_size, **options):
    return shape, {"kernel_size": kernel_size, **options}


GEOMETRIES = {
    "square kernel": geometry((7, 6, 3), (3, 3)),
    "flat kernel": geometry((5, 6, 3), (1, 4)),
    "no zeros": geometry((7, 6, 3), (5, 2), padding="VALID"),
    "strides": geometry((7, 6, 4), (3, 3), strides=(2, 3)),
    "strides that leave rows out": geometry((8, 6, 4), (3, 2), strides=(2, 2), padding="VALID"),
    "dilation and pads": geometry(
        (8, 7, 4), (3, 2), kernel_dilation=(2, 3), padding=((0, 3), (2, -1))
    ),
    "groups": geometry((5, 6, 4), (3, 3), feature_group_count=2),
    "depthwise": geometry((5, 6, 4), (3, 3), feature_group_count=4),
    "depthwise, strides": geometry((6, 5, 2), (3, 3), strides=(2, 2), feature_group_count=2),
    "sequences": geometry((9, 4), (4,), strides=(2,), kernel_dilation=(2,)),
    "volumes, no bias": geometry((4, 5, 3, 2), (3, 2, 2), strides=(1, 2, 1), use_bias=False),
}


FEW = ("square kernel", "depthwise, strides")


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        pytest.param(*form, id=name, marks=() if name in FEW else pytest.mark.slow)
        for name, form in GEOMETRIES.items()
    ],
)
def test_every_geometry_equals_flax_with_all_derivatives(key, shape, options):
    """Values, gradients and Hessian-vector products, of a single run and of a population."""
    x = jax.random.normal(key, (2, 4, *shape))
    ours, theirs = Conv(4, **options), nn.Conv(4, **options)
    params = jax.jit(jax.vmap(ours.init, (0, None)))(jax.random.split(key), x[0])
    assert jax.eval_shape(ours.init, key, x[0]) == jax.eval_shape(theirs.init, key, x[0])
    alone = jax.jit(second_derivatives(theirs.apply))
    expected = [alone(*at((params, x), i)) for i in range(2)]
    assert_close(jax.jit(second_derivatives(ours.apply))(*at((params, x), 0)), expected[0])
    together = jax.jit(jax.vmap(second_derivatives(ours.apply)))(params, x)
    for i in range(2):
        assert_close(at(together, i), expected[i])


def test_first_values_are_those_of_flax(key):
    x = jnp.zeros((1, 5, 4, 3))
    ours, theirs = (layer(4, (3, 2)).init(key, x) for layer in (Conv, nn.Conv))
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)


@pytest.mark.parametrize(
    "derivative",
    [
        lambda conv: lambda x, k: jax.jvp(bent(conv), (x, k), (x + 1, 2 * k)),
        lambda conv: jax.grad(lambda x, k: sum(map(jnp.sum, product(conv)(x, k))), (0, 1)),
        lambda conv: jax.grad(jax.checkpoint(bent(conv)), (0, 1)),
    ],
    ids=["forward", "gradient of hessian-vector", "checkpoint"],
)
def test_derivatives_of_every_kind_equal_lax(operands, derivative):
    both(derivative, *at(operands, 0))


@pytest.mark.parametrize("axes", [(None, 0), (0, None)], ids=["kernels", "images"])
def test_a_population_equals_its_runs_and_what_it_shares_gets_the_sum(operands, axes):
    shared = [v if axis == 0 else v[0] for v, axis in zip(operands, axes, strict=True)]
    run = lambda conv: lambda x, k: (conv(x, k, WINDOW), product(conv)(x, k))
    together = jax.jit(jax.vmap(run(convolve), axes))(*shared)
    alone = jax.jit(run(convolve_by_lax))
    for i in range(3):
        own = (v[i] if axis == 0 else v for v, axis in zip(shared, axes, strict=True))
        assert_close(at(together, i), alone(*own))
    total = lambda conv: lambda x, k: jnp.sum(jax.vmap(bent(conv), axes)(x, k))
    both(lambda conv: jax.grad(total(conv), (0, 1)), *shared)


@pytest.mark.parametrize(
    ("inner", "outer"),
    [
        ((0, None), (None, 0)),
        ((None, 0), (0, 0)),
        pytest.param((None, 0), (0, None), marks=pytest.mark.slow),
        pytest.param((0, 0), (None, 0), marks=pytest.mark.slow),
    ],
)
def test_populations_of_populations(operands, inner, outer):
    x, kernel = operands
    kernel = jnp.stack([kernel, 2 * kernel, -kernel]) if inner[1] == outer[1] == 0 else kernel
    run = lambda conv: lambda x, k: (conv(x, k, WINDOW), jax.grad(bent(conv), 1)(x, k))
    both(lambda conv: jax.vmap(jax.vmap(run(conv), inner), outer), x, kernel)


def test_inside_scan_and_while(operands):
    def run(conv):
        def loops(x, kernel):
            step = lambda k, _: (k - 0.1 * jax.grad(bent(conv), 1)(x, k), None)
            scanned = lax.scan(step, kernel, length=2)[0]
            return scanned, lax.fori_loop(0, 2, lambda _, k: step(k, None)[0], kernel)

        return loops

    both(run, *at(operands, 0))


def test_every_form_computes_the_same_and_can_be_passed(operands):
    x, kernel = operands[0].reshape(6, 5, 4, 3), operands[1][0]
    expected = convolve_by_lax(x, kernel, WINDOW)
    assert_close(convolve_as_matmul(x, kernel, WINDOW), expected)
    for pixels in (1, 40, 1000):
        assert_close(convolve_in_chunks(x, kernel, WINDOW, pixels), expected)
    for g in (jnp.cos(expected), jnp.concatenate([jnp.cos(expected)] * 6, axis=-1)):
        for form in (correlate_as_matmul, correlate_in_chunks):
            assert_close(form(x, g, WINDOW), correlate_by_lax(x, g, WINDOW))
        assert_close(correlate_in_chunks(x, g, WINDOW, 40), correlate_by_lax(x, g, WINDOW))
    params = Conv(3).init(jax.random.key(0), x)
    other = Conv(3, convolve=convolve_as_matmul)
    assert_close(other.apply(params, x), Conv(3).apply(params, x))


@pytest.mark.parametrize("groups", [1, 2])
def test_the_gradient_of_no_images_is_zero(groups):
    layer = Conv(4, feature_group_count=groups)
    params = layer.init(jax.random.key(0), jnp.ones((1, 3, 3, 4)))
    gradient = jax.jit(jax.grad(lambda params, x: layer.apply(params, x).sum()))(
        params, jnp.ones((0, 3, 3, 4))
    )
    chex.assert_trees_all_equal(gradient, jax.tree.map(jnp.zeros_like, params))


@pytest.mark.parametrize("platform", ["cpu", "cuda", "rocm", "tpu"])
def test_each_platform_gets_its_form_when_it_is_compiled_for(operands, platform):
    """A single run is a convolution everywhere; a GPU's population is matmuls only."""
    x, kernel = operands
    step = jax.grad(bent(convolve), (0, 1))
    alone, many = (
        jax.jit(f).trace(a, k).lower(lowering_platforms=(platform,)).as_text()
        for f, a, k in ((step, x[0], kernel[0]), (jax.vmap(step), x, kernel))
    )
    gpu = platform in ("cuda", "rocm")
    assert "stablehlo.convolution" in alone
    assert ("stablehlo.convolution" in many) is not gpu
    assert ("feature_group_count = 3" in many) is (platform == "tpu")
    # the slow transpose of a CPU is the convolution over the batch, "f" from axis 0
    assert ("[f, 0, 1, b]" in alone) is (platform != "cpu")


def test_half_precision_sums_in_single(key):
    """256 ones: summed in bfloat16 they stop at 256; beyond, single precision is needed."""
    x = jnp.ones((4, 16, 16, 8), jnp.bfloat16)
    model = Conv(2, (1, 1))
    params = model.init(key, x)
    assert model.apply(params, x).dtype == jnp.bfloat16
    grads = jax.jit(jax.grad(lambda p: model.apply(p, x).astype(jnp.float32).sum()))(params)
    assert grads["params"]["kernel"].dtype == jnp.float32
    np.testing.assert_array_equal(grads["params"]["kernel"], 1024.0)


def test_what_is_refused(key):
    assert_refused(
        lambda shape=(1, 4, 4, 3), **options: Conv(2, **options).init(key, jnp.zeros(shape)),
        (((4, 4, 1),), ValueError, r"expected images \[batch, height, width, channels\]"),
        ({"padding": "FULL"}, ValueError, "unknown padding 'FULL'"),
        ({"padding": ((1, 1),)}, ValueError, "padding: expected 2 pairs of numbers"),
        ({"kernel_size": (1,) * 4}, ValueError, "kernel_size: expected one to three sides"),
        ({"kernel_size": 3}, ValueError, r"kernel_size: expected its sides, .* got 3"),
        ({"strides": 2}, ValueError, r"strides: expected one for each side, \(2, 2\), got 2"),
        ({"feature_group_count": 2}, ValueError, "a divisor of 3 channels and 2 fea"),
        (
            {"strides": (0, 1)},
            ValueError,
            r"strides: expected 2 whole numbers from 1 on, got \(0, 1\)",
        ),
        ({"kernel_dilation": (2,)}, ValueError, "kernel_dilation: expected 2 whole numbers"),
        ({"kernel_size": (5, 5), "padding": "VALID"}, ValueError, "no smaller than"),
    )
    with pytest.raises(TypeError, match="expected floating-point images, got uint8"):
        Conv(2).init(key, jnp.zeros((1, 4, 4, 1), jnp.uint8))
    with pytest.raises(TypeError, match="features: expected a whole number, got float 2.5"):
        Conv(2.5).init(key, jnp.zeros((1, 4, 4, 1)))
