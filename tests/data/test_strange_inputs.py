"""Strange inputs to `data.table`, to `fit`, to validation and to streams: right numbers or a
sentence that names the leaf and says what to do, the same everywhere."""

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import optax
import pandas as pd
import pytest
from jax.experimental import sparse as jax_sparse
from scipy import sparse

import paramjax as pj
from paramjax.data import check_data, check_labels, split, standardise, table

ROWS = 3
GOOD = np.array([1.0, 2.0, 3.0], np.float32)
SECONDS = 1.7e9 + np.arange(2000.0)
structured = np.zeros(ROWS, [("age", "f4"), ("height", "f4")])
masked = np.ma.masked_equal(np.array([1.0, -999.0, 3.0], np.float32), -999.0)
read_only = GOOD.copy()
read_only.flags.writeable = False
times = np.array(["2024-01-01", "2024-01-02", "2024-01-03"], "datetime64[s]")

# what each becomes as x of a table: numbers, or the sentence of an error
AS_TABLE = {
    "list": ([1.0, 2.0, 3.0], GOOD),
    "nested list": ([[1], [2], [3]], GOOD[:, None]),
    "tuple": ((1, 2, 3), GOOD),
    "range": (range(1, 4), GOOD),
    "bool": (np.array([True, False, True]), [1, 0, 1]),
    "uint64": (np.array([1, 2, 3], np.uint64), GOOD),
    "int64": (np.array([-1, 2, 2**24]), [-1, 2, 2**24]),
    "big-endian": (GOOD.astype(">f4"), GOOD),
    "big-endian integers": (np.array([1, 2, 3], ">i8"), GOOD),
    "read-only": (read_only, GOOD),
    "not contiguous": (np.arange(12.0).reshape(3, 4)[:, ::2], [[0, 2], [4, 6], [8, 10]]),
    "backwards": (GOOD[::-1], GOOD[::-1]),
    "matrix": (np.matrix([[1.0], [2.0], [3.0]]), GOOD[:, None]),
    "float128": (GOOD.astype(np.longdouble), GOOD),
    "bfloat16": (GOOD.astype(ml_dtypes.bfloat16), GOOD),
    "float16": (GOOD.astype(np.float16), GOOD),
    "of jax": (jnp.asarray(GOOD), GOOD),
    "nothing masked": (np.ma.masked_equal(GOOD, -1.0), GOOD),
    "series": (pd.Series(GOOD, index=[7, 8, 9]), GOOD),
    "frame": (pd.DataFrame({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5]}),
              [[1, 0.5], [2, 1.5], [3, 2.5]]),
    "frame of two kinds of flags": (pd.DataFrame({"a": [True, False, True], "b": [1, 2, 3]}),
                                    [[1, 1], [0, 2], [1, 3]]),
    "Int64": (pd.DataFrame({"a": pd.array([1, 2, 3], "Int64")}), GOOD[:, None]),
    "Float64": (pd.DataFrame({"a": pd.array([1.0, 2.0, 3.0], "Float64")}), GOOD[:, None]),
    "boolean": (pd.DataFrame({"a": pd.array([True, False, True], "boolean")}), [[1], [0], [1]]),
    "nullable series": (pd.Series(pd.array([1, 2, 3], "UInt8")), GOOD),
    "two columns of one name": (pd.DataFrame([[1, 2]] * 3, columns=["a", "a"]), [[1, 2]] * 3),
    "sparse column": (pd.DataFrame({"a": pd.arrays.SparseArray([1.0, 2.0, 3.0])}), GOOD[:, None]),
    "nearly constant": (np.array([0.3, 0.1 + 0.2, 0.3]), np.float32([0.3, 0.3, 0.3])),
    "one row": ([[1.7e9]], [[np.float32(1.7e9)]]),
    "masked": (masked, "leaf x is a masked array with 1 masked values.*filled"),
    "list of masked": ([masked, masked, masked], "leaf x is a masked array with 3 masked"),
    "NaN": ([1.0, np.nan, 3.0], "leaf x holds 1 values that are NaN .* row 1; drop or impute"),
    "infinite": ([[1.0], [2.0], [-np.inf]], "leaf x holds 1 values .* row 2; drop or impute"),
    "no rows": (np.zeros((0, 2)), r"leaf x is empty, shape \(0, 2\): no rows"),
    "no features": (np.zeros((3, 0)), r"leaf x is empty, shape \(3, 0\): rows without"),
    "ragged": ([[1.0], [2.0, 3.0], [4.0]], "leaf x cannot be made an array.*pad rows"),
    "None among them": ([1.0, None, 3.0], r"leaf x is object\[3\].*astype"),
    "objects": (np.array([1.0, 2.0, 3.0], object), r"leaf x is object\[3\].*astype"),
    "strings": (np.array(["a", "b", "c"]), "leaf x is .*np.unique"),
    "bytes": (np.array([b"a", b"b", b"c"]), "leaf x is .*np.unique"),
    "variable strings": (np.array(["a", "b", "c"], np.dtypes.StringDType()), "leaf x .*np.unique"),
    "times": (times, "leaf x is datetime64.*seconds since the first"),
    "durations": (times - times[0], "leaf x is timedelta64.*pass seconds"),
    "structured": (structured, "leaf x is .*each field as a leaf"),
    "complex": (GOOD * 1j, "leaf x is complex64.*real and imaginary parts as columns"),
    "a number": (3.0, "leaf x is one number"),
    "None": (None, "leaf x is None, expected an array, lists of numbers or a table"),
    "generator": ((i for i in range(3)), "leaf x is generator .*expected an array, lists"),
    "dict": ({"a": [1.0]}, "leaf x is dict .*expected an array, lists"),
    "wide Python integers": ([2**70, 1, 2], r"leaf x is object\[3\].*astype"),
    "array of pandas": (pd.array([1, 2, 3], "Int64"), GOOD),
    "array of pandas with NA": (pd.array([1, 2, None], "Int64"), "1 values that are NaN"),
    "a key": (jax.random.key(0), "leaf x"),
    "csr": (sparse.csr_matrix(np.eye(3)), r"leaf x is a sparse matrix.*toarray\(\).*MiB"),
    "coo array": (sparse.coo_array(np.eye(3)), r"leaf x is a sparse matrix.*toarray\(\)"),
    "BCOO": (jax_sparse.BCOO.fromdense(jnp.eye(3)), r"leaf x is a sparse matrix.*todense\(\)"),
    "huge": ([1.0, 1e300, 3.0], "leaf x holds values beyond the range of float32; rescale"),
    "tiny": (1e-50 * np.arange(3), "leaf x loses its resolution in float32: 3 .* become 1"),
    "Int64 with NA": (pd.DataFrame({"age": pd.array([1, None, 3], "Int64")}),
                      "column 'age' of data: leaf x holds 1 missing.*impute"),
    "Float64 with NA": (pd.DataFrame({"a": pd.array([1.0, pd.NA, 3.0], "Float64")}), "1 missing"),
    "boolean with NA": (pd.DataFrame({"a": pd.array([True, None, None], "boolean")}), "2 missing"),
    "frame with NaN": (pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [1.0, np.nan, 3.0]}),
                       "column 'b' of data: leaf x holds 1 missing"),
    "frame with inf": (pd.DataFrame({"a": [1.0, np.inf, 3.0]}), "column 'a' .* 1 values .* row 1"),
    "categorical": (pd.DataFrame({"city": pd.Categorical(["a", "b", "a"])}),
                    "column 'city' .*category.*cat.codes"),
    "frame of strings": (pd.DataFrame({"a": [1, 2, 3], "name": list("abc")}), "column 'name'"),
    "frame of times": (pd.DataFrame({"when": times}), "column 'when' .*seconds since the first"),
    "frame of objects": (pd.DataFrame({"a": np.array([1, "b", 2.0], object)}), "column 'a'"),
    "empty frame": (pd.DataFrame(index=range(3)), "a table without columns"),
    "frame without rows": (pd.DataFrame({"a": np.zeros(0)}), "column 'a' .* is empty"),
}  # fmt: skip


@pytest.mark.parametrize("name", AS_TABLE)
def test_a_table_has_the_right_numbers_or_a_sentence(name):
    x, expected = AS_TABLE[name]
    if not isinstance(expected, str):
        made = table(x, np.zeros(1 if name == "one row" else ROWS))["x"]
        assert made.dtype == np.float32
        np.testing.assert_array_equal(made, np.asarray(expected, np.float32))
        return
    with pytest.raises((TypeError, ValueError), match=expected):
        table(x, np.zeros(ROWS))


# (what a device cannot hold as it is, or what would change there: the sentence)
AS_DATA = {
    "masked": (masked, "masked array with 1 masked values"),
    "nothing masked": (np.ma.masked_equal(GOOD, -1.0), r"nothing is masked; pass x.filled\(\)"),
    "frame": (pd.DataFrame({"a": GOOD}), r"DataFrame of pandas.*pj.data.table\(x, y\)"),
    "series": (pd.Series(GOOD), r"Series of pandas.*to_numpy"),
    "csr": (sparse.csr_matrix(np.eye(3)), r"sparse matrix.*toarray\(\)"),
    "BCOO": (jax_sparse.BCOO.fromdense(jnp.eye(3)), r"sparse matrix.*todense\(\)"),
    "list": ([1.0, 2.0, 3.0], "leaf x/0 is float 1.0, expected an array.*np.asarray"),
    "big-endian": (GOOD.astype(">f4"), r"byte order of another machine.*astype\(np.float32\)"),
    "float128": (GOOD.astype(np.longdouble), r"which JAX lacks; pass x.astype\(np.float64\)"),
    "structured": (structured, "each field as a leaf"),
    "times": (times, "seconds since the first"),
    "strings": (np.array(["a", "b", "c"]), "np.unique"),
    "objects": (np.array([1, 2, 3], object), "astype"),
    "a number": (np.float32(1.0), "leaf x is one number"),
    "no rows": (GOOD[:0], "no rows"),
    "NaN": (GOOD * np.nan, "3 values that are NaN"),
    "complex NaN": (GOOD * complex("nan"), "3 values that are NaN"),
    "bfloat16 infinite": ((GOOD * np.inf).astype(ml_dtypes.bfloat16), "3 values that are NaN"),
    "wide integers": (np.array([1, 2, 2**32 + 5]), "do not fit in 32 bits .* would wrap.*offset"),
    "wide uint64": (np.array([1, 2, 2**63], np.uint64), r"32 bits \(uint32\) .* would wrap"),
    "huge": (np.array([1.0, 1e39, 2.0]), "beyond the range of float32"),
    "huge complex": (np.array([1.0, 1e39j, 2.0]), "beyond the range of complex64"),
    "seconds": (SECONDS, "leaf x loses its resolution in float32: 2000 .* become 17.*offset"),
    "complex seconds": (SECONDS * 1j, "imaginary part of .*leaf x loses its resolution"),
}


@pytest.mark.parametrize("name", AS_DATA)
def test_data_validation_and_fit_refuse_the_same(name, key):
    x, sentence = AS_DATA[name]
    with pytest.raises((TypeError, ValueError), match=sentence) as raised:
        check_data({"x": x})
    assert "data: leaf x" in str(raised.value)
    with pytest.raises((TypeError, ValueError), match="held_out: leaf x"):
        check_data({"x": x}, "held_out")
    with pytest.raises((TypeError, ValueError), match=sentence):
        pj.Validation(lambda params, batch: {"loss": 0.0}, {"x": x}, every=1)
    trainer = pj.train_step(lambda w, b, k: (jnp.mean((w - b["x"]) ** 2), {}), optax.sgd(0.5))
    with pytest.raises((TypeError, ValueError), match=sentence):
        pj.fit(trainer, jnp.float32(0), {"x": x}, key=key, steps=1)


@pytest.mark.parametrize("name", ["masked", "csr", "no rows", "NaN", "wide integers", "seconds"])
def test_populations_refuse_the_same(name, key):
    import optuna

    x, sentence = AS_DATA[name]
    good, bad = {"x": GOOD}, {"x": x}
    study = optuna.create_study()
    trainer = lambda hp: pj.train_step(lambda w, b, k: ((w**2).sum(), {}), optax.sgd(hp["rate"]))
    space = {"rate": pj.uniform(0.1, 0.2)}
    problem = lambda **parts: pj.Problem(
        init=lambda key: jnp.float32(0), evaluate=lambda w, data: {"loss": w}, **parts
    )
    few = {"seeds": 1, "steps": 1, "key": key}
    for call in (
        lambda: pj.sweep(trainer, space, problem(data=bad, eval_data=good), trials=1, **few),
        lambda: pj.sweep(trainer, space, problem(data=good, eval_data=bad), trials=1, **few),
        lambda: pj.search(
            study, trainer, space, problem(data=good, eval_data=bad), trials=1, batch=1, **few
        ),
        lambda: pj.cross_validate(
            trainer, problem(data=bad), hyperparameters={"rate": 0.1}, folds=2, steps=1, key=key
        ),
    ):
        with pytest.raises((TypeError, ValueError), match=f"data: leaf x.*{sentence}|{sentence}"):
            call()
    assert not study.trials


STREAMED = {
    "masked": (masked, "leaf x of batch 0 of the stream is a masked array"),
    "csr": (sparse.csr_matrix(np.eye(3)), "sparse matrix"),
    "strings": (np.array(["a", "b", "c"]), "np.unique"),
    "nullable with NA": (pd.Series([1, None, 3], dtype="Int64"), "1 missing values"),
    "wide integers": (np.array([1, 2, 2**32 + 5]), "would wrap"),
    "seconds": (SECONDS, "loses its resolution"),
    "float128": (GOOD.astype(np.longdouble), "which JAX lacks"),
}


@pytest.mark.parametrize("name", STREAMED)
def test_streams_refuse_the_same(name, key):
    x, sentence = STREAMED[name]
    trainer = pj.train_step(lambda w, b, k: (jnp.mean((w - b["x"]) ** 2), {}), optax.sgd(0.5))
    with pytest.raises((TypeError, ValueError), match=sentence):
        pj.fit(trainer, jnp.float32(0), lambda step: iter([{"x": x}]), key=key, steps=1)


def test_a_later_batch_is_checked_as_the_first_one(key):
    trainer = pj.train_step(lambda w, b, k: (jnp.mean((w - b) ** 2), {}), optax.sgd(0.5))
    for later, sentence in (
        (masked, "leaf .* of batch 1 of the stream is a masked array with 1"),
        (np.array([1.0, np.inf, 2.0]), "of batch 1 of the stream holds 1 values that are NaN"),
        (np.array([1.0, 1e300, 2.0]), "of batch 1 .* beyond the range of float32"),
        (GOOD[:2], r"of batch 1 of the stream is float32\[2\], expected float32\[3\]"),
    ):
        stream = lambda step, later=later: iter([GOOD, later])
        with pytest.raises(ValueError, match=sentence):
            pj.fit(trainer, jnp.float32(0), stream, key=key, steps=2)


def test_streams_take_what_can_be_made_arrays(key):
    trainer = pj.train_step(lambda w, b, k: (jnp.mean((w - b) ** 2), {}), optax.sgd(0.5))
    batches = [
        np.ma.masked_equal(GOOD, -1.0),
        GOOD.astype(">f4"),
        pd.Series([1.0, 2.0, 3.0], dtype="Float64").astype("Float32"),
        np.asfortranarray(GOOD),
    ]
    run = pj.fit(
        trainer, jnp.float32(0), lambda step: iter(batches), key=key, steps=4, progress=False
    )
    # each step on a mean of 2 at rate 1/2 with gradient 2 (w - 2) lands on it
    assert float(run.params) == 2.0


def test_under_x64_the_data_keep_their_64_bits():
    with jax.enable_x64(True):
        rows = check_data({"n": np.array([2**40, 1]), "u": np.array([2**63, 1], np.uint64)})
        assert rows == 2
        assert check_data({"t": SECONDS, "x": np.full(2000, 1e300)}) == 2000
        with pytest.raises(ValueError, match="which do not fit|lacks|NaN"):
            check_data({"x": np.array([np.nan])})


# ordinary float64 data, which float32 holds well enough, passes without a word
ORDINARY = {
    "normal": lambda rng: rng.normal(size=(100_000, 2)),
    "pressure in hPa": lambda rng: 1013 + 10 * rng.normal(size=100_000),
    "temperature in K": lambda rng: 288 + rng.normal(size=100_000),
    "log-normal": lambda rng: np.exp(10 * rng.normal(size=20_000)),
    "Cauchy": lambda rng: rng.standard_cauchy(100_000),
    "populations": lambda rng: np.round(np.exp(rng.normal(16, 2, 300))),
    "money": lambda rng: np.round(np.exp(rng.normal(11, 1, 20_000)), 2),
    "years": lambda rng: np.repeat(np.arange(1950.0, 2025.0), 4),
    "sparse pixels": lambda rng: (rng.random((500, 784)) > 0.9) * rng.random((500, 784)),
    "constant": lambda rng: np.full(100, 0.1),
}


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_numbers_pass(name, recwarn):
    x = ORDINARY[name](np.random.default_rng(0))
    made = table(x, np.zeros(len(x)))["x"]
    assert not recwarn.list
    np.testing.assert_allclose(made, x, rtol=2**-23)
    assert check_data({"x": x}) == len(x)


@pytest.mark.parametrize("load", ["iris", "wine", "breast_cancer", "diabetes", "linnerud"])
def test_sklearns_tables_pass(load):
    from sklearn import datasets

    x, y = getattr(datasets, f"load_{load}")(return_X_y=True)
    np.testing.assert_array_equal(table(x, y)["x"], x.astype(np.float32))


TIMES = {
    "seconds of half an hour": SECONDS,
    "irregular within a day": 1.7e9 + np.random.default_rng(0).uniform(0, 86_400, 2000),
    "minutes of a year": 1.7e9 + 60.0 * np.arange(525_600),
    "nanoseconds": 1.7e18 + 1e9 * np.arange(2000),
    "integers": (1.7e9 + np.arange(2000)).astype(np.int64),
    "with zeros for missing": np.where(np.arange(2000) % 9, SECONDS + 0.25, 0.0),
    "large identifiers": 2**24 + np.arange(1000),
}


@pytest.mark.parametrize("name", TIMES)
def test_a_column_that_float32_cannot_tell_apart_is_refused_with_its_place(name):
    x = np.stack([np.zeros(len(TIMES[name]), TIMES[name].dtype), TIMES[name]], axis=1)
    with pytest.raises(ValueError, match="leaf x, column 1, loses its resolution.*standardise"):
        table(x, np.zeros(len(x)))


def test_standardised_in_float64_times_keep_all_their_values():
    parts = standardise(split({"x": SECONDS[:, None], "y": np.zeros(2000)}))
    scaled = np.concatenate([part["x"] for part in parts])
    assert len(np.unique(scaled)) == 2000
    # the truth: ranks of seconds, scaled by those of the training part
    order = np.concatenate([p["x"][:, 0] for p in split({"x": np.arange(2000.0)[:, None]})])
    train = order[:1200]
    np.testing.assert_allclose(scaled[:, 0], (order - train.mean()) / train.std(), atol=1e-6)


def test_a_feature_constant_but_for_rounding_becomes_zero():
    x = np.full((10, 1), 0.1)
    assert not standardise(split({"x": x})).train["x"].any()


def test_standardise_names_what_is_wrong():
    parts = split({"x": np.arange(10.0), "z": np.arange(10) * 1j})
    with pytest.raises(ValueError, match="standardise: unknown leaf 'w'"):
        standardise(parts, "w")
    with pytest.raises(TypeError, match="standardise: leaf z: expected real numbers"):
        standardise(parts, "z")


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (np.ma.masked_equal([0, 9, 1], 9), "labels is a masked array"),
        ([0.0, 1.0, 1.0], r"expected integers, got float64\[3\]; pass labels.astype"),
        (pd.Series(["a", "b", "a"]), "labels holds"),
        (pd.Series([0, None, 1], dtype="Int64"), "1 missing values"),
        (np.array([0, 2**40, 1]), "from 0 to 1, got 1099511627776 at row 1"),
        (np.array([[0, 1], [1, 0], [1, -1]]), "from 0 to 1, got -1 at row 2"),
    ],
)
def test_strange_labels_are_refused(labels, sentence):
    with pytest.raises((TypeError, ValueError), match=sentence):
        check_labels(labels, 2)
    with pytest.raises((TypeError, ValueError)):
        table(GOOD, labels, num_classes=2)


@pytest.mark.parametrize(
    "labels",
    [
        np.array([True, False, True]),
        np.array([1, 0, 1], np.uint64),
        pd.Series([1, 0, 1], dtype="Int64"),
        pd.Series(pd.Categorical(["b", "a", "b"])).cat.codes,
    ],
)
def test_labels_of_any_integer_kind_pass(labels):
    made = table(GOOD, labels, num_classes=2)["y"]
    assert made.dtype == np.int32
    assert made.tolist() == [1, 0, 1]


def test_booleans_are_spread_over_the_parts_as_classes_are():
    parts = split({"y": np.arange(40) % 4 == 0})
    assert [int(part["y"].sum()) for part in parts] == [6, 2, 2]


def test_a_number_of_classes_is_a_positive_whole_number():
    with pytest.raises(ValueError, match="num_classes: expected a whole number from 1"):
        table(GOOD, [0, 1, 1], num_classes=0)
    with pytest.raises(TypeError, match="num_classes: expected a whole number, got str '2'"):
        table(GOOD, [0, 1, 1], num_classes="2")
