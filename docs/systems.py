"""Write systems.md: what each of the 32 systems is called, and the figures on record.

`python docs/systems.py` after a script or its figures change; a test compares the page.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

from paramjax.cli._scripts import find_programs, rows, summary

PAGE = Path(__file__).parent / "systems.md"
MOST = 4  # figures of a script that the table shows
SYSTEMS = [
    "Linear regression in closed form",
    "Linear regression by gradient descent",
    "Logistic regression",
    "ReLU network 10-5-1, trained whole in one program",
    "Sigmoid network trained by cross-entropy",
    "XOR by a 2-4-1 network",
    "Convolutional network",
    "Recurrent networks: simple, LSTM, GRU",
    "Text: tokens, embeddings, classifiers",
    "Autoencoder, variational autoencoder",
    "Generative adversarial network",
    "Support vector machine, decision tree as a reference",
    "Losses",
    "Activations",
    "Optimizers from gradient descent to Adam",
    "Learning rates and their schedules",
    "Gradient clipping",
    "Regularisation",
    "Cross-validation, splits, standardisation",
    "Data augmentation",
    "Class imbalance",
    "Metrics",
    "Initialisation",
    "Forward and backward pass laid open",
    "Federated averaging",
    "Differentially private SGD",
    "Several devices and processes",
    "Interpretability, standard errors",
    "Search over hyperparameters and structures",
    "Learning rates that need no tuning",
    "Choosing an optimizer",
    "Reinforcement learning: a policy gradient",
]
HEAD = """# The 32 systems

The founding articles describe 32 systems. Each runs by name, from a key: `paramjax example NAME`,
or `paramjax example --all --check` for all of them. The figures are those that `--check` compares
with, within the tolerance after the sign; `experiments/expected/NAME.json` holds all of them, and
the reason for each tolerance.

| row | system, script and what it shows | figures on record |
|---|---|---|
"""


def page() -> str:
    """The page as it should be."""
    lines = [
        line
        for number, system in enumerate(SYSTEMS, 1)
        for line in _lines(number, system, find_programs())
    ]
    return HEAD + "\n".join(lines) + "\n"


def _lines(number: int, system: str, programs: dict[str, Path]) -> list[str]:
    serving = [name for name, file in programs.items() if number in rows(file)]
    if not serving:
        return [f"| {number} | **{system}**<br>none yet | |"]
    return [
        f"| {number} | **{system}**<br>`{name}`: {_cell(summary(programs[name]))} "
        f"| {_figures(programs[name])} |"
        for name in serving
    ]


def _figures(script: Path) -> str:
    """The first figures of each record, and how many more there are."""
    file = script.parent / "expected" / f"{script.stem}.json"
    recorded = json.loads(file.read_text(encoding="utf-8"))["recorded"] if file.is_file() else []
    return "<br>".join(map(_of_record, recorded)) or "none yet"


def _of_record(record: dict) -> str:
    named = list(record["figures"].items())
    shown = [_cell(f"{name}: {_number(figure)}") for name, figure in named[:MOST]]
    more = [f"{len(named) - MOST} more"] if len(named) > MOST else []
    settings = ", ".join(f"{name} {value}" for name, value in record["settings"].items())
    return "<br>".join([*([f"*{_cell(settings)}*"] if settings else []), *shown, *more])


def _number(figure: dict) -> str:
    target = figure["value"]
    within = figure.get("absolute", 0.0) + figure.get("relative", 0.0) * abs(target)
    digits = math.ceil(math.log10(abs(target) / within)) + 1 if target and within else 1
    return f"{target:.{min(max(digits, 2), 12)}g} ± {within:.2g}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("$", "\\$").replace("_", "\\_").replace("*", "\\*")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
