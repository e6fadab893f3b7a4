"""`paramjax verify` as a user meets it."""

import json
import sys

import numpy as np
import pytest

from paramjax.cli._main import main
from paramjax.verify import Size

module = sys.modules["paramjax.verify._verify"]


@pytest.fixture
def verify(capsys, monkeypatch):
    """Run the command in this process, on short runs: exit code, stdout, stderr."""
    monkeypatch.setattr("paramjax.verify.QUICK", Size(steps=200, kills=1))

    def run(*words):
        with pytest.raises(SystemExit) as exit_:
            main(["verify", *words])
        captured = capsys.readouterr()
        return exit_.value.code, captured.out, captured.err

    return run


def test_every_promise_is_kept_here(verify):
    code, out, err = verify("--quick", "--json")
    assert code == 0, out + err
    report = json.loads(out)
    assert report["kept"] is True
    found = {f["compared"]: (f["promised"], f["found"]) for f in report["findings"]}
    exact = {name for name, (promised, _) in found.items() if promised == "equal bits"}
    assert all(found[name][1] == "equal bits" for name in exact)
    assert exact == {
        "same run twice, in one process",
        "same run, in another process",
        "killed once and resumed",
        "whole, and cut and resumed",
        "stream, whole and resumed",
        "8 simulated devices: random numbers",
        "in a population: random numbers",
    }
    assert set(found) - exact == {
        "8 simulated devices: rows split",
        "8 simulated devices: params split",
        "in a population, and alone",
    }
    # the programs differ, so equal bits would mean that one was compared with itself
    assert all(0 < f["relative"] <= 1e-5 for f in report["findings"] if f["compared"] not in exact)


@pytest.fixture
def noisy(monkeypatch):
    """All runs equal, but for noise in the last bit of the one in another process."""
    leaves = {"params/w": np.array([1.0, 2.0], np.float32), "history/rows": np.arange(2)}

    def results(session, task, *names, simulated=0):
        module.save_first(session.folder, leaves) if task == "first" else None
        noise = np.float32(2.0**-22 if task == "again" else 0.0)
        return [{**leaves, "params/w": leaves["params/w"] + noise} for _ in names]

    def save_first(folder, tree):
        from paramjax.verify._results import save_facts, save_result

        save_result(folder, "first", tree)
        facts = {"platform": "gpu", "device_kind": "made up", "devices": 2, "flags": ""}
        save_facts(folder, {**facts, "matmul_precision": "default", "x64": False})

    monkeypatch.setattr(module, "save_first", save_first, raising=False)
    monkeypatch.setattr(module, "results", results)
    monkeypatch.setattr(module, "kill_and_resume", lambda session: (4, leaves))


def test_a_broken_promise_is_shown_and_changes_the_exit_code(verify, noisy):
    code, out, err = verify()
    assert code == 1
    assert "9 of 10 promises kept, key 0" in out
    (line,) = [line for line in out.splitlines() if "BROKEN" in line]
    assert "same run, in another process" in line
    assert "1.2e-7 in params/w (1 of 2 leaves differ)" in line
    assert "killed 4 times and resumed" in out
    assert "2 devices: rows split" in out
    assert "--xla_gpu_exclude_nondeterministic_ops=true: not set" in out
    assert "set it and verify again" in " ".join(err.split())


def test_bad_input_is_said(verify):
    for key in ("-1", str(2**32)):
        code, out, err = verify("--key", key)
        assert (code, out) == (2, "")
        assert "key: expected an integer from 0 to 2**32 - 1" in " ".join(err.split())


def test_a_first_run_that_fails_ends_the_command(verify, monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "no_such_platform")
    code, out, err = verify()
    assert (code, out) == (1, "")
    assert "the process of task 'first' ended with code 1" in " ".join(err.split())
