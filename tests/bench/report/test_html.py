from __future__ import annotations

import base64
import hashlib
import math
import re
import subprocess
import sys

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
def draw(tmp_path):
    def drawn(records, manifest=MANIFEST, excluded=()):
        path = write_report(records, manifest, excluded, tmp_path / "report.html")
        return path.read_bytes().decode("utf-8")

    return drawn


def test_each_verdict_is_said_in_words_and_shown_in_the_table(make, values, draw, read):
    text = read(draw(make(values))).text
    assert "good is better than adamw . bad is worse than it." in text
    assert "The data do not decide whether alike differs from it." in text
    assert "+0.0525 [+0.0" in text
    assert "0.9100" in text
    assert "about 0.2 of 3" in re.sub(r"\s", " ", text)


def test_it_loads_nothing(make, values, draw, read):
    html = draw(make(values))
    page = read(html)
    for tag, attributes in page.tags:
        assert tag not in {"link", "iframe", "img", "object", "embed", "base", "form"}
        assert not {"src", "href", "srcset", "action", "background"} & attributes.keys()
    assert "@import" not in html.replace(page.scripts[0], "")
    assert "url(" not in html.replace(page.scripts[0], "")


def test_its_policy_forbids_loading_and_lets_its_own_scripts_run(make, values, draw, read):
    page = read(draw(make(values)))
    policy = next(a["content"] for t, a in page.tags if t == "meta" and "http-equiv" in a)
    assert "default-src 'none'" in policy
    for script in page.scripts:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_plotly_is_there_once(make, values, draw, read):
    html = draw(make(values))
    assert html.count("plotly.js v") == 1
    assert len(read(html).scripts) == 2
    assert len(html) < 6_000_000


def test_what_users_write_stays_text(make, values, draw, read):
    records = make({**values, HOSTILE: values["good"]})
    html = draw(records, {**MANIFEST, HOSTILE: HOSTILE}, [Excluded(HOSTILE, f"raised {HOSTILE}")])
    page = read(html)
    assert "b" not in {tag for tag, _ in page.tags}
    assert not any("onclick" in attributes for _, attributes in page.tags)
    assert "onclick=alert" in page.text
    outside = html.replace(page.scripts[0], "")
    assert outside.count("</script") == len(page.scripts) - 1 + len(page.figures) + 1
    assert "<b onclick" not in html


def test_plotly_gets_user_text_with_its_tags_escaped(make, values, draw, read):
    page = read(draw(make({**values, HOSTILE: values["good"]})))
    drawn = str(page.figures)
    assert "&lt;b onclick=alert(1)&gt;&amp;x&lt;/b&gt;" in drawn
    assert "<b onclick" not in drawn
    assert "</script" not in drawn


def test_equal_records_give_equal_bytes(make, values, draw):
    assert draw(make(values)) == draw(make(values))


def test_every_plot_has_its_data_and_a_description(make, values, draw, read):
    page = read(draw(make(values)))
    plots = [a for tag, a in page.tags if tag == "div" and a.get("class") == "plot"]
    assert [plot["id"] for plot in plots] == list(page.figures)
    assert all(plot["aria-label"] for plot in plots)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_an_incomplete_optimizer_is_listed_without_a_verdict(make, values, draw, read):
    text = read(draw(make({**values, "slow": [0.9, 0.9]}))).text
    assert "This benchmark is not finished." in text
    assert "Incomplete, without a verdict: slow ." in text
    assert "8 of 8 tuning and 2 of 6 report trainings" in text


def test_without_the_baseline_there_is_no_verdict(make, values, draw, read):
    page = read(draw(make({**values, "adamw": []})))
    assert "The baseline adamw is incomplete , so there is no verdict" in page.text.replace(
        "incomplete,", "incomplete ,"
    )
    assert "waits for the baseline" in page.text
    assert "workload-0-forest" not in page.figures
    assert "workload-0-curve-0" in page.figures


def test_a_lost_training_is_counted_and_shown(make, values, draw, read):
    values["good"][1] = math.nan
    page = read(draw(make(values)))
    assert "1 of 6 report trainings ended without a finite value" in page.text
    assert "1 of 6" in page.text
    marks = [t for t in page.figures["workload-0-curve-0"]["data"] if t.get("yaxis") == "y2"]
    assert [mark["x"] for mark in marks] == [[12.0]]


def test_all_lost_is_drawn_too(make, values, draw, read):
    page = read(draw(make({**values, "good": [math.nan] * 6})))
    assert "6 of 6 report trainings ended without a finite value" in page.text


def test_who_was_left_out_is_named_with_the_reason(make, values, draw, read):
    text = read(draw(make(values), excluded=[Excluded("mine.py:f", "it returned None")])).text
    assert "Left out of the comparison" in text
    assert "mine.py:f : it returned None" in text


def test_records_without_anything_are_drawn(tmp_path, draw, read):
    records = Records(tmp_path / "empty")
    assert "The records hold no workload yet." in read(draw(records, {})).text
    records.close()


def test_records_before_the_first_training_are_drawn(make, draw, read):
    page = read(draw(make({"adamw": None})))
    assert "not trained on this workload" in page.text
    assert page.figures == {}


def test_workloads_stand_beside_each_other(make, values, draw, read):
    both = [("digits", "accuracy", True), ("other", "loss", False)]
    text = read(draw(make(values, both))).text
    assert "good is better than adamw" in text
    assert "bad is better than adamw" in text


def test_manifest_and_command_are_shown(make, values, draw, read):
    text = read(draw(make(values))).text
    assert "paramjax bench 'my file.py:x'" in text
    assert '"jax": "0.10"' in text


def test_a_command_that_is_no_text_is_written(make, values, draw):
    assert "\\udcff" in draw(make(values), {"command": ["paramjax", "\udcff.py:x"]})


def test_the_benchmark_imports_without_plotly():
    code = "import sys, paramjax.bench; sys.exit('plotly' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
