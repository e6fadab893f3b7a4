from __future__ import annotations

import base64
import hashlib
import math

import pytest

from paramjax.bench.entries import Excluded
from paramjax.bench.report import write_report

HOSTILE = "mine.py:</script><b onclick=alert(1)>&x</b>"
MANIFEST = {
    "versions": {"paramjax": "0.1.0", "jax": "0.10"},
    "key": 0,
    "flags": {"out": HOSTILE},
    "command": ["paramjax", "bench", "my file.py:x"],
}


@pytest.fixture
def draw(tmp_path, read):
    """`results -> (the page as text, the page as a browser reads it)`."""

    def write(results):
        path = tmp_path / "report.html"
        write_report(results, path)
        html = path.read_bytes().decode("utf-8")
        return html, read(html)

    return write


def test_a_finished_benchmark(make, scores, draw):
    """Verdicts in words and numbers, described figures, and nothing from the network."""
    results = make(scores)._replace(manifest=MANIFEST)
    html, page = draw(results)
    for verdict in results.verdicts:
        assert verdict.sentence in page.text
        assert verdict.decision.reason in page.text
    assert "+0.0525 [+0.05" in page.text
    assert "4 trials of tuning (1 seed each)" in page.text
    assert "up to 0.005 do not matter (half a point)" in page.text
    assert "verdicts are on this split (60 train, 20 validation, 20 test)" in page.text
    assert "paramjax bench 'my file.py:x'" in page.text
    assert '"jax": "0.10"' in page.text
    assert "0.001 to 1, logarithmic (3 decades)" in page.text
    assert "nothing 0 B of constants digits: 0123456789ab" in page.text

    plots = [a for tag, a in page.tags if tag == "div" and a.get("class") == "plot"]
    assert [plot["id"] for plot in plots] == list(page.figures)
    assert all(plot["aria-label"] for plot in plots)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))

    for tag, attributes in page.tags:
        assert tag not in {"link", "iframe", "img", "object", "embed", "base", "form"}
        assert not {"src", "srcset", "action", "background"} & attributes.keys()
        assert attributes.get("href", "#").startswith("#")
    assert "@import" not in html.replace(page.scripts[0], "")
    assert "url(" not in html.replace(page.scripts[0], "")
    policy = next(a["content"] for t, a in page.tags if t == "meta" and "http-equiv" in a)
    assert "default-src 'none'" in policy
    for script in page.scripts:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy

    assert html.count("plotly.js v") == 1
    assert len(page.scripts) == 2
    assert len(html) < 6_000_000
    assert html == draw(make(scores)._replace(manifest=MANIFEST))[0], "equal results, equal bytes"


def test_what_users_write_stays_text(make, scores, draw):
    results = make({**scores, HOSTILE: scores["good"]})._replace(
        manifest={**MANIFEST, HOSTILE: HOSTILE},
        excluded=[Excluded(HOSTILE, f"raised {HOSTILE}")],
    )
    html, page = draw(results)
    assert "b" not in {tag for tag, _ in page.tags}
    assert not any("onclick" in attributes for _, attributes in page.tags)
    assert "onclick=alert" in page.text
    outside = html.replace(page.scripts[0], "")
    assert outside.count("</script") == len(page.scripts) - 1 + len(page.figures) + 1
    assert "<b onclick" not in html
    figures = str(page.figures)
    assert "&lt;b onclick=alert(1)&gt;&amp;x&lt;/b&gt;" in figures
    assert "<b onclick" not in figures
    assert "</script" not in figures


def test_the_variance_factor_that_decided_is_named(make, scores, draw):
    text = draw(make(scores))[1].text
    assert "times 1/6, as between independent replicates" in text
    text = draw(make(scores, split="anew", variance_ratio=0.25))[1].text
    assert "times 0.417 = 1/6 + 0.25" in text
    assert "1.58 times as wide" in text
    assert "Each replicate splits the rows anew" in text


def test_warnings_stand_at_the_top(make, scores, draw):
    text = draw(make(scores, bears_verdicts=False, warnings=["Twenty test rows are few."]))[1].text
    assert "kept for speed and cannot carry a verdict" in text
    assert "Twenty test rows are few." in text
    few = {name: own[:3] for name, own in scores.items()}
    assert "With 3 replicates no optimizer can be better or worse" in draw(make(few))[1].text


def test_what_the_audit_found_stands_at_the_top_and_beside_the_program(make, scores, draw):
    results = make(scores)
    (workload,) = results.workloads
    audit = {**workload.optimizers["good"].audit, "flags": ["it knows the answer"]}
    found = {**workload.optimizers, "good": workload.optimizers["good"]._replace(audit=audit)}
    text = draw(results._replace(workloads=[workload._replace(optimizers=found)]))[1].text
    assert "good: it knows the answer" in text
    assert "it knows the answer 0 B of constants" in text


def test_several_looks_are_told(make, scores, draw):
    scores["bad"] = scores["bad"][:4]
    results = make(scores)
    text = draw(results._replace(rules={**results.rules, "looks": [4, 6]}))[1].text
    assert "in 4 to 6 replicates, added until decided, paired" in text


def test_one_replicate_has_a_page(make, scores, draw):
    text = draw(make({name: own[:1] for name, own in scores.items()}))[1].text
    assert "one replicate cannot show its own spread" in text
    assert "nan" not in text.lower().replace("finance", "")


def test_an_incomplete_optimizer_is_listed_without_a_verdict(make, scores, draw):
    text = draw(make({**scores, "slow": [0.8, 0.8, None]}))[1].text
    assert "This benchmark is not finished." in text
    assert "… incomplete 2 of 6 replicates" in " ".join(text.split())


def test_without_the_baseline_there_is_no_verdict(make, scores, draw):
    _, page = draw(make({**scores, "adamw": [None]}))
    assert "There is no verdict yet" in page.text
    assert "workload-0-forest" not in page.figures
    assert {"workload-0-curve-0", "workload-0-budget"} <= set(page.figures)


def test_a_lost_training_is_counted_and_shown(make, scores, draw):
    scores["good"][1] = math.nan
    _, page = draw(make(scores))
    assert "because a report training had no end: good 1 of 6." in page.text
    assert "sign test" in page.text
    crosses = [t for t in page.figures["workload-0-curve-0"]["data"] if t["mode"] == "markers"]
    assert [mark["x"] for mark in crosses] == [[12.0]]
    text = draw(make({**scores, "good": [math.nan] * 6}))[1].text
    assert "had no end: good 6 of 6." in text


def test_excluded_optimizers_keys_and_the_calibration_are_told(make, scores, draw):
    results = make(scores)
    text = draw(results)[1].text
    assert "run paramjax calibrate" in text
    assert "Key: 0; no other was used in this folder." in text
    rate = {"hits": 1, "comparisons": 40, "interval": [0.001, 0.13], "share": 0.025}
    calibration = {
        "workload": "digits", "optimizer": "adamw", "split": "anew", "false": rate,
        "equivalent": rate, "handicaps": {"0.5": rate}, "against": {"good": {"better": rate}},
        "false_on_these_rows": rate, "against_on_these_rows": {"good": {"worse": rate}},
    }  # fmt: skip
    results = results._replace(
        excluded=[Excluded("mine.py:f", "it returned None")],
        keys=[0, 7],
        calibration={"workloads": {"digits": calibration}},
    )
    text = draw(results)[1].text
    assert "mine.py:f : it returned None" in text
    assert "Choosing among keys is choosing a result" in text
    assert (
        "digits adamw against its copy: better or worse, which is false 2.5 % 0.1 % to 13 % 40"
        in text
    )
    assert "made worse by 0.5 of a standard deviation: worse 2.5 %" in text
    assert "good against adamw: better 2.5 %" in text
    assert "on these rows alone, good against adamw: worse 2.5 %" in text
    assert "Not calibrated" not in text
    assert "This protocol was calibrated." in text
    other = {"workloads": {"digits": calibration}, "protocol": {"key": 9, "trials": 8}}
    text = draw(results._replace(calibration=other))[1].text
    assert "Another protocol was calibrated: trials 8 there, 4 here." in text


def test_a_benchmark_without_trainings_is_drawn(make, draw):
    _, page = draw(make({"adamw": [], "good": []}))
    assert "There is no verdict yet" in page.text
    assert page.figures == {}
    assert "holds no workload" in draw(make({}, workloads=()))[1].text


def test_workloads_have_their_own_answers(make, scores, draw):
    _, page = draw(make(scores, (("digits", "accuracy", True), ("other", "loss", False))))
    assert "good is better beside adamw" in page.text
    assert "bad is better beside adamw" in page.text
    assert {"workload-0-forest", "workload-1-forest"} <= set(page.figures)


def test_a_command_that_is_not_text_is_written(make, draw):
    results = make({})._replace(manifest={"command": ["paramjax", "\udcff.py:x"]})
    assert "\\udcff" in draw(results)[0]
