import json
import math

import numpy as np

from paramjax.logs import JSONLines


def refuse(constant):
    raise ValueError(f"{constant} is not JSON")


def test_every_line_is_json_and_every_number_comes_back_to_the_bit(tmp_path, whole, metrics):
    lines = whole(JSONLines(tmp_path / "log.jsonl")).path.read_text().splitlines()
    rows = [json.loads(line, parse_constant=refuse) for line in lines]
    assert [row["step"] for row in rows] == list(range(1, 41))
    for row, loss, pair in zip(rows, metrics["loss"], metrics["of_class"], strict=True):
        assert (row["loss"] is None) == (not math.isfinite(loss))
        assert row["loss"] is None or np.float32(row["loss"]) == loss
        assert [np.float32(row["of_class[0]"]), np.float32(row["of_class[1]"])] == list(pair)
    assert [row["step"] for row in rows if "validation/loss" in row] == [10, 20, 30, 40]
    assert np.float32(rows[9]["validation/loss"]) == np.float32(0.1)


def test_names_are_written_as_json(tmp_path):
    name = 'a "strange" name\n%s {}'
    writer = JSONLines(tmp_path / "log.jsonl")
    writer.open(0)
    writer.write(1, {name: np.array([True])})
    writer.close()
    assert json.loads(writer.path.read_text()) == {"step": 1, name: 1}
