"""The Laplace approximation: a trained network whose parameters are uncertain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._checks import check_count, check_key, check_params, check_scalar, describe
from paramjax._display import as_html, lines_of
from paramjax._format import number
from paramjax._programs import owned_jit
from paramjax._types import Array, Batch, Key, Params
from paramjax.estimate.networks._curvature import Curvature, Form, Structure
from paramjax.estimate.networks._evidence import Evidence, best
from paramjax.estimate.networks._full import last_layer
from paramjax.estimate.networks._held_out import best_precision
from paramjax.estimate.networks._likelihoods import Likelihood
from paramjax.estimate.networks._network import (
    ApplyFn,
    Network,
    batches,
    check_rows_apart,
    chosen_leaves,
    fit_of,
    rows_at_once,
    rows_of,
    with_leaves,
)
from paramjax.estimate.networks._predictions import Link

_PRECISION = "float32"
"""Of matrix products: the TF32 of GPUs leaves three digits of a curvature."""


@dataclass(frozen=True, eq=False, repr=False)
class Laplace:
    """A normal distribution of the parameters of a network around those that training found.

    Attributes:
        apply_fn: The network.
        params: Its mean.
        likelihood: Of the targets.
        curvature: The generalised Gauss-Newton matrix, in its axes.
        prior_precision: Of each uncertain parameter around 0.
        noise: Standard deviation of the targets; 1 for classes, where it means nothing.
        log_marginal_likelihood: Of the targets, of all rows, in nats: to compare structures of one
            network, and networks on the same rows.
        determined: How many parameters the data determine, MacKay's gamma (1992).
        rows: Of the data.
        batch_size: Most rows at a time.
        evidence: What the marginal likelihood is computed of.
    """

    apply_fn: ApplyFn
    params: Params
    likelihood: Likelihood
    curvature: Curvature
    prior_precision: float
    noise: float
    log_marginal_likelihood: float
    determined: float
    rows: int
    batch_size: int
    evidence: Evidence

    def predict(self, x: Any, *, link: Link | None = None) -> Any:
        r"""The distribution of the targets of new inputs.

        The outputs are normal, by the network linearised in its parameters:
        $$f(x) \sim N(f_{\hat\theta}(x), J(x) \Sigma J(x)^T)$$
        (Immer, Korzepa and Bauer, 2021, Improving predictions of Bayesian neural nets via local
        linearization).

        Args:
            x: Inputs, a pytree of arrays [batch, ...].
            link: How normal logits become probabilities: `monte_carlo(key)`, which None stands
                for with `jax.random.key(0)`, or without draws, faster for hundreds of classes,
                `mean_field` or `probit`; classes only.

        Returns:
            A `ClassPrediction` (probabilities, logits), or of a Gaussian likelihood a
            `ValuePrediction` (mean, spread, deviation, interval).

        Raises:
            TypeError: If the link is no function.
            ValueError: If the arrays disagree in length, an output is not finite (the row is
                named), or a link is given for values.
        """
        if not (link is None or callable(link)):
            raise TypeError(
                f"link: expected mean_field, probit or monte_carlo(key), got {describe(link)}"
            )
        none = np.zeros(rows_of(x))
        chosen, start = self.curvature.chosen, 0
        parts: list[Any] = []
        variances = self.curvature.variances(self.prior_precision, self.noise)
        numbers = self.curvature.form.numbers(self._outputs(x), self.curvature.size)
        size = rows_at_once(self.batch_size, numbers)
        for batch in batches(x, none, size):
            mean, covariance = (
                np.asarray(part, np.float64)[: batch.rows]
                for part in _distribution(
                    self.apply_fn, self.curvature.form, chosen, self.params, self.curvature.basis,
                    variances, batch.x,
                )
            )  # fmt: skip
            _check_finite(mean, start)
            start += len(mean)
            parts.append(self.likelihood.predictive(mean, covariance, self.noise, link))
        return _joined(parts)

    def sample(self, key: Key, n: int = 1) -> Params:
        """Draw parameters.

        Args:
            key: A typed key.
            n: How many, positive.

        Returns:
            Stacked parameters, leaves [n, ...] of their dtypes; those that are not uncertain
            are repeated.

        Raises:
            TypeError: If the key is a legacy one, or `n` is not a whole number.
            ValueError: If `n` is less than 1.
        """
        n = check_count("n", n)
        deviations = np.sqrt(self.curvature.variances(self.prior_precision, self.noise))
        drawn = np.asarray(jax.random.normal(check_key(key), (n, len(deviations)))) * deviations
        moves = self.curvature.form.back(self.curvature.basis, jnp.asarray(drawn))
        leaves, at = [], 0
        for leaf in chosen_leaves(self.params, self.curvature.chosen):
            part = moves[:, at : at + leaf.size].reshape(n, *leaf.shape)
            leaves.append((leaf[None] + part).astype(leaf.dtype))
            at += leaf.size
        all_leaves = jax.tree.map(lambda leaf: jnp.repeat(leaf[None], n, axis=0), self.params)
        return with_leaves(all_leaves, self.curvature.chosen, leaves)

    def tuned(self, data: Batch, *, link: Link | None = None) -> Laplace:
        """The same with the prior precision that predicts held-out rows best.

        The marginal likelihood asks which prior explains the rows of training, and can make a
        network too modest about new ones; the mean log probability of rows that training has not
        seen asks just that (Daxberger et al., 2021, Laplace redux, section 3.3).

        Args:
            data: Rows that training has not seen, as in `laplace`, of the kind for which the
                predictions are to be right.
            link: See `predict`.

        Returns:
            The approximation with another precision, from 1e-4 to 1e6: at the upper end the rows
            ask for no uncertainty at all. A noise stays as it is.

        Raises:
            TypeError: If the data are of another type than described.
            ValueError: If shapes disagree, or targets are out of range or not finite.
        """
        x, y = _rows_in(data)
        targets = self.likelihood.targets(y, self._outputs(x))
        rows_of(x, targets)

        def score(precision: float) -> float:
            found = replace(self, prior_precision=precision).predict(x, link=link)
            return float(self.likelihood.log_probability(found, targets).mean())

        return self._with(best_precision(score))

    def _with(self, precision: float) -> Laplace:
        return replace(
            self,
            prior_precision=precision,
            log_marginal_likelihood=self.evidence.value(precision, self.noise),
            determined=self.evidence.determined(precision, self.noise),
        )

    def _outputs(self, x: Any) -> int:
        shape = jax.eval_shape(self.apply_fn, self.params, x).shape
        return int(np.prod(shape[1:]))

    def __repr__(self) -> str:
        """A line for each of the things that a reader asks first."""
        noise = {"noise": number(self.noise)} if self.likelihood.noisy else {}
        size = self.curvature.size
        fields = {
            "structure": f"{self.curvature.title}, {size:,} parameter{'s' * (size != 1)}",
            "data": f"{self.rows:,} rows, which determine {number(self.determined)} parameters",
            "prior precision": number(self.prior_precision),
            **noise,
            "log marginal likelihood": number(self.log_marginal_likelihood, 6),
        }
        return lines_of("Laplace approximation", fields)

    def _repr_html_(self) -> str:
        return as_html(repr(self))


def laplace(
    apply_fn: ApplyFn,
    params: Params,
    data: Batch,
    *,
    likelihood: Likelihood,
    structure: Structure | None = None,
    prior_precision: float | None = None,
    batch_size: int = 256,
) -> Laplace:
    r"""Give a trained network uncertain parameters, and so calibrated predictions.

    $$p(\theta \mid D) \approx N\bigl(\hat\theta, (H + \delta I)^{-1}\bigr), \quad
    \log p(D \mid \delta) \approx \log p(D \mid \hat\theta)
    - \tfrac 1 2 \bigl(\delta \lVert \hat\theta \rVert^2 + \log\det(I + H / \delta)\bigr)$$
    with H the generalised Gauss-Newton matrix of minus the log likelihood (MacKay, 1992, A
    practical Bayesian framework for backpropagation networks; Daxberger et al., 2021, Laplace
    redux). The precision $\delta$ of the prior, and the noise of values, maximise the marginal
    likelihood (Immer et al., 2021). For a linear model with Gaussian noise, at its maximum, all
    of this is exact.

    Args:
        apply_fn: `(params, x) -> outputs`, pure, [rows, k] or [rows], each row by itself: of a
            module with dropout or batch statistics its evaluation,
            `lambda params, x: net.evaluate(params, net.model_state, x)`.
        params: What training found, any pytree of floating-point arrays.
        data: The rows of training, a mapping with `"x"`, [rows, ...] or a pytree of such, and
            `"y"`.
        likelihood: `categorical()` or `gaussian()`.
        structure: `last_layer()`, which None stands for, `kronecker()`, `low_rank(rank, key)`,
            `diagonal()` or `full()`.
        prior_precision: $\delta$, positive; None maximises the marginal likelihood, and
            `Laplace.tuned` finds it by rows held out.
        batch_size: Most rows at a time; fewer, where their Jacobians would need more than 64 MiB.

    Returns:
        The approximation: `predict`, `sample`, `log_marginal_likelihood`.

    Raises:
        TypeError: If the network, its parameters or the data are of another type than described.
        ValueError: If shapes disagree, targets or outputs are out of range or not finite, the
            structure does not fit the network, rows depend on each other as in training, or the
            marginal likelihood has no maximum.

    Example:
        >>> from paramjax.estimate import full, gaussian
        >>> x = np.linspace(-1, 1, 40, dtype=np.float32)[:, None]
        >>> line = lambda w, x: x @ w
        >>> noise = np.sin(37 * np.arange(40.0))[:, None] / 10  # as good as random
        >>> found = laplace(line, jnp.array([[2.0]]), {"x": x, "y": 2 * x + noise},
        ...                 likelihood=gaussian(), structure=full())
        >>> found
        Laplace approximation
          structure                full, 1 parameter
          data                     40 rows, which determine 0.9999 parameters
          prior precision          0.25
          noise                    0.07184
          log marginal likelihood  43.9299
        >>> far = found.predict(np.array([[10.0]], np.float32))
        >>> far.mean.round(1).tolist(), far.deviation.round(1).tolist()
        ([[20.0]], [[0.2]])
    """
    network = _network(apply_fn, params, data, likelihood, batch_size)
    structure = last_layer() if structure is None else structure
    if not callable(getattr(structure, "curvature", None)):
        raise TypeError(
            "structure: expected last_layer(), kronecker(), low_rank(rank, key), diagonal() or "
            f"full(), got {describe(structure)}"
        )
    if prior_precision is not None:
        check_scalar("prior_precision", prior_precision)
        if prior_precision <= 0:
            raise ValueError(f"prior_precision: expected a positive number, got {prior_precision}")
    with jax.default_matmul_precision(_PRECISION):
        fit = fit_of(network)
        curvature = structure.curvature(network)
    leaves = chosen_leaves(params, curvature.chosen)
    norm = sum(float(np.square(np.asarray(leaf, np.float64)).sum()) for leaf in leaves)
    evidence = Evidence(curvature, fit, likelihood.noisy, network.y.size, norm)
    precision, noise = best(evidence, prior_precision, likelihood.noise)
    return Laplace(
        apply_fn,
        params,
        likelihood,
        curvature,
        precision,
        noise,
        evidence.value(precision, noise),
        evidence.determined(precision, noise),
        len(network.y),
        batch_size,
        evidence,
    )


def _network(
    apply_fn: ApplyFn, params: Params, data: Batch, likelihood: Likelihood, batch_size: int
) -> Network:
    """The network with its data, checked."""
    if not callable(apply_fn):
        raise TypeError(
            f"apply_fn: expected a function (params, x) -> outputs, got {describe(apply_fn)}"
        )
    check_params(params)
    if not callable(getattr(likelihood, "root", None)):
        raise TypeError(
            f"likelihood: expected categorical() or gaussian(), got {describe(likelihood)}"
        )
    x, y = _rows_in(data)
    rows = rows_of(x, y)
    outputs: Any = jax.eval_shape(apply_fn, params, x)
    if not (hasattr(outputs, "dtype") and jnp.issubdtype(outputs.dtype, jnp.floating)):
        raise TypeError(
            f"apply_fn: expected one floating-point array, got {outputs}; of a module with state "
            "take its evaluation"
        )
    if outputs.ndim not in {1, 2} or outputs.shape[0] != rows:
        raise ValueError(f"apply_fn: expected outputs [{rows}] or [{rows}, k], got {outputs.shape}")
    width = outputs.shape[1] if outputs.ndim == 2 else 1
    targets = likelihood.targets(y, width)
    size = check_count("batch_size", batch_size)
    check_rows_apart(apply_fn, params, x)
    return Network(apply_fn, params, likelihood, x, targets, width, size)


def _rows_in(data: Batch) -> tuple[Any, Any]:
    """Inputs and targets."""
    if not (isinstance(data, Mapping) and {"x", "y"} <= set(data)):
        raise TypeError(f'data: expected a mapping with "x" and "y", got {describe(data)}')
    return data["x"], data["y"]


@owned_jit(static=3)
def _distribution(
    apply_fn: ApplyFn, form: Form, chosen: tuple[int, ...], params: Params, basis: Any,
    variances: Array, x: Any,
) -> tuple[Array, Array]:  # fmt: skip
    """Mean [batch, k] and covariance [batch, k, k] of the outputs."""
    with jax.default_matmul_precision(_PRECISION):
        return form.distribution(apply_fn, chosen, params, basis, variances, x)


def _check_finite(outputs: np.ndarray, start: int) -> None:
    """Raise unless the outputs of these rows, which begin at `start`, are finite."""
    finite = np.isfinite(outputs).all(axis=1)
    if not finite.all():
        row = int(np.argmin(finite))
        raise ValueError(
            f"x: expected inputs with finite outputs, got {outputs[row]} of row {start + row}"
        )


def _joined(parts: list[Any]) -> Any:
    """One prediction of those of the batches."""
    first = parts[0]
    fields = (
        np.concatenate(each) if isinstance(each[0], np.ndarray) else each[0]
        for each in zip(*parts, strict=True)
    )
    return type(first)(*fields)
