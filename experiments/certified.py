"""Nonlinear regressions whose results NIST certified: how many digits of them are found.

`pj.estimate.curve_fit` with one setting from both starts; beside it the parameters of SciPy's
MINPACK (tolerances of 1e-15) and, if it is installed, of optimistix's LevenbergMarquardt (1e-12).
27 problems, sought as `pj.data.nist_regressions` does; without them BoxBOD alone.

Row 28 of the brief.
"""

from __future__ import annotations

import importlib.util
import sys

import jax
import jax.numpy as jnp
import numpy as np
from scipy import optimize

import paramjax as pj
from paramjax.cli import start_script

BOXBOD = pj.data.Regression(
    "BoxBOD", "Higher", "y = b1*(1-exp[-b2*x])",
    {"y": np.array([109.0, 149, 149, 191, 213, 224]), "x": np.array([1.0, 2, 3, 5, 7, 10])},
    ({"b1": 1.0, "b2": 1.0}, {"b1": 100.0, "b2": 0.75}),
    {"b1": 213.80940889, "b2": 0.54723748542}, {"b1": 12.354515176, "b2": 0.10455993237},
    1168.0088766,
)  # fmt: skip


def digits(found, certified) -> float:
    """Equal ones of the worst number, of the 11 that are certified."""
    found, certified = np.array([*found]), np.array([*certified])
    worst = np.max(np.abs(found - certified) / np.abs(certified))
    return float(np.log10(1 / np.clip(np.nan_to_num(worst, nan=1.0), 1e-11, 1.0)))


def by_scipy(model, start, columns, y):
    rows = lambda b: y - model.evaluate({**columns, **dict(zip(start, b, strict=True))})  # noqa: E731
    tight = {"ftol": 1e-15, "xtol": 1e-15, "gtol": 0.0, "maxfev": 20_000, "full_output": True}
    return optimize.leastsq(rows, [*start.values()], **tight)[0]  # as curve_fit does


def by_optimistix(model, start, columns, y):
    if importlib.util.find_spec("optimistix") is None:
        return np.full(len(start), np.nan)
    import optimistix

    rows = lambda b, data: data[1] - model.predict(b, data[0])  # noqa: E731
    solver = optimistix.LevenbergMarquardt(rtol=1e-12, atol=1e-12)
    with jax.enable_x64(True):
        begun, data = jax.tree.map(jnp.asarray, (start, (columns, y)))
        found = optimistix.least_squares(rows, solver, begun, data, max_steps=20_000, throw=False)
    return np.array([found.value[name] for name in start])


def main() -> int:
    script = start_script(__file__, __doc__)
    try:
        data, problems = "NIST", pj.data.nist_regressions()
    except pj.data.DataNotFoundError as error:
        print(f"certified: one problem alone: {str(error).splitlines()[0]}")
        data, problems = "BoxBOD", {"BoxBOD": BOXBOD}
    script.expected(data=data)
    table = []  # digits for each problem and start
    print(f"{'digits of':10} parameters deviations    squares      scipy optimistix")
    for name, problem in problems.items():
        model, columns = pj.estimate.formula(problem.model), dict(problem.columns)
        y, true = model.response.evaluate(columns), problem.parameters.values()
        del columns["y"]
        for number, start in enumerate(problem.starts, 1):
            est = pj.estimate.curve_fit(model.predict, start, columns, y)
            others = [by(model, start, columns, y) for by in (by_scipy, by_optimistix)]
            errors = digits(est.stderr.values(), problem.deviations.values())
            first, *rest = (digits(found, true) for found in (est.params.values(), *others))
            table.append([first, errors, digits([est.value], [problem.sum_of_squares]), *rest])
            print(f"{name:8} {number}", *(f"{value:10.1f}" for value in table[-1]), est.outcome)
    of_all = np.array(table)  # but double numbers do not hold the errors of Lanczos1
    certain = of_all[np.repeat([name != "Lanczos1" for name in problems], 2)]

    def plot(figure):
        axes = figure.subplots()
        for column, label in ((0, "paramjax"), (3, "scipy"), (4, "optimistix")):
            axes.plot(np.sort(of_all[:, column]), "o-", ms=4, label=label)
        axes.set(xlabel="fits, sorted", ylabel="digits of the worst parameter")
        axes.legend()

    figures = {
        "fits with 8 digits of the parameters": (of_all[:, 0] >= 8).sum(),
        "fits with 5 digits of the deviations": (certain[:, 1] >= 5).sum(),
        "fits with 6 digits of the squares": (certain[:, 2] >= 6).sum(),
        "fewest digits of a parameter": of_all[:, 0].min(),
    }
    return script.finish(figures, plot, data=data)


if __name__ == "__main__":
    sys.exit(main())
