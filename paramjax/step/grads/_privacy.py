"""What a private run costs: epsilon from the noise, and the noise from epsilon."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from paramjax._checks import check_count, check_scalar
from paramjax.step.grads._expect import check_positive

Accountant = Callable[[], Any]
"""Makes an empty accountant of dp-accounting."""

_TOLERANCE = 1e-3
_MOST = 1e6


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
    removed. By the dp-accounting package, whose privacy loss distributions give an upper
    bound that is nearly tight (Koskela et al., 2020; Doroshenko et al., 2022).

    Args:
        noise_multiplier: As in `private`, positive.
        sampling_rate: As in `poisson`, in (0, 1].
        steps: Number of steps, positive.
        delta: In (0, 1); well below one over the rows of the data.
        accountant: Makes the accountant, such as `dp_accounting.rdp.RdpAccountant` of older
            papers; None takes `dp_accounting.pld.PLDAccountant`.

    Returns:
        Epsilon.

    Raises:
        ImportError: If dp-accounting is not installed.
        TypeError: If a number is none.
        ValueError: If a number is out of range.

    Example:
        >>> epsilon(noise_multiplier=1.1, sampling_rate=256 / 60000, steps=1000, delta=1e-5)
        0.60
    """
    check_positive("epsilon: noise_multiplier", noise_multiplier)
    _check_run("epsilon", sampling_rate, steps, delta)
    package = _dp_accounting()
    made = (accountant or package.pld.PLDAccountant)()
    gaussian = package.GaussianDpEvent(float(noise_multiplier))
    one = package.PoissonSampledDpEvent(float(sampling_rate), gaussian)
    made.compose(package.SelfComposedDpEvent(one, int(steps)))
    return float(made.get_epsilon(float(delta)))


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
        A noise multiplier whose epsilon is at most the target; one smaller by a thousandth
        would not do.

    Raises:
        ImportError: If dp-accounting is not installed.
        TypeError: If a number is none.
        ValueError: If a number is out of range, or no noise is enough.

    Example:
        >>> noise_multiplier_for(epsilon=2.0, sampling_rate=1.0, steps=1, delta=1e-5)
        1.99
    """
    check_positive("noise_multiplier_for: epsilon", epsilon)
    _check_run("noise_multiplier_for", sampling_rate, steps, delta)
    run: Any = {"sampling_rate": sampling_rate, "steps": steps, "delta": delta}
    package = _dp_accounting()

    # takes milliseconds and ends near the answer, where loss distributions take up to a
    # second for each value tried
    def rough() -> Any:
        return package.rdp.RdpAccountant(orders=range(2, 257))

    start = _least(lambda noise: _spent(noise, run, rough) <= epsilon, 1.0, 2.0, 0.05)
    found = _least(
        lambda noise: _spent(noise, run, accountant) <= epsilon, start or 1.0, 1.25, _TOLERANCE
    )
    if found is None:
        raise ValueError(
            f"noise_multiplier_for: epsilon: {float(epsilon):g} is below what this accountant can "
            "show at any noise; ask for more"
        )
    return found


def _spent(noise_multiplier: float, run: Any, accountant: Accountant | None) -> float:
    return epsilon(noise_multiplier=noise_multiplier, accountant=accountant, **run)


def _least(
    enough: Callable[[float], bool], start: float, ratio: float, tolerance: float
) -> float | None:
    """The least number that is enough, by doubling and bisection; None if none is."""
    high = start
    while not enough(high):
        high *= ratio
        if high > _MOST:
            return None
    low = high / ratio
    while enough(low) and low > 1 / _MOST:
        low, high = low / ratio, low
    while high > low * (1 + tolerance):
        middle = (low * high) ** 0.5
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _check_run(what: str, sampling_rate: Any, steps: int, delta: Any) -> None:
    check_scalar(f"{what}: sampling_rate", sampling_rate, high=1.0)
    check_positive(f"{what}: sampling_rate", sampling_rate)
    check_count(f"{what}: steps", steps)
    check_positive(f"{what}: delta", delta)
    if float(delta) >= 1:
        raise ValueError(f"{what}: delta: expected a number below 1, got {float(delta):g}")


def _dp_accounting() -> Any:
    try:
        import dp_accounting
        from dp_accounting import pld, rdp  # noqa: F401
    except ImportError:
        raise ImportError(
            'privacy accounting needs the dp-accounting package: pip install "paramjax[private]"'
        ) from None
    return dp_accounting
