from __future__ import annotations

import base64
import hashlib
import math
import re

import pytest

from paramjax.bench import Excluded, Records
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
    """`(records, ...) -> (the page as text, the page as a browser reads it)`."""

    def write(records, manifest=MANIFEST, excluded=()):
        path = write_report(records, manifest, excluded, tmp_path / "report.html")
        html = path.read_bytes().decode("utf-8")
        return html, read(html)

    return write


def test_a_finished_benchmark(make, values, draw):
    """Verdicts in words and numbers, described figures, and nothing from the network."""
    html, page = draw(make(values))
    assert "good is better than adamw . bad is worse than it." in page.text
    assert "The data do not decide whether alike differs from it." in page.text
    assert "+0.0525 [+0.0" in page.text
    assert "0.9100" in page.text
    assert "about 0.2 of 3" in re.sub(r"\s", " ", page.text)
    assert "paramjax bench 'my file.py:x'" in page.text
    assert '"jax": "0.10"' in page.text

    plots = [a for tag, a in page.tags if tag == "div" and a.get("class") == "plot"]
    assert [plot["id"] for plot in plots] == list(page.figures)
    assert all(plot["aria-label"] for plot in plots)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))

    for tag, attributes in page.tags:
        assert tag not in {"link", "iframe", "img", "object", "embed", "base", "form"}
        assert not {"src", "href", "srcset", "action", "background"} & attributes.keys()
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
    assert html == draw(make(values))[0], "equal records give equal bytes"


def test_what_users_write_stays_text(make, values, draw):
    records = make({**values, HOSTILE: values["good"]})
    html, page = draw(
        records, {**MANIFEST, HOSTILE: HOSTILE}, [Excluded(HOSTILE, f"raised {HOSTILE}")]
    )
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


def test_an_incomplete_optimizer_is_listed_without_a_verdict(make, values, draw):
    text = draw(make({**values, "slow": [0.9, 0.9]}))[1].text
    assert "This benchmark is not finished." in text
    assert "Incomplete, without a verdict: slow ." in text
    assert "8 of 8 tuning and 2 of 6 report trainings" in text


def test_without_the_baseline_there_is_no_verdict(make, values, draw):
    _, page = draw(make({**values, "adamw": []}))
    assert "The baseline adamw is incomplete , so there is no verdict" in page.text.replace(
        "incomplete,", "incomplete ,"
    )
    assert "waits for the baseline" in page.text
    assert "workload-0-forest" not in page.figures
    assert "workload-0-curve-0" in page.figures


def test_a_diverged_training_is_counted_and_shown(make, values, draw):
    values["good"][1] = math.nan
    _, page = draw(make(values))
    assert "1 of 6 report trainings ended without a finite value" in page.text
    marks = [t for t in page.figures["workload-0-curve-0"]["data"] if t.get("yaxis") == "y2"]
    assert [mark["x"] for mark in marks] == [[12.0]]
    _, page = draw(make({**values, "good": [math.nan] * 6}))
    assert "6 of 6 report trainings ended without a finite value" in page.text


def test_an_excluded_optimizer_is_named_with_the_reason(make, values, draw):
    text = draw(make(values), excluded=[Excluded("mine.py:f", "it returned None")])[1].text
    assert "Excluded from the comparison" in text
    assert "mine.py:f : it returned None" in text


def test_records_without_trainings_are_drawn(make, tmp_path, draw):
    records = Records(tmp_path / "empty")
    assert "The records hold no workload yet." in draw(records, {})[1].text
    records.close()
    _, page = draw(make({"adamw": None}))
    assert "not trained on this workload" in page.text
    assert page.figures == {}


def test_workloads_have_their_own_answers(make, values, draw):
    both = [("digits", "accuracy", True), ("other", "loss", False)]
    text = draw(make(values, both))[1].text
    assert "good is better than adamw" in text
    assert "bad is better than adamw" in text


def test_a_command_that_is_not_text_is_written(make, draw):
    assert "\\udcff" in draw(make({}), {"command": ["paramjax", "\udcff.py:x"]})[0]
