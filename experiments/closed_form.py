"""Linear regression in closed form against NIST's certified solutions.

X'X has the square of X's condition number, which QR of X avoids; estimate.linear refines QR's.

Row 1 of the brief.
"""

import itertools
import sys

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular

from paramjax.cli import start_script
from paramjax.estimate import linear

NORRIS = """0.2 0.1 337.4 338.8 118.2 118.1 884.6 888.0 10.1 9.2 226.5 228.1 666.3 668.5 996.3 998.5
448.6 449.1 777.0 778.9 558.2 559.2 0.4 0.3 0.6 0.1 775.5 778.1 666.9 668.8 338.0 339.3 447.5 448.9
11.6 10.8 556.0 557.7 228.1 228.3 995.8 998.0 887.6 888.8 120.2 119.6 0.3 0.3 0.3 0.6 556.8 557.6
339.1 339.3 887.2 888.0 999.0 998.5 779.0 778.9 11.1 10.2 118.3 117.6 229.2 228.9 669.1 668.4
448.9 449.2 0.5 0.2"""  # x, y
LONGLEY = """83.0 234289 2356 1590 107608 1947 60323 88.5 259426 2325 1456 108632 1948 61122
88.2 258054 3682 1616 109773 1949 60171 89.5 284599 3351 1650 110929 1950 61187
96.2 328975 2099 3099 112075 1951 63221 98.1 346999 1932 3594 113270 1952 63639
99.0 365385 1870 3547 115094 1953 64989 100.0 363112 3578 3350 116219 1954 63761
101.2 397469 2904 3048 117388 1955 66019 104.6 419180 2822 2857 118734 1956 67857
108.4 442769 2936 2798 120445 1957 68169 110.8 444546 4681 2637 121950 1958 66513
112.6 482704 3813 2552 123366 1959 68655 114.2 502601 3931 2514 125368 1960 69564
115.7 518173 4806 2572 127852 1961 69331 116.9 554894 4007 2827 130081 1962 70551"""
CERTIFIED = """-3482258.63459582 15.0618722713733 -0.0358191792925910 -2.02022980381683
-1.03322686717359 -0.0511041056535807 1829.15146461355"""  # Longley's coefficients
ERRORS = """890420.383607373 84.9149257747669 0.0334910077722432 0.488399681651699
0.214274163161675 0.226073200069370 455.478499142212"""  # and their standard errors


def table(text):
    *x, y = np.array(text.split(), float).reshape(-1, 2 if text is NORRIS else 7).T
    return np.stack(x, axis=1), y


def qr(X, y):
    Q, R = jnp.linalg.qr(X)
    return solve_triangular(R, Q.T @ y), jnp.linalg.inv(R)


def inverse_of_square(X, y):
    explicit = jnp.linalg.inv(X.T @ X)
    return explicit @ (X.T @ y), jnp.sqrt(jnp.diag(jnp.diag(explicit)))


def plainly(solve, X, y, dtype):
    """Coefficients and standard errors: `solve` returns a root of (X'X)^-1 beside them."""
    X, y = jnp.asarray(np.insert(X, 0, 1, axis=1), dtype), jnp.asarray(y, dtype)
    found, root = solve(X, y)
    variance = jnp.sum((y - X @ found) ** 2) / (X.shape[0] - X.shape[1])
    return np.asarray(found), np.asarray(jnp.sqrt(variance * (root**2).sum(axis=1)))


def digits(found, certified):
    """Correct decimal digits of the worst entry: -log10 of its relative error, 0 for nonsense."""
    error = np.max(np.abs(found / np.array(certified.split(), float) - 1))
    return float(np.clip(-np.log10(np.nan_to_num(error, nan=1.0)), 0, 16))


@jax.enable_x64(True)
def main() -> int:
    script = start_script(__file__, __doc__)
    (x, y), longley = table(NORRIS), table(LONGLEY)
    line, est = linear(x, y), linear(*longley)
    found = {"Longley, linear": (est.theta, est.errors)}
    for solve, bits in itertools.product((qr, inverse_of_square), (64, 32)):
        found[f"Longley, {solve.__name__}, {bits} bits"] = plainly(solve, *longley, f"float{bits}")
    correct = {f"{name}: correct digits": digits(b, CERTIFIED) for name, (b, _) in found.items()}
    standard = [digits(errors, ERRORS) for _, errors in found.values()]

    def plot(figure):
        left, right = figure.subplots(1, 2)
        left.plot(x, line.objective.evaluate(line.theta)[0], "o")
        left.set(xlabel="x", ylabel="y minus the line", title="Norris: 36 residuals")
        right.plot(list(correct.values()), list(found), "o", label="coefficients")
        right.plot(standard, list(found), "s", label="standard errors")
        right.set(xlabel="correct digits of the worst", xlim=(-0.5, 16), ylim=(4.5, -0.5))
        right.legend()

    figures = {
        "Norris, intercept": line.params["intercept"],
        "Norris, slope": line.params["x1"],
        "Norris, standard error of the slope": line.stderr["x1"],
        "Norris, slope without a column of ones": linear(x, y, intercept=False).params["x1"],
        **correct,
        "Longley, linear: correct digits of the standard errors": standard[0],
    }
    return script.finish(figures, plot, size=(10, 4))


if __name__ == "__main__":
    sys.exit(main())
