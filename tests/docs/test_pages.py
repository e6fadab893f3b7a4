"""Every page is executed, and what it prints stays what it was."""

import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
spec = importlib.util.spec_from_file_location("record", DOCS / "record.py")
record = importlib.util.module_from_spec(spec)
sys.modules["record"] = record  # dataclasses look their module up
spec.loader.exec_module(record)

PAGES = record.pages()
TEXTS = {
    file: file.read_text(encoding="utf-8")
    for file in DOCS.rglob("*.md")
    if "_build" not in file.parts
}
PAGE = """---
tolerance: 0.1
---

```{code-cell} ipython3
---
tags: [some]
---
x = 2.5
print("x is", x)
```

```python
print("an illustration, not a cell")
```

```{code-cell} ipython3
:tags: [other]
print(f"{2 * x:>8} twice")
```
"""


QUICK = {"howto/debugging_nan"}
"""Pages that `make test` runs; `make docs` and `make test-all` run all."""


# the recipes' pages are held by tests/recipes, which runs them for more than their record
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)
        for name in PAGES
        if not name.startswith("recipes/")
    ],
)
def test_prints_what_is_recorded(name):
    assert record.check(name, PAGES[name]) == []


def test_every_page_with_cells_is_recorded_and_in_the_contents():
    folder = DOCS / "expected"
    recorded = {f.relative_to(folder).with_suffix("").as_posix() for f in folder.rglob("*.json")}
    assert recorded == set(PAGES)
    contents = TEXTS[DOCS / "index.md"].splitlines()
    assert set(PAGES) <= set(contents)


def test_no_page_is_excluded_from_execution():
    assert set(PAGES.values()) == {file for file, text in TEXTS.items() if "{code-cell}" in text}
    for file in PAGES.values():
        # a cell that myst-nb skips, or whose error it accepts, would run here alone
        assert not re.search(r"skip-execution|raises-exception|execution_mode", TEXTS[file]), file
        assert len(record.cells(TEXTS[file])) == TEXTS[file].count("{code-cell}"), file
    assert "nb_execution_excludepatterns" not in (DOCS / "conf.py").read_text(encoding="utf-8")


def test_cells_run_once_in_one_namespace_without_their_options():
    printed, names = record.execute(PAGE)
    assert printed == ("x is 2.5\n", "     5.0 twice\n")
    assert names["x"] == 2.5
    assert record.execute(PAGE)[1] is names


def test_a_page_is_compared_with_its_record_within_its_tolerance(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "expected_file", lambda name: tmp_path / f"{name}.json")
    (tmp_path / "page.md").write_text(PAGE)
    assert record.check("page", tmp_path / "page.md")[0].startswith("nothing is recorded")
    for x, found in (
        ("2.7", []),
        ("2.3", []),
        ("2.9", ["cell 0: 2.9 became 2.5", "cell 1: 5.8 became 5.0"]),
    ):
        printed = [f"x is {x}\n", f"     {2 * float(x)} twice\n"]
        (tmp_path / "page.json").write_text(json.dumps({"cells": printed}))
        assert record.check("page", tmp_path / "page.md") == found


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("loss 1.000", "loss 1.001", True),
        ("[ 9.99 nan]", "[10.01 nan]", True),
        ("0.0", "-0.0", True),
        ("0.0", "1e-7", True),
        ("1.72e+35", "1.73e+35", True),
        ("  9.99 |", " 10.01 |", True),
        ("loss 1.0", "error 1.0", False),
        ("loss 1.0", "loss nan", False),
        ("loss 1.0", "loss inf", False),
        ("loss -0.5", "loss 0.5", False),
        ("loss 1e-3", "loss 1e-2", False),
        ("True", "False", False),
        ("1 of 2", "1 of 2 of 3", False),
        ("sha1", "sha2", False),
    ],
)
def test_numbers_may_differ_by_rounding_and_text_not_at_all(old, new, same):
    assert (record.differences([old], [new], record.Tolerance()) == []) is same


def test_one_cell_more_is_found():
    assert "record it again" in record.differences(["a"], ["a", "b"], record.Tolerance())[0]
