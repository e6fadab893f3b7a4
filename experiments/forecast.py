"""Recurrent networks forecast a week of temperatures: their error beside that of simple rules.

A simple layer, an LSTM and a GRU of 32 read four weeks of daily minima in Melbourne and the time of
the year, and forecast the next seven days, on the last two years. Beside them: a year ago
(seasonal-naive), the day before, and the curve of the year (two harmonics by least squares).
Without the data a series drawn from the key serves.

Row 8 of the brief.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax

import paramjax as pj
from paramjax.cli import start_script

LAYERS = {name: getattr(pj.models, name)(32) for name in ("SimpleRNN", "LSTM", "GRU")}
YEAR, PAST, AHEAD, HEAD = 365, 28, 7, pj.models.Dense(7)


def find_series(folder, key):
    try:
        return "daily_temperatures", pj.data.time_series("daily_temperatures", folder or None)
    except pj.data.DataNotFoundError as error:
        print(f"{error}\nA series drawn from the key serves instead.")
    days, shocks = np.arange(10 * YEAR), np.random.default_rng(key).normal(0, 2.3, 10 * YEAR)
    weather = np.convolve(shocks, 0.6 ** days[:40])[days]  # autoregressive
    return "drawn", 11 + 4.5 * np.cos(2 * np.pi * days / YEAR) + weather


def main() -> int:
    script = start_script(__file__, __doc__, data="", steps=400, seeds=5)
    steps, seeds = script["steps"], script["seeds"]
    data, series = find_series(script["data"], script.key)
    settings = {"data": data, "steps": steps, "seeds": seeds}
    script.expected(**settings)  # stops here if --check cannot be answered
    days, cut = np.arange(len(series)), len(series) - 2 * YEAR
    mean, scale, angles = series[:cut].mean(), series[:cut].std(), 2 * np.pi * days / YEAR
    waves = np.stack([f(n * angles) for n in (1, 2) for f in (np.sin, np.cos)] + [days**0], axis=1)
    seen = np.float32(np.column_stack([(series - mean) / scale, waves[:, :2]]))

    def windows(first, last):
        """Four weeks before each day from `first` on, and the week that begins there."""
        starts = np.arange(first, last - AHEAD + 1)[:, None]
        return {"x": seen[starts + np.arange(-PAST, 0)], "y": seen[starts + np.arange(AHEAD), 0]}

    train, test = windows(PAST, cut), windows(cut, len(series))

    def init(key, hp):
        start = LAYERS[hp["layer"]].init(key, train["x"][:1])
        return {"memory": start, "head": HEAD.init(jax.random.fold_in(key, 1), jnp.zeros((1, 32)))}

    def apply(layer, params, x):
        return HEAD.apply(params["head"], LAYERS[layer].apply(params["memory"], x)[:, -1])

    def loss_of(hp):
        return pj.losses.supervised(lambda p, x: apply(hp["layer"], p, x), pj.losses.squared_error)

    adam = optax.adam(optax.schedules.cosine_decay_schedule(3e-3, steps))
    result = pj.sweep(
        lambda hp: pj.train_step(loss_of(hp), adam), {"layer": pj.choice(list(LAYERS))},
        pj.Problem(init=init, data=train, batch_size=64, eval_data=test,
                   evaluate=lambda params, data, hp: loss_of(hp)(params, data, None)),
        trials=[{"layer": layer} for layer in LAYERS], seeds=seeds, steps=steps,
        key=jax.random.key(script.key), evaluations=10,
    )  # fmt: skip
    errors = scale * np.sqrt(result.curve["loss"][:, -1]).reshape(len(LAYERS), seeds)
    means = {layer: errors[i].mean() for i, layer in enumerate(LAYERS)}
    ahead = np.arange(cut, len(series) - AHEAD + 1)[:, None] + np.arange(AHEAD)
    year = waves @ np.linalg.lstsq(waves[:cut], series[:cut], rcond=None)[0]
    rules = {name: np.sqrt(np.mean((rule - series[ahead]) ** 2)) for name, rule in [
        ("a year ago", series[ahead - YEAR]), ("the day before", series[ahead[:, :1] - 1]),
        ("curve of the year", year[ahead])]}  # fmt: skip

    def plot(figure):
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        shown = ahead[: 10 * AHEAD : AHEAD]
        gru = mean + scale * apply("GRU", result.params_of(2, 0), test["x"][: 10 * AHEAD : AHEAD])
        left.plot(shown.ravel(), series[shown].ravel(), "k.", label="measured")
        left.plot(shown.T, gru.T, "C1", label=["GRU", *[""] * 9])
        left.plot(shown.ravel(), year[shown].ravel(), "C7:", label="curve of the year")
        left.set(xlabel="day", ylabel="temperature (°C)", title=f"{data}: a week ahead")
        figure.legend(loc="outside lower center", ncols=3)
        right.barh([*means, *rules], [*means.values(), *rules.values()], color="C1")
        right.errorbar(means.values(), list(means), xerr=errors.std(axis=1), fmt="k.", capsize=4)
        right.set(xlabel=f"RMS error (°C), deviation of {seeds} seeds", title="Last two years")

    figures = {f"error, {name} (°C)": value for name, value in (means | rules).items()}
    return script.finish(figures | {"error, worst seed (°C)": errors.max()}, plot, **settings)


if __name__ == "__main__":
    sys.exit(main())
