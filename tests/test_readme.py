"""What README and CONTRIBUTING tell a reader to type works as it stands there."""

import contextlib
import io
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import optax
import pytest

import paramjax as pj
from paramjax.bench import Benchmark, Plan, Protocol
from paramjax.bench.entries import Entry, find_entries
from paramjax.bench.workloads import find_workload, get

ROOT = Path(__file__).parent.parent


def blocks(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)


TRAINING, COMPARED, ESTIMATED = blocks("README.md")
OPTIMIZER = "import optax\nimport paramjax as pj\n\n\n" + COMPARED.partition("problem = ")[0]


def run(code, names, **smaller):
    """Execute a block in some names, with smaller numbers for its arguments."""
    for argument, value in smaller.items():
        code, found = re.subn(rf"\b{argument}=\d+", f"{argument}={value}", code)
        assert found, argument
    exec(compile(code, "page", "exec"), names)
    return names


def left_out(entry, folder):
    """Why an optimizer cannot take part, after its first steps on a small workload; or nothing."""
    entries, _ = find_entries(["adamw"])
    plan = Plan(
        workloads=[get("breast_cancer_logistic")], entries=[*entries, entry], baseline="adamw",
        protocol=Protocol(replicates=2, trials=1, steps=2), out=folder,
    )  # fmt: skip
    return Benchmark(plan).excluded


@pytest.fixture(scope="module")
def trained():
    """The names that README's training leaves behind, and what it prints."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        names = run(TRAINING, {})
    return names, printed.getvalue()


def test_readmes_optimizer_takes_part(tmp_path):
    (tmp_path / "mine.py").write_text(OPTIMIZER)
    (entry,), excluded = find_entries([f"{tmp_path}/mine.py:my_optimizer"])
    assert excluded == []
    assert left_out(entry, tmp_path) == []


def test_readmes_training_reaches_its_accuracy(trained):
    claimed = float(re.search(r"# (0\.\d+)$", TRAINING, re.M)[1])
    assert float(trained[1]) == pytest.approx(claimed, abs=0.015)


def test_readmes_comparison_says_a_sentence(trained, capsys):
    smaller = "loss_fn=loss_fn, replicates=2, trials=2, steps=20)"
    names = run(COMPARED.replace("loss_fn=loss_fn)", smaller), dict(trained[0]))
    (verdict,) = names["verdicts"].verdicts
    assert verdict.decision.replicates == 2
    assert names["verdicts"].results.workloads[0].split == "anew"
    assert verdict.sentence in capsys.readouterr().out


def test_readmes_estimate_is_what_its_comments_say(capsys):
    names = run(ESTIMATED, {"pj": pj})
    claimed = re.search(r"fastest (\S+) \+- (\S+), half (\S+) \+- (\S+)$", ESTIMATED, re.M)
    printed = capsys.readouterr().out
    assert all(number in printed for number in claimed.groups())
    low, high = re.search(r"# fastest (\S+) to (\S+)$", ESTIMATED, re.M).groups()
    interval = pj.estimate.profile(names["est"]).interval(0.95)
    assert f"{interval.low['fastest']:.1f}" == low
    assert f"{interval.high['fastest']:.1f}" == high


def test_contributing_names_files_that_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:paramjax|tests|docs)/[\w/.]*)`", text)
    assert len(named) > 20
    files = [name.rpartition("/")[0] if "NAME" in name else name for name in named]
    assert [name for name in files if not (ROOT / name).exists()] == []


def test_the_skeletons_of_contributing_are_whole(tmp_path, key):
    optimizer, _, hook = (run(code, {}) for code in blocks("CONTRIBUTING.md"))
    assert left_out(Entry(optimizer["MINE"], None), tmp_path) == []
    trainer = pj.train_step(
        lambda params, batch, key: (jnp.sum(params**2), {}),
        optax.sgd(0.25),
        hooks=[hook["largest_norm"]()],
    )
    state = trainer.init(key, jnp.ones(()))
    for _ in range(3):
        state, metrics = jax.jit(trainer.step)(state, None)
    assert float(metrics["largest_norm"]) == 2.0


def test_the_workload_of_contributing_is_compared_on(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(blocks("CONTRIBUTING.md")[1])
    assert find_workload(f"{file}:MINE").loaded().check() == 1797
    found = pj.compare(
        find_workload(f"{file}:MINE"), {"adam": "adam", "sgd": "sgd"}, baseline="adam",
        replicates=2, trials=1, report_seeds=1, steps=2,
    )  # fmt: skip
    assert not any("too few" in text for text in found.results.workloads[0].warnings)
    assert found["sgd"].margin == 0.0056


def test_contributing_and_the_page_on_verdicts_show_one_workload():
    page = (ROOT / "docs" / "verdicts.md").read_text(encoding="utf-8")
    assert f"```{{code-cell}} ipython3\n{blocks('CONTRIBUTING.md')[1]}```" in page
