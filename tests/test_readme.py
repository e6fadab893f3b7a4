"""What README and CONTRIBUTING tell a reader to type works as it stands there."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import optax
import pytest

import paramjax as pj
from paramjax.bench import Protocol, find_entries
from paramjax.bench._preflight import first_step
from paramjax.bench._runner import prepare
from paramjax.bench.workloads._registry import get

ROOT = Path(__file__).parent.parent


def blocks(page: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)


@pytest.fixture(scope="module")
def stage():
    protocol = Protocol(trials=1, tuning_seeds=1, seeds=2, steps=2)
    return protocol, prepare(get("breast_cancer_logistic"), protocol)


def takes_first_step(optimizer, stage):
    protocol, ready = stage
    first_step(ready.workload, optimizer, protocol, ready.starts, ready.splits.train)
    return True


def test_readmes_optimizer_takes_part(tmp_path, stage):
    (tmp_path / "mine.py").write_text(blocks("README.md")[0])
    (contestant,), left_out = find_entries([f"{tmp_path}/mine.py:my_optimizer"])
    assert left_out == []
    assert takes_first_step(contestant.optimizer, stage)


def test_readmes_training_reaches_its_accuracy(capsys):
    code = blocks("README.md")[1]
    exec(compile(code, "README.md", "exec"), {})
    claimed = float(re.search(r"# (0\.\d+)$", code, re.M)[1])
    assert float(capsys.readouterr().out) == pytest.approx(claimed, abs=0.015)


def test_readmes_long_run_can_be_started_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = {}
    training, _, long = blocks("README.md")[1:4]
    exec(compile(training, "README.md", "exec"), page)
    page["splits"] = page["splits"]._replace(
        train=jax.tree.map(lambda a: a[:300], page["splits"].train)
    )
    ends = []
    for steps in ("steps=500", "steps=700", "steps=700"):
        exec(compile(long.replace("steps=2000", steps), "README.md", "exec"), page)
        ends.append(page["run"])
    assert [len(end.history["loss"]) for end in ends] == [500, 700, 700]
    assert float(ends[2].history["loss"][-1]) == float(ends[1].history["loss"][-1])
    assert len((tmp_path / "digits.csv").read_text().splitlines()) == 701


def test_readmes_sweep_is_kept_and_drawn(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    page = {}
    training, tuning = blocks("README.md")[1:3]
    for whole, small in (
        ("trials=64", "trials=9"),
        ("seeds=3", "seeds=2"),
        ("steps=500", "steps=9"),
    ):
        tuning = tuning.replace(whole, small)
    exec(compile(training.replace("steps=500", "steps=2"), "README.md", "exec"), page)
    exec(compile(tuning, "README.md", "exec"), page)
    found = page["found"]
    assert len(found.records) == 18
    assert found.budget.share < 0.5
    assert (tmp_path / "sweep" / "records.sqlite").exists()
    assert (tmp_path / "sweep.png").read_bytes().startswith(b"\x89PNG")
    assert "18 runs" in capsys.readouterr().out


def test_readmes_composed_step_trains(capsys):
    page = {}
    for code in (blocks("README.md")[1], blocks("README.md")[4]):
        exec(compile(code, "README.md", "exec"), page)
    run = pj.fit(
        page["trainer"], page["params"], page["splits"].train,
        key=jax.random.key(1), steps=30, batch_size=128,
    )  # fmt: skip
    assert run.history["loss"][-1] < run.history["loss"][0]
    assert int(run.history["skipped"][-1]) == 0


def test_the_skeletons_of_contributing_are_whole(stage, key):
    optimizer, workload, hook = ({} for _ in range(3))
    for code, names in zip(blocks("CONTRIBUTING.md"), (optimizer, workload, hook), strict=True):
        exec(compile(code, "CONTRIBUTING.md", "exec"), names)
    assert takes_first_step(optimizer["MINE"], stage)
    assert workload["MINE"].load().train["x"].shape[1] == 30
    params = workload["MINE"].init(key)
    metrics = workload["MINE"].evaluate(params, workload["MINE"].load().test)
    assert jnp.isfinite(metrics["loss"])
    trainer = pj.train_step(
        lambda params, batch, key: (jnp.sum(params**2), {}),
        optax.sgd(0.25),
        hooks=[hook["largest_norm"]()],
    )
    state = trainer.init(key, jnp.ones(()))
    for _ in range(3):
        state, metrics = jax.jit(trainer.step)(state, None)
    assert float(metrics["largest_norm"]) == 2.0
