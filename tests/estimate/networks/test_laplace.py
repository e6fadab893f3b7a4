"""Bayesian linear regression is exact; networks are held against brute-force Jacobians."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import linalg, optimize, stats
from scipy.special import expit, softmax

import paramjax as pj
from paramjax.estimate import (
    categorical,
    diagonal,
    full,
    gaussian,
    kronecker,
    laplace,
    last_layer,
    low_rank,
    mean_field,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 3)).astype(np.float32)
NEW = RNG.normal(size=(7, 3)).astype(np.float32)
KEY = jax.random.key(0)


def affine(params, x):
    return x @ params["w"] + params["b"][None]


def with_one(x):
    """The columns of the affine map as a linear one, the bias first as among the leaves."""
    return np.hstack([np.ones((len(x), 1)), np.asarray(x, np.float64)])


def regression(precision=None, noise=None):
    """The maximum a posteriori, and the precision and noise of MacKay's fixed point."""
    y = X @ [1.0, -2.0, 0.5] + 0.3 + 0.4 * RNG.normal(size=30)
    design, fixed = with_one(X), (precision, noise)
    precision, noise = precision or 1.0, noise or 1.0
    for _ in range(500):
        h = design.T @ design / noise**2 + precision * np.eye(4)
        theta = np.linalg.solve(h, design.T @ y) / noise**2
        gamma = 4 - precision * np.trace(np.linalg.inv(h))
        precision = fixed[0] or gamma / (theta @ theta)
        noise = fixed[1] or np.sqrt(((y - design @ theta) ** 2).sum() / (30 - gamma))
    return y, theta, h, precision, noise


def as_params(theta):
    theta = jnp.asarray(theta, jnp.float32)
    return {"b": theta[:1], "w": theta[1:, None]}


@pytest.mark.parametrize("structure", [full(), kronecker()], ids=["full", "kronecker"])
def test_linear_regression_is_exact(structure):
    """Posterior, predictive and evidence are those of Bishop (2006, sections 3.3 and 3.5)."""
    y, theta, h, precision, noise = regression()
    data = {"x": X, "y": y}
    found = laplace(affine, as_params(theta), data, likelihood=gaussian(), structure=structure)
    assert found.prior_precision == pytest.approx(precision, rel=1e-4)
    assert found.noise == pytest.approx(noise, rel=1e-5)
    covariance = with_one(X) @ with_one(X).T / precision + noise**2 * np.eye(30)
    evidence = stats.multivariate_normal(np.zeros(30), covariance).logpdf(y)
    assert found.log_marginal_likelihood == pytest.approx(evidence, rel=1e-5)
    new = found.predict(NEW)
    spread = np.sqrt(np.einsum("np,pq,nq->n", with_one(NEW), np.linalg.inv(h), with_one(NEW)))
    np.testing.assert_allclose(new.spread[:, 0], spread, rtol=1e-4)
    np.testing.assert_allclose(new.mean[:, 0], with_one(NEW) @ theta, rtol=1e-5, atol=1e-6)
    low, high = new.interval(0.9)
    half = stats.norm.ppf(0.95) * np.sqrt(spread**2 + noise**2)
    np.testing.assert_allclose((high - low)[:, 0] / 2, half, rtol=1e-4)
    assert "30 rows, which determine 3.9" in repr(found)
    with pytest.raises(ValueError, match=r"got \[nan\] of row 5"):
        found.predict(np.where(np.arange(7) == 5, np.nan, 1)[:, None] * NEW)
    with pytest.raises(TypeError, match="link: expected mean_field, probit"):
        found.predict(NEW, link="probit")
    # the mean stays, so the density of few new rows far from it asks for more variance
    far = new.mean[:, 0] + np.array([2, -2, 1.5, 3, -1, 2, 1.0])
    hessian = with_one(X).T @ with_one(X) / noise**2

    def missed(log):
        covariance = np.linalg.inv(hessian + np.exp(log) * np.eye(4))
        variance = np.einsum("np,pq,nq->n", with_one(NEW), covariance, with_one(NEW)) + noise**2
        return -stats.norm.logpdf(far, new.mean[:, 0], np.sqrt(variance)).sum()

    expected = optimize.minimize_scalar(missed, bounds=(np.log(1e-4), np.log(1e6)))
    tuned = found.tuned({"x": NEW, "y": far})
    assert np.log(tuned.prior_precision) == pytest.approx(expected.x, abs=0.05)
    same = found.evidence.value(tuned.prior_precision, found.noise)
    assert tuned.log_marginal_likelihood == same < found.log_marginal_likelihood


def test_logistic_regression_has_the_inverse_hessian():
    """Minka (2003): for a single logit the Hessian is X^T diag(p (1 - p)) X + delta I."""
    theta = np.array([0.2, 1.0, -1.0, 0.5])
    chance = expit(with_one(X) @ theta)
    y = (RNG.random(30) < chance).astype(int)
    h = with_one(X).T @ (with_one(X) * (chance * (1 - chance))[:, None]) + 2 * np.eye(4)
    found = laplace(
        affine, as_params(theta), {"x": X, "y": y}, likelihood=categorical(),
        structure=low_rank(4, KEY), prior_precision=2.0, batch_size=8,
    )  # fmt: skip
    evidence = stats.bernoulli(chance).logpmf(y).sum() - theta @ theta
    evidence -= 0.5 * np.linalg.slogdet(h / 2)[1]
    assert found.log_marginal_likelihood == pytest.approx(evidence, rel=1e-5)
    new = found.predict(NEW, link=mean_field)
    variance = np.einsum("np,pq,nq->n", with_one(NEW), np.linalg.inv(h), with_one(NEW))
    np.testing.assert_allclose(new.covariance[:, 0, 0], variance, rtol=1e-4)
    moderated = with_one(NEW) @ theta / np.sqrt(1 + np.pi * variance / 8)  # MacKay's kappa
    np.testing.assert_allclose(new.logits, moderated, rtol=1e-4)
    np.testing.assert_allclose(new.probabilities, expit(moderated), rtol=1e-4)
    drawn = found.sample(KEY, 20_000)
    flat = np.hstack([np.asarray(drawn["b"]), np.asarray(drawn["w"])[..., 0]])
    # five standard errors of a covariance of 20,000 draws
    np.testing.assert_allclose(np.cov(flat.T), np.linalg.inv(h), atol=0.05 * 0.5)
    np.testing.assert_allclose(flat.mean(axis=0), theta, atol=0.03)


@pytest.fixture(scope="module")
def network():
    """A network of two layers with what brute force says of it, in float64."""
    shapes = {"a": {"kernel": (3, 4), "bias": (4,)}, "b": {"kernel": (4, 3)}}
    drawn = jax.tree.map(lambda s: RNG.normal(size=s), shapes, is_leaf=lambda s: type(s) is tuple)
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), drawn)
    w, b, v = drawn["a"]["kernel"], drawn["a"]["bias"], drawn["b"]["kernel"]
    hidden = np.tanh(X @ w + b)
    chance = softmax(hidden @ v, axis=1)
    slope = 1 - hidden**2
    by_bias = np.einsum("hc,nh->nch", v, slope)  # [n, outputs, hidden]
    by_kernel = np.einsum("nch,ni->ncih", by_bias, X)
    by_last = np.einsum("nh,cd->nchd", hidden, np.eye(3))
    parts = (by_bias, by_kernel, by_last)
    jacobian = np.concatenate([part.reshape(30, 3, -1) for part in parts], axis=2)
    curved = np.stack([np.diag(p) - np.outer(p, p) for p in chance])
    ggn = np.einsum("ncp,ncd,ndq->pq", jacobian, curved, jacobian)
    one = np.hstack([X, np.ones((30, 1))])
    first = np.kron(one.T @ one / 30, np.einsum("nch,ncd,ndk->hk", by_bias, curved, by_bias))
    order = np.r_[12:16, :12]  # the bias, the last row of the layer, is the first leaf
    second = np.kron(hidden.T @ hidden / 30, curved.sum(axis=0))
    factored = linalg.block_diag(first[np.ix_(order, order)], second)
    y = np.array([RNG.choice(3, p=p) for p in chance])
    fit = np.log(chance[np.arange(30), y]).sum()
    return params, {"x": X, "y": y}, ggn, factored, jacobian, fit


def two_layers(params, x):
    return jnp.tanh(x @ params["a"]["kernel"] + params["a"]["bias"][None]) @ params["b"]["kernel"]


def check(found, h, jacobian, theta, fit):
    """Evidence and predictive of a dense curvature, with a prior precision of 2."""
    precise = h + 2 * np.eye(len(h))
    evidence = fit - theta @ theta - 0.5 * np.linalg.slogdet(precise / 2)[1]
    assert found.log_marginal_likelihood == pytest.approx(evidence, rel=1e-4)
    covariance = jacobian @ np.linalg.inv(precise) @ jacobian.transpose(0, 2, 1)
    np.testing.assert_allclose(found.predict(X).covariance, covariance, rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["diagonal", "kronecker", "last_layer"])
def test_networks_have_the_curvature_of_brute_force(network, name):
    params, data, ggn, factored, jacobian, fit = network
    theta = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(params)]).astype(float)
    structure, h = {
        "diagonal": (diagonal(), np.diag(np.diag(ggn))),
        "kronecker": (kronecker(), factored),
        "last_layer": (last_layer(), ggn[16:, 16:]),
    }[name]
    found = laplace(two_layers, params, data, likelihood=categorical(), structure=structure,
                    prior_precision=2.0, batch_size=16)  # fmt: skip
    own = slice(16, None) if name == "last_layer" else slice(None)
    check(found, h, jacobian[:, :, own], theta[own], fit)
    drawn = found.sample(KEY, 2)
    assert jax.tree.map(jnp.shape, drawn)["a"] == {"kernel": (2, 3, 4), "bias": (2, 4)}
    assert (np.ptp(drawn["a"]["bias"], axis=0) == 0).all() == (name == "last_layer")


@pytest.mark.slow
def test_full_and_low_rank_agree_with_brute_force(network):
    params, data, ggn, factored, jacobian, fit = network
    theta = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(params)]).astype(float)
    options = {"likelihood": categorical(), "prior_precision": 2.0, "batch_size": 16}
    check(laplace(two_layers, params, data, structure=full(), **options), ggn, jacobian, theta, fit)
    values, vectors = np.linalg.eigh(ggn)
    leading = vectors[:, -6:] * values[-6:] @ vectors[:, -6:].T
    found = laplace(two_layers, params, data, structure=low_rank(6, KEY), **options)
    check(found, leading, jacobian, theta, fit)
    by_name = laplace(two_layers, params, data, structure=full("b/.*"), **options)
    check(by_name, ggn[16:, 16:], jacobian[:, :, 16:], theta[16:], fit)
    last = factored[16:, 16:]
    found = laplace(two_layers, params, data, structure=kronecker("b/.*"), **options)
    check(found, last, jacobian[:, :, 16:], theta[16:], fit)
    first = factored[4:16, 4:16]
    found = laplace(two_layers, params, data, structure=kronecker("a/kernel"), **options)
    check(found, first, jacobian[:, :, 4:16], theta[4:16], fit)
    with pytest.raises(ValueError, match="a/bias is the bias of a layer whose kernel is not"):
        laplace(two_layers, params, data, structure=kronecker("a/bias|b/.*"), **options)


@pytest.mark.slow
@pytest.mark.parametrize("flipped", [False, True])
def test_layers_of_sequences_and_of_transposed_kernels(flipped):
    """Of a linear network whose positions are rows of their own KFAC-expand is exact."""
    x = RNG.normal(size=(10, 2, 3)).astype(np.float32)
    kernel = RNG.normal(size=(3, 2)).astype(np.float32)
    params = {"kernel": kernel.T if flipped else kernel}
    apply = lambda p, x: (x @ (p["kernel"].T if flipped else p["kernel"])).reshape(len(x), -1)
    data = {"x": x, "y": np.ones((10, 4))}
    options = {"likelihood": gaussian(0.5), "prior_precision": 1.0, "batch_size": 4}
    factored, whole = (
        laplace(apply, params, data, structure=each, **options) for each in (kronecker(), full())
    )
    same = pytest.approx(whole.log_marginal_likelihood, rel=1e-5)
    assert factored.log_marginal_likelihood == same
    np.testing.assert_allclose(factored.predict(x).spread, whole.predict(x).spread, rtol=1e-4)


@pytest.mark.slow
def test_layers_without_anything_between_them():
    """Of x a b, both numbers, the factors are the diagonal: b^2 and a^2 times the squares of x."""
    params = {"a": np.full((1, 1), 2.0, np.float32), "b": np.full((1, 1), 3.0, np.float32)}
    options = {"likelihood": gaussian(1.0), "structure": kronecker(), "prior_precision": 1.0}
    product, data = lambda p, x: x @ p["a"] @ p["b"], {"x": X[:, :1], "y": X[:, 0]}
    found = laplace(product, params, data, **options)
    squares = np.square(X[:, 0], dtype=float).sum()
    expected = stats.norm.logpdf(X[:, 0], 6 * X[:, 0].astype(float)).sum() - (4 + 9) / 2
    expected -= 0.5 * (np.log1p(9 * squares) + np.log1p(4 * squares))
    assert found.log_marginal_likelihood == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("conv", [pj.models.Conv, nn.Conv], ids=["paramjax", "flax"])
def test_convolutions_are_layers_of_patches(conv):
    """Of one convolution all of whose numbers are outputs the factors are exact."""
    layer = conv(2, kernel_size=(3, 2), strides=(1, 2), padding=((1, 1), (0, 1)))
    x = RNG.normal(size=(6, 4, 3, 2)).astype(np.float32)
    params = jax.jit(layer.init)(KEY, x)
    apply = lambda params, x: layer.apply(params, x).reshape(len(x), -1)
    data = {"x": x, "y": np.ones((6, 4 * 2 * 2))}
    options = {"likelihood": gaussian(0.5), "prior_precision": 1.0, "batch_size": 4}
    factored, whole = (
        laplace(apply, params, data, structure=each, **options) for each in (kronecker(), full())
    )
    same = pytest.approx(whole.log_marginal_likelihood, rel=1e-5)
    assert factored.log_marginal_likelihood == same
    np.testing.assert_allclose(factored.predict(x).spread, whole.predict(x).spread, rtol=1e-4)
    network = pj.models.CNN(channels=(2,), features=(3,))
    params = jax.jit(network.init)(KEY, x[..., :1])
    data = {"x": x[..., :1], "y": np.arange(6) % 3}
    found = laplace(network.apply, params, data, likelihood=categorical(), structure=kronecker())
    assert found.curvature.size == sum(leaf.size for leaf in jax.tree.leaves(params))


@pytest.mark.slow
def test_modules_of_linen_are_taken_as_they_are():
    model = pj.models.MLP((8, 3), batch_norm=False)
    params = jax.jit(model.init)(KEY, X)
    data = {"x": X, "y": np.arange(30) % 3}
    found = laplace(model.apply, params, data, likelihood=categorical(), structure=kronecker())
    assert found.curvature.size == 3 * 8 + 8 + 8 * 3 + 3
    last = laplace(model.apply, params, data, likelihood=categorical())
    named = last_layer("params/Dense_1/.*")
    same = laplace(model.apply, params, data, likelihood=categorical(), structure=named)
    assert last.curvature.chosen == same.curvature.chosen
    # the data hardly determine a network at its random start: the precision stays finite
    assert np.isfinite([found.prior_precision, last.prior_precision]).all()


def test_refusals_name_what_is_wrong():
    w, data = {"w": np.ones((3, 2), np.float32)}, {"x": X, "y": np.zeros(30, int)}
    linear = lambda p, x: x @ p["w"]

    def refused(error, match, *, apply=linear, params=w, data=data, **options):
        options = {"likelihood": categorical(), "prior_precision": 1.0, **options}
        with pytest.raises(error, match=match):
            laplace(apply, params, data, **options)

    refused(TypeError, "apply_fn: expected a function", apply=3)
    refused(TypeError, 'data: expected a mapping with "x" and "y"', data=X)
    refused(TypeError, "likelihood: expected categorical", likelihood="classes")
    refused(ValueError, "prior_precision: expected a positive", prior_precision=0.0)
    refused(ValueError, r"apply_fn: expected outputs \[30\]", apply=lambda p, x: x[:4] @ p["w"])
    normed = lambda p, x: (x - x.mean(axis=0, keepdims=True)) @ (1 + p["w"])
    refused(ValueError, "each row by itself.*take its evaluation", apply=normed)
    refused(TypeError, "one floating-point array", apply=lambda p, x: (x @ p["w"], {}))
    refused(ValueError, "from 0 to 1, got 2", data={**data, "y": np.full(30, 2)})
    refused(TypeError, r"classes y, int\[rows\], got float", data={**data, "y": np.zeros(30)})
    refused(ValueError, r"y \[rows, 2\]", likelihood=gaussian())
    wrong = np.where(np.arange(30) == 4, np.nan, 0.0)[:, None] * np.ones(2)
    refused(ValueError, "row 4 of y", likelihood=gaussian(), data={**data, "y": wrong})
    refused(ValueError, "matches no leaf", structure=full("v"))
    refused(TypeError, "structure: expected last_layer", structure="full")
    refused(ValueError, "at least one row", data={"x": X[:0], "y": np.zeros(0, int)})
    refused(ValueError, "no dense layer", apply=lambda p, x: x[:, :2] * p["w"][:1])
    scaled = lambda p, x: x @ p["w"] * p["scale"][None]
    params = {**w, "scale": np.ones(2, np.float32)}
    refused(ValueError, "scale is used by mul", apply=scaled, params=params, structure=kronecker())
    for again in (lambda p, x: (h := x @ p["w"]) + p["b"][None] + h,
                  lambda p, x: jnp.tanh(h := x @ p["w"]) + (h + p["b"][None])):  # fmt: skip
        params = {**w, "b": np.ones(2, np.float32)}
        refused(ValueError, "b is used by a", apply=again, params=params, structure=kronecker())
    spare = {**w, "spare": np.ones(2, np.float32)}
    refused(ValueError, "spare is not used", params=spare, structure=kronecker())
    tied = lambda p, x: x @ p["w"] @ p["w"].T
    refused(ValueError, "w is used by two products", apply=tied, structure=kronecker())
    for noise in (0.0, -1.0):
        with pytest.raises(ValueError, match="noise: expected a"):
            gaussian(noise)
    with pytest.raises(ValueError, match="rank: expected"):
        low_rank(0, KEY)


@pytest.mark.slow
def test_faults_of_values_are_named():
    x, zero = X.copy(), {"w": np.zeros((3, 2), np.float32)}
    linear, data = lambda p, x: x @ p["w"], {"x": x, "y": np.zeros(30, int)}
    with pytest.raises(ValueError, match="grows without end"):
        laplace(linear, zero, data, likelihood=categorical(), structure=full())
    x[17] = np.inf
    with pytest.raises(ValueError, match="row 17 of the data"):
        laplace(linear, zero, data, likelihood=categorical(), batch_size=7)
    values = laplace(linear, zero, {"x": X, "y": np.ones((30, 2))}, likelihood=gaussian(1.0),
                     prior_precision=1.0)  # fmt: skip
    with pytest.raises(ValueError, match="link: only classes"):
        values.predict(NEW, link=pj.estimate.probit)
    with pytest.raises(ValueError, match="n: expected"):
        values.sample(KEY, 0)
