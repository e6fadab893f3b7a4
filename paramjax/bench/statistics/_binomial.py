"""Binomial statistics: the sign test, runs that were lost, and intervals of simulated rates."""

from __future__ import annotations

from scipy import special


def sign_test_p(wins: int, losses: int) -> float:
    """Two-sided p-value of the sign test: the smaller binomial tail, doubled; ties are left out.

    Args:
        wins: Pairs won.
        losses: Pairs lost.

    Returns:
        The p-value, at most 1.

    Raises:
        ValueError: If a count is negative.

    Source: Arbuthnott (1710); Dixon and Mood (1946).

    Example:
        >>> sign_test_p(0, 6), sign_test_p(5, 1)
        (0.03125, 0.21875)
    """
    if min(wins, losses) < 0:
        raise ValueError(f"sign_test_p: expected counts, got {wins} and {losses}")
    return float(min(1.0, 2 * special.bdtr(min(wins, losses), wins + losses, 0.5)))


def all_lost_p(replicates: int, lost_runs: int) -> float:
    r"""Two-sided p-value of losing every pair, `lost_runs` of them because the run was lost.

    The sign test alone cannot go below $2^{1-K}$, which no correction for many comparisons
    survives at K = 6. A lost run says more than a worse score. Under the null both sides
    lose a run with one chance q, which may differ from pair to pair; as they train apart,
    one is lost and the other kept with chance $q(1-q) \le 1/4$. So
    $$p = 2\sum_{i \ge j}\binom{K}{i}\,4^{-K} = 2^{1-K}\,P(\mathrm{Bin}(K, 1/2) \ge j)$$
    which is the sign test at j = 0 and $2 \cdot 4^{-K}$ if all K runs are lost.

    Args:
        replicates: Number of pairs K, all lost by the same side.
        lost_runs: How many of them by a lost run, j.

    Returns:
        The p-value.

    Example:
        >>> all_lost_p(6, 0), round(all_lost_p(6, 6), 6)
        (0.03125, 0.000488)
    """
    at_least = special.bdtrc(lost_runs - 1, replicates, 0.5) if lost_runs else 1.0
    return float(2 * 0.5**replicates * at_least)


def clopper_pearson(count: int, total: int, level: float = 0.95) -> tuple[float, float]:
    """The exact interval of a share, for rates that a simulation or a calibration found.

    Args:
        count: How often it happened.
        total: How often it could have.
        level: Confidence level, in (0, 1).

    Returns:
        Low and high end, in [0, 1].

    Raises:
        ValueError: If not `0 <= count <= total` with a total of one or more.

    Source: Clopper and Pearson (1934).

    Example:
        >>> low, high = clopper_pearson(2, 40)
        >>> round(low, 4), round(high, 4)
        (0.0061, 0.1692)
    """
    if not 0 <= count <= total or total < 1:
        raise ValueError(
            f"clopper_pearson: expected 0 <= count <= total and total of 1 or more, got "
            f"{count} of {total}"
        )
    tail = (1 - level) / 2
    low = float(special.betaincinv(count, total - count + 1, tail)) if count else 0.0
    high = float(special.betaincinv(count + 1, total - count, 1 - tail)) if count < total else 1.0
    return low, high
