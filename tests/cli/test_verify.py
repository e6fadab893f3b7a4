import json

import numpy as np
import pytest

from paramjax.verify import ChildFailed, Report, Size, promise

LEAVES = {"params/w": np.array([1.0, 2.0], np.float32), "history/rows": np.arange(2)}
NOISY = {**LEAVES, "params/w": LEAVES["params/w"] + np.float32(2.0**-22)}
FACTS = {
    "platform": "gpu", "device_kind": "made up", "devices": 2, "flags": "",
    "matmul_precision": "default", "x64": False,
}  # fmt: skip


@pytest.fixture
def checked(monkeypatch):
    """Let the command show a report that the test made: `checked(report)`."""
    return lambda check: monkeypatch.setattr("paramjax.verify.verify", check)


def test_a_broken_promise_is_shown_and_changes_the_exit_code(paramjax, checked):
    findings = [promise("killed", LEAVES, LEAVES), promise("another process", LEAVES, NOISY)]
    checked(lambda key, size, on_progress: Report(key, FACTS, findings))
    code, out, err = paramjax("verify", "--key", "3")
    assert code == 1
    assert "1 of 2 promises kept, key 3" in out
    (line,) = [line for line in out.splitlines() if "BROKEN" in line]
    assert "another process" in line
    assert "1.2e-7 in params/w (1 of 2 leaves differ)" in line
    assert "platform   gpu: 2 x made up" in out
    assert "--xla_gpu_exclude_nondeterministic_ops=true: not set" in out
    assert "set it and verify again" in err
    code, out, err = paramjax("verify", "--json")
    assert (code, err) == (1, "")
    assert [f["kept"] for f in json.loads(out)["findings"]] == [True, False]
    checked(lambda key, size, on_progress: Report(key, FACTS, findings[:1]))
    assert paramjax("verify").code == 0


def test_bad_input_and_a_first_run_that_fails_are_said(paramjax, checked):
    for key in ("-1", str(2**32)):
        code, out, err = paramjax("verify", "--key", key)
        assert (code, out) == (2, "")
        assert "key: expected an integer from 0 to 2**32 - 1" in err

    def fails(key, size, on_progress):
        raise ChildFailed("the process of task 'first' ended with code 1: no device")

    checked(fails)
    code, out, err = paramjax("verify", "--quick")
    assert (code, out) == (1, "")
    assert "the process of task 'first' ended with code 1: no device" in err


@pytest.mark.slow
def test_every_promise_is_kept_here(paramjax, monkeypatch):
    """Eight processes; the fast suite does the same in one, without kills, on one device."""
    monkeypatch.setattr("paramjax.verify.QUICK", Size(steps=200, kills=1))
    code, out, err = paramjax("verify", "--quick", "--json")
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
