"""Underscore modules: the tests stand in for the processes that `verify` starts, or watch them."""

import itertools
import os
import subprocess
import sys

import jax
import numpy as np
import pytest

from paramjax.verify import ChildFailed, Finding, Report, Size, flatten, promise, verify
from paramjax.verify import _child as child_module
from paramjax.verify import _children as children
from paramjax.verify import _runs as runs
from paramjax.verify._children import Session, environment
from paramjax.verify._problem import make_problem, make_trainer
from paramjax.verify._report import DETERMINISTIC
from paramjax.verify._results import load_result, save_facts, save_result

module = sys.modules["paramjax.verify._verify"]
SMALL = Size(steps=120, kills=1)
FACTS = {
    "platform": "cpu", "device_kind": "cpu", "devices": 1, "flags": "",
    "matmul_precision": "default", "x64": False,
}  # fmt: skip


@pytest.mark.parametrize("between", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_every_promise_is_kept_in_one_process(monkeypatch, between):
    """All tasks without child processes, on one device; tests/cli starts them, among the slow.

    Equal bits always, and among the slow tests what is promised `between` programs.
    """

    problem = make_problem(3)  # traced once for all tasks

    def results(session, task, *names, simulated=0):
        found = child_module.TASKS[task](problem, session.steps, session.folder)
        for name, result in found.items():
            save_result(session.folder, name, result)
        return [load_result(session.folder, name) for name in names]

    monkeypatch.setattr(runs, "CHECKPOINTS", 4)
    monkeypatch.setattr(runs, "VALIDATIONS", 3)  # a cut run validates at the steps of the whole
    monkeypatch.setattr(module, "results", results)
    monkeypatch.setattr(
        module, "kill_and_resume", lambda session: (1, *results(session, "resumed", "resumed"))
    )
    exact = {name: own for name, own in module._CHECKS.items() if own[1] is None}
    monkeypatch.setattr(module, "_CHECKS", module._CHECKS if between else exact)
    report = verify(3, Size(steps=40, kills=1))
    assert report.kept, [finding for finding in report.findings if not finding.kept]
    assert len(report.findings) == (10 if between else 5)
    # the programs differ, so equal bits would mean that one was compared with itself
    assert not between or 0 < report.findings[-1].relative <= 1e-5


def arrays():
    """What each task would leave, if all runs were equal."""
    return {
        "params/w": np.array([1.0, 2.0], np.float32),
        "history/rows": np.array([3, 4], np.uint32),
        "history/dropped": np.array([5, 6], np.uint32),
        "state/key": np.array([0, 7], np.uint32),
    }


@pytest.fixture
def pretended(monkeypatch):
    """Results without processes; `broken[task]` changes the last one of a task."""
    broken = {}

    def results(session, task, *names, simulated=0):
        if task == "first":
            save_facts(session.folder, FACTS)
            save_result(session.folder, "first", arrays())
        return [*(arrays() for _ in names[1:]), {**arrays(), **broken.get(task, {})}]

    def kill_and_resume(session):
        return session.kills, {**arrays(), **broken.get("resumed", {})}

    monkeypatch.setattr(module, "results", results)
    monkeypatch.setattr(module, "kill_and_resume", kill_and_resume)
    return broken


def test_kept_promises_are_all_said(pretended):
    started = []
    report = verify(3, SMALL, on_progress=started.append)
    assert report.kept
    assert len(report.findings) == 10
    assert len(started) == 6
    assert {finding.found for finding in report.findings} == {"equal bits"}
    assert [f.compared for f in report.findings if "killed" in f.compared] == [
        "killed once and resumed"
    ]


ONE_BIT = {"params/w": np.array([1.0, 2.0000002], np.float32)}


@pytest.mark.parametrize("task", ["first", "again", "resumed", "cuts"])
def test_one_bit_breaks_what_is_promised_to_the_bit(pretended, task):
    pretended[task] = ONE_BIT
    report = verify(0, SMALL)
    (broken,) = [finding for finding in report.findings if not finding.kept]
    assert not report.kept
    assert broken.promised == "equal bits"
    assert broken.found == "1.2e-7 in params/w (1 of 4 leaves differ)"


@pytest.mark.parametrize("task", ["devices", "population"])
def test_rounding_is_allowed_between_programs_and_other_random_numbers_are_not(pretended, task):
    pretended[task] = ONE_BIT
    assert verify(0, SMALL).kept
    pretended[task] = {"params/w": np.array([1.0, 2.1], np.float32)}
    assert [f.found for f in verify(0, SMALL).findings if not f.kept] == ["0.05 in params/w"]
    pretended[task] = {"history/dropped": np.array([5, 7], np.uint32)}
    findings = [f for f in verify(0, SMALL).findings if not f.kept]
    assert {f.leaf for f in findings} == {"history/dropped"}
    assert any("random numbers" in f.compared for f in findings)


def test_a_check_that_fails_keeps_no_promise_and_the_others_go_on(pretended, monkeypatch):
    monkeypatch.setattr(module, "kill_and_resume", lambda session: (0, arrays()))
    report = verify(0, SMALL)
    assert [f[0:4] for f in report.findings if not f.kept] == [
        ("killed and resumed", "equal bits", "the run ended before it could be killed", False)
    ]
    assert len(report.findings) == 10


def test_a_report_is_json_with_null_for_infinity(pretended):
    pretended["again"] = {"params/w": np.zeros(3)}
    report = verify(0, SMALL).as_dict()
    assert report["kept"] is False
    (broken,) = [f for f in report["findings"] if not f["kept"]]
    assert broken["relative"] is None
    assert broken["found"].startswith("params/w: float32[2] became float64[3]")
    assert report["environment"]["versions"]["jax"] == jax.__version__


def test_a_key_out_of_range_is_refused():
    with pytest.raises(ValueError, match="key: expected an integer from 0"):
        verify(-1, SMALL)


def test_a_first_run_that_fails_is_named_with_its_last_line(monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "no_such_platform")
    with pytest.raises(ChildFailed, match=r"task 'first' ended with code 1: \S.*no_such_platform"):
        verify(0, SMALL)


def test_a_child_ends_with_its_block(tmp_path):
    with children.child(Session(tmp_path, 0, 10**6, 1), "first") as process:
        assert process.poll() is None
    assert process.poll() is not None


def test_children_share_the_memory_of_an_accelerator(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=2 --xla_cpu_x=1")
    assert environment()["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
    assert environment()["XLA_FLAGS"] == os.environ["XLA_FLAGS"]
    simulated = environment(8)
    assert simulated["XLA_FLAGS"] == "--xla_cpu_x=1 --xla_force_host_platform_device_count=8"
    assert simulated["JAX_PLATFORMS"] == "cpu"


@pytest.mark.slow
def test_a_trainer_with_hidden_randomness_does_not_keep_the_promise():
    """The program itself differs from run to run: what `verify` is there to find."""
    drawn = itertools.count(1)

    def leaky(loss):
        return lambda params, *rest: loss(
            jax.tree.map(lambda leaf: leaf * (1 + 1e-6 * next(drawn)), params), *rest
        )

    problem = make_problem(0)
    ends = [runs.run(problem._replace(trainer=make_trainer(1e-3, leaky)), 4) for _ in range(2)]
    finding = promise("twice", *(flatten(runs.everything(end)) for end in ends))
    assert not finding.kept
    assert 0 < finding.relative < 1


def test_a_run_that_is_too_short_to_be_killed_is_said_to_be_so(monkeypatch, tmp_path):
    """Its process ends before it saves what is waited for."""
    (tmp_path / "resumed.log").touch()
    save_result(tmp_path, "resumed", arrays())
    start = subprocess.Popen
    monkeypatch.setattr(
        children.subprocess, "Popen", lambda command, **_: start([sys.executable, "-c", ""])
    )
    assert children.kill_and_resume(Session(tmp_path, 0, 5, 3))[0] == 0


def test_a_gpu_is_told_of_its_flag():
    gpu = {**FACTS, "platform": "gpu", "device_kind": "H100"}
    report = lambda facts, **changes: Report(
        0, facts, [Finding("it", "equal bits", "1e-7 in w", False)._replace(**changes)]
    )
    assert report(FACTS).header()[0] == "platform   cpu: 1 x cpu"
    assert len(report(FACTS).header()) == 4
    assert report(FACTS).advice() is None
    assert report(gpu).header()[-1].endswith("=true: not set")
    assert DETERMINISTIC in report(gpu).advice()
    assert report(gpu, promised="within 1e-5").advice() is None
    assert report(gpu, kept=True).advice() is None
    for flags in (DETERMINISTIC, DETERMINISTIC.removesuffix("=true")):
        assert report({**gpu, "flags": f"--x {flags}"}).header()[-1].endswith("=true: set")
        assert report({**gpu, "flags": flags}).advice() is None
