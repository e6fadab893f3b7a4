"""Regressions by maximum likelihood beside statsmodels on its bundled data."""

import warnings

import numpy as np
import pytest
import statsmodels.api as sm

import paramjax as pj

EXACT = {"tol": 1e-13, "tol_criterion": "params", "maxiter": 100}
FAMILIES = sm.families


def table(name):
    """Columns and response of a data set, and the columns with a constant as statsmodels wants."""
    data = getattr(sm.datasets, name).load()
    return data.exog, data.endog, sm.add_constant(data.exog)


def discrete(model, start=None):
    # the last of its steps of Newton's method is far shorter than the tolerance
    return model.fit(method="newton", disp=0, start_params=start, tol=1e-9, maxiter=200)


def generalised(y, design, family, **options):
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # of links beyond the family's range, and of steps that are rounding
        return sm.GLM(y, design, family=family, **options).fit(**EXACT)


def agree(est, reference, **statistics):
    """Parameters and standard errors to 1e-8 relative, and so the statistics."""
    assert est.outcome is pj.estimate.Outcome.CONVERGED
    np.testing.assert_allclose(est.theta, np.ravel(np.transpose(reference.params)), rtol=1e-8)
    np.testing.assert_allclose(est.errors, np.ravel(np.transpose(reference.bse)), rtol=1e-8)
    for name, value in statistics.items():
        np.testing.assert_allclose(est.statistics[name.replace("_", " ")], value, rtol=1e-8)


def deviances(reference):
    return {
        "deviance": reference.deviance,
        "null_deviance": reference.null_deviance,
        "Pearson_chi-squared": reference.pearson_chi2,
    }


def test_logistic_on_spector():
    X, y, design = table("spector")
    est, reference = pj.estimate.logistic(X, y), discrete(sm.Logit(y, design))
    agree(est, reference, AIC=reference.aic, BIC=reference.bic)
    np.testing.assert_allclose(est.statistics["pseudo R-squared"], reference.prsquared, rtol=1e-8)
    np.testing.assert_allclose(est.statistics["likelihood ratio"], reference.llr, rtol=1e-8)
    np.testing.assert_allclose(est.statistics["likelihood ratio p-value"], reference.llr_pvalue)
    assert est.names == ("intercept", *X.columns)


def test_logistic_with_weights_and_offset():
    X, y, design = table("spector")
    counts, offset = np.arange(len(y)) % 4, np.cos(np.arange(len(y)))
    est = pj.estimate.logistic(X, y, weights=counts, offset=offset)
    options = {"freq_weights": counts, "offset": offset}
    reference = generalised(y, design, FAMILIES.Binomial(), **options)
    agree(est, reference, **deviances(reference))
    assert est.rows == counts.sum()


@pytest.mark.slow
def test_logistic_of_counts_on_star98():
    X, y, design = table("star98")
    est = pj.estimate.logistic(X, y)
    reference = generalised(y, design, FAMILIES.Binomial())
    agree(est, reference, **{"log likelihood": reference.llf}, **deviances(reference))


@pytest.mark.slow
def test_logistic_on_fair():
    X, y, design = table("fair")
    agree(pj.estimate.logistic(X, y > 0), discrete(sm.Logit((y > 0) * 1.0, design)))


def test_multinomial_on_anes96():
    X, y, design = table("anes96")
    est, reference = pj.estimate.multinomial(X, y), discrete(sm.MNLogit(y, design))
    statistics = {"log likelihood": reference.llf, "null log likelihood": reference.llnull}
    agree(est, reference, AIC=reference.aic, BIC=reference.bic, **statistics)


@pytest.mark.slow
def test_poisson_on_cpunish_with_exposure():
    X, y, design = table("cpunish")
    exposure = np.linspace(1.0, 3.0, len(y))
    est = pj.estimate.poisson(X, y, exposure=exposure)
    reference = generalised(y, design, FAMILIES.Poisson(), exposure=exposure)
    agree(est, reference, **{"log likelihood": reference.llf}, **deviances(reference))


@pytest.mark.parametrize("link", ["log", pytest.param("inverse", marks=pytest.mark.slow)])
def test_gamma_on_scotland(link):
    X, y, design = table("scotland")
    links = {"log": FAMILIES.links.Log, "inverse": FAMILIES.links.InversePower}
    est = pj.estimate.gamma(X, y, link=link)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        family = FAMILIES.Gamma(links[link]())
    reference = generalised(y, design, family)
    agree(est, reference, AIC=reference.aic, **deviances(reference))
    np.testing.assert_allclose(est.scale, reference.scale, rtol=1e-8)
    observed = pj.estimate.gamma(X, y, link=link, information="observed")
    hessian = reference.model.hessian(reference.params, scale=reference.scale, observed=True)
    errors = np.sqrt(np.diag(np.linalg.inv(-hessian)))
    np.testing.assert_allclose(observed.errors, errors, rtol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("step", [40, pytest.param(1, marks=pytest.mark.slow)])
def test_counts_on_randhie(step):
    X, y, design = (part[::step] for part in table("randhie"))
    est, reference = pj.estimate.poisson(X, y), discrete(sm.Poisson(y, design))
    agree(est, reference, **{"log likelihood": reference.llf})
    start = np.append(reference.params, 1.0)
    est = pj.estimate.negative_binomial(X, y)
    reference = discrete(sm.NegativeBinomial(y, design), start)
    statistics = {"log likelihood": reference.llf, "null log likelihood": reference.llnull}
    agree(est, reference, AIC=reference.aic, BIC=reference.bic, **statistics)


@pytest.mark.slow
def test_negative_binomial_of_known_dispersion_on_cpunish():
    X, y, design = table("cpunish")
    est = pj.estimate.negative_binomial(X, y, dispersion=0.7, information="expected")
    reference = generalised(y, design, FAMILIES.NegativeBinomial(alpha=0.7))
    agree(est, reference, **{"log likelihood": reference.llf}, **deviances(reference))
