import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from paramjax.models import Conv
from paramjax.models._convolution import convolve
from paramjax.models._convolution_forms import (
    convolve_as_matmul,
    convolve_by_lax,
    convolve_on_cpu,
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


def close(ours, theirs, atol=1e-5):
    """Equal to 1e-5 of the largest value: sums of up to a hundred terms in another order."""

    def check(a, b):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, atol=atol * max(1.0, float(jnp.abs(b).max())))

    jax.tree.map(check, ours, theirs)


def bent(conv):
    """A loss whose second derivatives are not zero."""
    return lambda x, kernel: jnp.sum(jnp.sin(conv(x, kernel, WINDOW)))


def product(conv):
    """The product of the Hessian with a vector, forward over reverse."""

    def hvp(x, kernel):
        return jax.jvp(jax.grad(bent(conv), (0, 1)), (x, kernel), (x + 1, 2 * kernel))[1]

    return hvp


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("kernel_size", [(3, 3), (5, 2), (1, 4)])
def test_conv_equals_flax_and_so_do_its_gradients(key, kernel_size, padding):
    x = jax.random.normal(key, (2, 7, 6, 3))
    ours, theirs = Conv(4, kernel_size, padding=padding), nn.Conv(4, kernel_size, padding=padding)
    params = ours.init(key, x)
    close(params, theirs.init(key, x), atol=0)
    loss = lambda model: lambda p, x: jnp.sum(jnp.sin(model.apply(p, x)))
    close(ours.apply(params, x), theirs.apply(params, x))
    both = [jax.jit(jax.grad(loss(model), (0, 1)))(params, x) for model in (ours, theirs)]
    close(*both)


@pytest.mark.parametrize(
    "derivative",
    [
        lambda conv: lambda x, k: jax.jvp(bent(conv), (x, k), (x + 1, 2 * k)),
        product,
        lambda conv: jax.grad(lambda x, k: sum(map(jnp.sum, product(conv)(x, k))), (0, 1)),
    ],
    ids=["jvp", "hessian-vector", "gradient of hessian-vector"],
)
def test_derivatives_of_every_kind_equal_lax(operands, derivative):
    x, kernel = operands[0][0], operands[1][0]
    ours, theirs = (jax.jit(derivative(conv))(x, kernel) for conv in (convolve, convolve_by_lax))
    close(ours, theirs)


@pytest.mark.parametrize("axes", [(None, 0), (0, None), (0, 0)], ids=["kernels", "images", "both"])
def test_a_population_equals_its_runs(operands, axes):
    x, kernel = (v if axis == 0 else v[0] for v, axis in zip(operands, axes, strict=True))
    pick = lambda i: [v[i] if axis == 0 else v for v, axis in zip((x, kernel), axes, strict=True)]
    functions = lambda conv: (
        lambda x, k: (conv(x, k, WINDOW), jax.grad(bent(conv), (0, 1))(x, k), product(conv)(x, k))
    )
    together = jax.jit(jax.vmap(functions(convolve), axes))(x, kernel)
    alone = jax.jit(functions(convolve_by_lax))
    for i in range(3):
        close(jax.tree.map(lambda leaf, i=i: leaf[i], together), alone(*pick(i)))


@pytest.mark.parametrize("axes", [(None, 0), (0, None)], ids=["kernels", "images"])
def test_the_gradient_of_what_a_population_shares_is_the_sum(operands, axes):
    shared = [v if axis == 0 else v[0] for v, axis in zip(operands, axes, strict=True)]
    total = lambda conv: lambda x, k: jnp.sum(jax.vmap(bent(conv), axes)(x, k))
    ours, theirs = (
        jax.jit(jax.grad(total(conv), (0, 1)))(*shared) for conv in (convolve, convolve_by_lax)
    )
    close(ours, theirs)


@pytest.mark.parametrize(
    ("inner", "outer"),
    [((None, 0), (0, None)), ((0, None), (None, 0)), ((0, 0), (None, 0)), ((None, 0), (0, 0))],
)
def test_populations_of_populations(operands, inner, outer):
    x, kernel = operands
    x = x[0] if inner[0] is outer[0] is None else x
    kernel = jnp.stack([kernel, 2 * kernel, -kernel]) if inner[1] == outer[1] == 0 else kernel
    run = lambda conv: lambda x, k: (conv(x, k, WINDOW), jax.grad(bent(conv), 1)(x, k))
    ours, theirs = (
        jax.jit(jax.vmap(jax.vmap(run(conv), inner), outer))(x, kernel)
        for conv in (convolve, convolve_by_lax)
    )
    close(ours, theirs)


GEOMETRIES = {
    "strides": ((7, 6, 4), {"kernel_size": (3, 3), "strides": (2, 3)}),
    "strides that leave rows out": (
        (8, 6, 4),
        {"kernel_size": (3, 2), "strides": (2, 2), "padding": "VALID"},
    ),
    "dilation": ((8, 7, 4), {"kernel_size": (3, 2), "kernel_dilation": (2, 3)}),
    "pads": ((5, 6, 4), {"kernel_size": (3, 2), "padding": ((0, 3), (2, -1))}),
    "groups": ((5, 6, 4), {"kernel_size": (3, 3), "feature_group_count": 2}),
    "depthwise": ((5, 6, 4), {"kernel_size": (3, 3), "feature_group_count": 4}),
    "depthwise, strides": (
        (6, 5, 2),
        {"kernel_size": (3, 3), "strides": (2, 2), "feature_group_count": 2},
    ),
    "sequences": ((9, 4), {"kernel_size": (4,), "strides": (2,), "kernel_dilation": (2,)}),
    "volumes": ((4, 5, 3, 2), {"kernel_size": (3, 2, 2), "strides": (1, 2, 1)}),
    "no bias": ((5, 5, 4), {"kernel_size": (3, 3), "use_bias": False}),
}


@pytest.mark.parametrize(("shape", "options"), GEOMETRIES.values(), ids=GEOMETRIES)
def test_every_geometry_equals_flax_with_all_derivatives(key, shape, options):
    """Values, gradients and Hessian-vector products, alone and as a population of two."""
    x = jax.random.normal(key, (2, 4, *shape))
    ours, theirs = Conv(4, **options), nn.Conv(4, **options)
    params = jax.vmap(ours.init, (0, None))(jax.random.split(key), x[0])
    close(params, jax.vmap(theirs.init, (0, None))(jax.random.split(key), x[0]), atol=0)

    def all_of(model):
        loss = lambda p, x: jnp.sum(jnp.sin(model.apply(p, x)))

        def derivatives(p, x):
            gradient = jax.grad(loss, (0, 1))
            return model.apply(p, x), jax.jvp(gradient, (p, x), (jax.tree.map(jnp.cos, p), x + 1))

        return derivatives

    lanes = [jax.tree.map(lambda leaf, i=i: leaf[i], (params, x)) for i in range(2)]
    alone = jax.jit(all_of(theirs))
    close(jax.jit(all_of(ours))(*lanes[0]), alone(*lanes[0]))
    together = jax.jit(jax.vmap(all_of(ours)))(params, x)
    for i in range(2):
        close(jax.tree.map(lambda leaf, i=i: leaf[i], together), alone(*lanes[i]))


def test_the_gradient_equals_finite_differences(key):
    """Central differences; float32 over a step of 1e-2 leaves three digits."""
    x = jax.random.normal(key, (2, 5, 6, 4))
    model = Conv(4, (3, 2), strides=(2, 1), feature_group_count=2)
    params = model.init(key, x)
    loss = jax.jit(lambda p: jnp.mean(jnp.sin(model.apply(p, x))))
    direction = jax.tree.map(lambda leaf: jnp.cos(7 * leaf), params)
    moved = lambda step: jax.tree.map(lambda p, d: p + step * d, params, direction)
    slope = (loss(moved(1e-2)) - loss(moved(-1e-2))) / 2e-2
    products = jax.tree.map(jnp.vdot, jax.grad(loss)(params), direction)
    np.testing.assert_allclose(sum(jax.tree.leaves(products)), slope, rtol=1e-3)


def test_checkpoint_computes_the_same_again(operands):
    x, kernel = operands[0][0], operands[1][0]
    plain, again = bent(convolve), jax.checkpoint(bent(convolve))
    close(*(jax.jit(jax.grad(f, (0, 1)))(x, kernel) for f in (again, plain)))


def test_every_form_computes_the_same(operands):
    x, kernel = operands[0].reshape(6, 5, 4, 3), operands[1][0]
    close(convolve_as_matmul(x, kernel, WINDOW), convolve_by_lax(x, kernel, WINDOW))
    g = jnp.cos(convolve_by_lax(x, kernel, WINDOW))
    close(convolve_on_cpu(x, kernel, WINDOW), convolve_by_lax(x, kernel, WINDOW))
    for form in (correlate_as_matmul, correlate_in_chunks):
        close(form(x, g, WINDOW), correlate_by_lax(x, g, WINDOW))
        wide = jnp.concatenate([g] * 6, axis=-1)
        close(form(x, wide, WINDOW), correlate_by_lax(x, wide, WINDOW))


@pytest.mark.parametrize("platform", ["cpu", "cuda", "rocm", "tpu"])
def test_each_platform_gets_its_form_when_it_is_compiled_for(operands, platform):
    """A lone run is a convolution everywhere; a GPU's population is matmuls only."""
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


def test_conv_inside_scan_and_while(operands):
    x, kernel = operands[0][0], operands[1][0]

    def run(conv):
        def step(k, _):
            return k - 0.1 * jax.grad(bent(conv), 1)(x, k), None

        scanned = lax.scan(step, kernel, length=2)[0]
        return scanned, lax.fori_loop(0, 2, lambda _, k: step(k, None)[0], kernel)

    close(jax.jit(lambda: run(convolve))(), jax.jit(lambda: run(convolve_by_lax))())


def test_another_form_can_be_passed(key):
    x = jax.random.normal(key, (1, 4, 4, 2))
    params = Conv(3).init(key, x)
    close(Conv(3, convolve=convolve_as_matmul).apply(params, x), Conv(3).apply(params, x))


def test_what_is_refused(key):
    with pytest.raises(ValueError, match=r"expected images \[batch, height, width, channels\]"):
        Conv(2).init(key, jnp.zeros((4, 4, 1)))
    with pytest.raises(TypeError, match="expected floating-point images, got uint8"):
        Conv(2).init(key, jnp.zeros((1, 4, 4, 1), jnp.uint8))
    with pytest.raises(ValueError, match="unknown padding 'FULL'"):
        Conv(2, padding="FULL").init(key, jnp.zeros((1, 4, 4, 1)))
    x = jnp.zeros((1, 4, 4, 3))
    for options, message in (
        ({"kernel_size": (1, 1, 1, 1)}, "kernel_size: expected one to three sides"),
        ({"feature_group_count": 2}, "expected a divisor of 3 channels and 2 features, got 2"),
        ({"strides": (0, 1)}, r"strides: expected 2 whole numbers from 1 on, got \(0, 1\)"),
        ({"kernel_dilation": (2,)}, "kernel_dilation: expected 2 whole numbers"),
        ({"padding": ((1, 1),)}, "padding: expected 2 pairs of numbers"),
    ):
        with pytest.raises(ValueError, match=message):
            Conv(2, **options).init(key, x)
    with pytest.raises(ValueError, match="no smaller than the kernel"):
        Conv(2, (5, 5), padding="VALID").init(key, jnp.zeros((1, 4, 8, 1)))
