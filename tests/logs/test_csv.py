import csv

import numpy as np
import pandas as pd

from paramjax.logs import CSV


def test_pandas_reads_every_number_back_to_the_bit(tmp_path, whole, metrics):
    log = whole(CSV(tmp_path / "log.csv")).path
    frame = pd.read_csv(log)
    assert list(frame) == ["step", "loss", "of_class[0]", "of_class[1]", "skipped",
                           "validation/loss", "validation/accuracy"]  # fmt: skip
    assert frame["step"].tolist() == list(range(1, 41))
    np.testing.assert_array_equal(frame["loss"].astype(np.float32), metrics["loss"])
    second = frame["of_class[1]"].astype(np.float32)
    np.testing.assert_array_equal(second, metrics["of_class"][:, 1])
    assert frame["skipped"].dtype == np.int64
    np.testing.assert_array_equal(frame["skipped"], metrics["skipped"])
    validated = frame.dropna(subset="validation/accuracy")
    assert validated["step"].tolist() == [10, 20, 30, 40]
    expected = (1 / validated["step"]).astype(np.float32)
    np.testing.assert_array_equal(validated["validation/loss"].astype(np.float32), expected)
    with log.open(newline="") as file:  # lines before the first validation have its columns too
        assert {len(row) for row in csv.reader(file)} == {7}


def test_training_columns_stand_before_validation_columns_whichever_came_first(tmp_path):
    writer = CSV(tmp_path / "log.csv", every=4)
    writer.open(0)
    writer.write(1, {"loss": np.array([4.0, 3.0])})
    writer.validated(2, {"loss": 0.5})
    writer.write(3, {"loss": np.array([2.0, 1.0])})
    writer.validated(4, {"loss": 0.25, "accuracy": 1.0})
    writer.close()
    assert writer.path.read_text() == (
        "step,loss,validation/loss,validation/accuracy\n2,,0.5,\n4,1.0,0.25,1.0\n"
    )


def test_names_that_need_quotes_survive(tmp_path):
    name = 'a "strange", name\nof two lines'
    writer = CSV(tmp_path / "log.csv")
    writer.open(0)
    writer.write(1, {name: np.array([1.0])})
    writer.flush()
    writer.open(1)
    writer.write(2, {name: np.array([2.0])})
    writer.validated(2, {"é": 3.0})
    writer.close()
    frame = pd.read_csv(writer.path)
    assert list(frame) == ["step", name.replace("\n", " "), "validation/é"]
    assert frame.iloc[1].tolist() == [2.0, 2.0, 3.0]
