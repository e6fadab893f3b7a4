"""What several networks say together: a mixture of classes, or of Gaussians."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import special

from paramjax.estimate._estimate import Interval, check_level


class ClassMixture(NamedTuple):
    """Class probabilities of an ensemble, with what its members say.

    Attributes:
        members: Class probabilities of each member, float64[members, rows, classes].

    Example:
        >>> apart = ClassMixture(np.array([[[1.0, 0.0]], [[0.0, 1.0]]]))
        >>> apart.probabilities.tolist(), (apart.between / np.log(2)).tolist()
        ([[0.5, 0.5]], [1.0])
    """

    members: np.ndarray

    def __repr__(self) -> str:
        """Its sizes."""
        members, *rows, classes = self.members.shape
        return f"<ClassMixture: {_members(members)}, {_sizes(rows)} rows, {classes} classes>"

    @property
    def probabilities(self) -> np.ndarray:
        """Mean of the members' probabilities, float64[rows, classes]."""
        mean: np.ndarray = self.members.mean(axis=0)
        return mean

    @property
    def logits(self) -> np.ndarray:
        """Logarithms of the mean probabilities, which losses and metrics take as logits."""
        with np.errstate(divide="ignore"):
            logs = np.maximum(np.log(self.probabilities), np.log(np.finfo(np.float32).tiny))
        return np.asarray(logs)

    @property
    def labels(self) -> np.ndarray:
        """The most probable class of each row, int[rows]."""
        labels: np.ndarray = self.probabilities.argmax(axis=-1)
        return labels

    @property
    def entropy(self) -> np.ndarray:
        """Uncertainty in all, in nats, [rows]: entropy of the mean probabilities."""
        return np.asarray(special.entr(self.probabilities).sum(axis=-1))

    @property
    def within(self) -> np.ndarray:
        """Uncertainty that the members agree on, in nats, [rows]: the mean of their entropies."""
        return np.asarray(special.entr(self.members).sum(axis=-1).mean(axis=0))

    @property
    def between(self) -> np.ndarray:
        """Disagreement of the members in nats, [rows]: the mutual information of class and member.

        It is the entropy less its part within the members (Depeweg et al., 2018, Decomposition of
        uncertainty in Bayesian deep learning).
        """
        return np.asarray(np.maximum(self.entropy - self.within, 0.0))


class ValueMixture(NamedTuple):
    r"""Values predicted by an ensemble: a mixture of one Gaussian for each member.

    Lakshminarayanan, Pritzel and Blundell (2017, section 2.4):
    $$\mu_* = \frac{1}{M}\sum_m \mu_m, \qquad
    \sigma_*^2 = \frac{1}{M}\sum_m (\sigma_m^2 + \mu_m^2) - \mu_*^2.$$

    Attributes:
        members: Mean of each member, float64[members, rows, ...].
        variances: Variance of each member, of that shape; 0 where members predict means alone.

    Example:
        >>> mixture = ValueMixture(np.array([[0.0], [6.0]]), np.full((2, 1), 16.0))
        >>> float(mixture.mean[0]), float(mixture.within[0]), float(mixture.between[0])
        (3.0, 4.0, 3.0)
        >>> float(mixture.std[0])
        5.0
    """

    members: np.ndarray
    variances: np.ndarray

    def __repr__(self) -> str:
        """Its sizes."""
        members, *rows = self.members.shape
        return f"<ValueMixture: {_members(members)}, {_sizes(rows)} rows>"

    @property
    def mean(self) -> np.ndarray:
        """Mean of the mixture, float64[rows, ...]."""
        mean: np.ndarray = self.members.mean(axis=0)
        return mean

    @property
    def within(self) -> np.ndarray:
        """Noise that the members predict: the root of their mean variance, [rows, ...]."""
        return np.asarray(np.sqrt(self.variances.mean(axis=0)))

    @property
    def between(self) -> np.ndarray:
        """Standard deviation of the members' means, divided by their number, [rows, ...]."""
        return np.asarray(self.members.std(axis=0))

    @property
    def std(self) -> np.ndarray:
        """Standard deviation of the mixture: within and between together, [rows, ...]."""
        return np.asarray(np.hypot(self.within, self.between))

    def interval(self, level: float = 0.95) -> Interval:
        """Intervals of the Gaussian with the mean and the deviation of the mixture.

        Args:
            level: Probability inside, in (0, 1). Networks rarely keep it exactly: check with
                `coverage`, or let `conformal_intervals` widen `(mean, std)` until it holds.

        Returns:
            Lower and upper ends, [rows, ...].

        Raises:
            ValueError: If the level lies outside (0, 1).
        """
        half = special.ndtri(0.5 + check_level(level) / 2) * self.std
        return Interval(self.mean - half, self.mean + half)


def _members(count: int) -> str:
    return f"{count} member{'s' * (count != 1)}"


def _sizes(rows: Sequence[int]) -> str:
    return " x ".join(map(str, rows))
