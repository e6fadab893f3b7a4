"""Profile intervals beside published ones, closed forms and a root search."""

import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.special import gammaln
from scipy import optimize, stats

import paramjax as pj

# treated cells: Bates and Watts (1988), table A1.3; R's data set Puromycin
CONCENTRATION = np.repeat([0.02, 0.06, 0.11, 0.22, 0.56, 1.1], 2)
RATE = np.array([76, 47, 97, 107, 123, 139, 159, 152, 191, 201, 207, 200.0])
LINE = np.linspace(0, 1, 12)


def michaelis_menten(params, x):
    return params["Vm"] * x / (params["K"] + x)


def line(params, x):
    return params["a"] + params["b"] * x


@pytest.fixture(scope="module")
def puromycin():
    est = pj.estimate.curve_fit(michaelis_menten, {"K": 0.1, "Vm": 200.0}, CONCENTRATION, RATE)
    return pj.estimate.profile(est)


def test_puromycin_has_the_intervals_that_r_prints(puromycin):
    low, high = puromycin.interval(0.95)
    # confint of nls(rate ~ Vm * conc / (K + conc)), which interpolates by splines
    np.testing.assert_allclose([low["Vm"], high["Vm"]], [197.302128, 229.290065], rtol=1e-5)
    np.testing.assert_allclose([low["K"], high["K"]], [0.04692517, 0.08615995], rtol=2e-4)
    assert puromycin.notes == ()
    assert puromycin.names == ("K", "Vm")
    assert "K   0.0469203 to 0.0861569" in repr(puromycin)


def test_the_root_at_an_end_is_the_quantile(puromycin):
    """Held at the interval's end, the other parameter has a closed form; so has the loss."""
    est = puromycin.estimate
    for end in (side["K"] for side in puromycin.interval(0.9)):
        shape = CONCENTRATION / (end + CONCENTRATION)
        rest = RATE - shape * (shape @ RATE) / (shape @ shape)
        root = np.sqrt((rest @ rest - est.value) / est.scale)
        assert root == pytest.approx(stats.t.ppf(0.95, 10), rel=1e-9)


def test_curves_ascend_through_the_estimate(puromycin):
    curve = puromycin.curves["K"]
    assert (np.diff(curve.values) > 0).all()
    assert curve.theta.shape == (len(curve.values), 2)
    at = np.argmin(np.abs(curve.root))
    np.testing.assert_allclose(curve.theta[at], puromycin.estimate.theta)
    assert curve.root[0] < -stats.t.ppf(0.99, 10)
    assert curve.root[-1] > stats.t.ppf(0.99, 10)


@pytest.mark.slow
def test_of_a_linear_model_profile_and_wald_agree():
    y = 1 + 2 * LINE + 0.1 * np.sin(17 * LINE)
    est = pj.estimate.curve_fit(line, {"a": 0.0, "b": 0.0}, LINE, y)
    found = pj.estimate.profile(est, "b").interval(0.99)
    np.testing.assert_allclose(found.low["b"], est.interval(0.99).low["b"], rtol=1e-9)
    np.testing.assert_allclose(found.high["b"], est.interval(0.99).high["b"], rtol=1e-9)
    assert np.isnan(found.low["a"])  # was not asked for


@pytest.mark.parametrize(
    "transforms",
    [pytest.param(None, marks=pytest.mark.slow), {"rate": pj.estimate.positive}],
)
def test_a_poisson_rate_has_the_interval_of_its_likelihood_ratio(transforms):
    counts = np.array([0.0, 3, 1, 2])
    log_prob = lambda params, y: y * jnp.log(params["rate"]) - params["rate"] - gammaln(y + 1)
    bounds = {"rate": (1e-9, None)} if transforms is None else None
    est = pj.estimate.maximum_likelihood(
        log_prob, {"rate": 1.0}, counts, bounds=bounds, transforms=transforms
    )
    loss = lambda rate: 2 * (4 * (rate - 1.5) - 6 * np.log(rate / 1.5)) - stats.chi2.ppf(0.95, 1)
    known = [optimize.brentq(loss, *ends, xtol=1e-13) for ends in ((1e-6, 1.5), (1.5, 9.0))]
    found = pj.estimate.profile(est, level=0.95).interval()
    np.testing.assert_allclose([found.low["rate"], found.high["rate"]], known, rtol=1e-8)


@pytest.mark.slow
def test_an_open_end_is_infinite_and_said():
    x = np.linspace(0, 5, 30)
    y = np.where(x < 0.1, 1.0, 0.0) + 0.02 * np.cos(7 * x)
    decay = lambda params, x: params["a"] * jnp.exp(-params["k"] * x)
    est = pj.estimate.curve_fit(decay, {"a": 1.0, "k": 5.0}, x, y)
    found = pj.estimate.profile(est, "k")
    assert found.interval().high["k"] == np.inf
    assert 15 < found.interval().low["k"] < 25
    assert "k: the profile does not reach the level 0.99 above the estimate" in found.notes[0]


@pytest.mark.slow
def test_an_interval_ends_at_a_bound():
    est = pj.estimate.curve_fit(
        michaelis_menten, {"K": 0.1, "Vm": 200.0}, CONCENTRATION, RATE, bounds={"K": (0.06, 0.2)}
    )
    found = pj.estimate.profile(est, "K")
    assert found.interval().low["K"] == 0.06
    assert found.interval().high["K"] == pytest.approx(0.08615995, rel=2e-4)
    assert found.notes == ("K: its interval at level 0.99 ends at the bound 0.06",)


def test_what_cannot_be_profiled_is_refused(puromycin):
    with pytest.raises(ValueError, match="names: unknown parameter 'Vn'; nearest: Vm"):
        pj.estimate.profile(puromycin.estimate, "Vn")
    with pytest.raises(ValueError, match="level: expected at most that of the profile, 0.99"):
        puromycin.interval(0.999)


@pytest.mark.slow
def test_an_estimate_that_is_no_optimum_is_told():
    two = lambda params, x: params["a"] ** 2 * x
    y = 4 * LINE
    est = pj.estimate.curve_fit(two, {"a": 1.9}, LINE, y + 0.1 * np.cos(9 * LINE))
    wrong = type(est)(**{**vars_of(est), "params": {"a": np.float64(1.5)}})
    with pytest.raises(ValueError, match="found a better fit than the estimate"):
        pj.estimate.profile(wrong)


def vars_of(est):
    return {name: getattr(est, name) for name in est.__dataclass_fields__}
