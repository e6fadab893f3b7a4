"""The privacy budget of a run: epsilon from the noise, and the noise from epsilon."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from paramjax._checks import check_count, check_scalar
from paramjax.step.grads._checks import check_positive

Accountant = Callable[[], Any]
"""Returns an empty accountant of dp-accounting."""

_TOLERANCE = 1e-3
_LARGEST = 1e6


def epsilon(
    *,
    noise_multiplier: float,
    sampling_rate: float,
    steps: int,
    delta: float,
    accountant: Accountant | None = None,
) -> float:
    """Epsilon of a run of `private` steps on rows drawn by `poisson`.

    The run is (epsilon, delta)-differentially private when one row of the data is added or
    removed. Computed by the dp-accounting package, whose privacy loss distributions give a
    nearly tight upper bound (Koskela et al., 2020; Doroshenko et al., 2022).

    Args:
        noise_multiplier: As in `private`, positive.
        sampling_rate: As in `poisson`, in (0, 1].
        steps: Number of steps, positive.
        delta: In (0, 1); well below one over the rows of the data.
        accountant: Returns the accountant, such as `dp_accounting.rdp.RdpAccountant` of
            older papers; None takes `dp_accounting.pld.PLDAccountant`.

    Returns:
        Epsilon.

    Raises:
        ImportError: If dp-accounting is not installed.
        TypeError: If an argument is not a number.
        ValueError: If a number is out of range.

    Example:
        >>> import paramjax as pj
        >>> pj.grads.epsilon(noise_multiplier=1.1, sampling_rate=0.004, steps=1000, delta=1e-5)
        0.56
    """
    check_positive("epsilon: noise_multiplier", noise_multiplier)
    _check_run("epsilon", sampling_rate, steps, delta)
    package = _dp_accounting()
    ledger = (accountant or package.pld.PLDAccountant)()
    gaussian = package.GaussianDpEvent(float(noise_multiplier))
    one_step = package.PoissonSampledDpEvent(float(sampling_rate), gaussian)
    ledger.compose(package.SelfComposedDpEvent(one_step, int(steps)))
    return float(ledger.get_epsilon(float(delta)))


def noise_multiplier_for(
    *,
    epsilon: float,
    sampling_rate: float,
    steps: int,
    delta: float,
    accountant: Accountant | None = None,
) -> float:
    """The least noise that keeps a run within epsilon: the inverse of `epsilon`.

    Args:
        epsilon: The target, positive.
        sampling_rate: As in `poisson`, in (0, 1].
        steps: Number of steps, positive.
        delta: In (0, 1).
        accountant: As for `epsilon`.

    Returns:
        A noise multiplier whose epsilon is at most the target; for one smaller by a
        thousandth it is above.

    Raises:
        ImportError: If dp-accounting is not installed.
        TypeError: If an argument is not a number.
        ValueError: If a number is out of range, or no noise suffices.

    Example:
        >>> import paramjax as pj
        >>> pj.grads.noise_multiplier_for(epsilon=2.0, sampling_rate=1.0, steps=1, delta=1e-5)
        1.99
    """
    check_positive("noise_multiplier_for: epsilon", epsilon)
    _check_run("noise_multiplier_for", sampling_rate, steps, delta)
    run: Any = {"sampling_rate": sampling_rate, "steps": steps, "delta": delta}
    package = _dp_accounting()

    # milliseconds, and near the answer; loss distributions take up to a second per value
    def rough() -> Any:
        return package.rdp.RdpAccountant(orders=range(2, 257))

    start = _smallest(lambda noise: _epsilon_at(noise, run, rough) <= epsilon, 1.0, 2.0, 0.05)
    found = _smallest(
        lambda noise: _epsilon_at(noise, run, accountant) <= epsilon, start or 1.0, 1.25, _TOLERANCE
    )
    if found is None:
        raise ValueError(
            f"noise_multiplier_for: epsilon: {float(epsilon):g} is below what this accountant can "
            "show at any noise; choose a larger epsilon"
        )
    return found


def _epsilon_at(noise_multiplier: float, run: Any, accountant: Accountant | None) -> float:
    return epsilon(noise_multiplier=noise_multiplier, accountant=accountant, **run)


def _smallest(
    suffices: Callable[[float], bool], start: float, ratio: float, tolerance: float
) -> float | None:
    """The smallest number that suffices, by growth and bisection; None if no number does."""
    high = start
    while not suffices(high):
        high *= ratio
        if high > _LARGEST:
            return None
    low = high / ratio
    while suffices(low) and low > 1 / _LARGEST:
        low, high = low / ratio, low
    while high > low * (1 + tolerance):
        middle = (low * high) ** 0.5
        low, high = (low, middle) if suffices(middle) else (middle, high)
    return high


def _check_run(name: str, sampling_rate: Any, steps: int, delta: Any) -> None:
    check_scalar(f"{name}: sampling_rate", sampling_rate, high=1.0)
    check_positive(f"{name}: sampling_rate", sampling_rate)
    check_count(f"{name}: steps", steps)
    check_positive(f"{name}: delta", delta)
    if float(delta) >= 1:
        raise ValueError(f"{name}: delta: expected a number below 1, got {float(delta):g}")


def _dp_accounting() -> Any:
    try:
        import dp_accounting
        from dp_accounting import pld, rdp  # noqa: F401
    except ImportError:
        raise ImportError(
            'privacy accounting needs the dp-accounting package: pip install "paramjax[private]"'
        ) from None
    return dp_accounting
