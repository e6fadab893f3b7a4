"""Metrics of whole sets against scikit-learn's, on hundreds of small sets in one program each.

Sets are padded by rows of weight 0, so that one program serves sets of 0 to 12 rows. Logits are
rounded, so that ties abound; labels of some sets lack classes, or all but one.
"""

import functools
import itertools
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn import metrics as sk

from paramjax.metrics import (
    average_precision,
    brier_score,
    calibration_curve,
    calibration_error,
    confusion_matrix,
    f1,
    mean,
    precision,
    r_squared,
    ranking_curve,
    recall,
    roc_auc,
    top_k_accuracy,
)

SETS, ROWS, CLASSES = 90, 12, 4
AVERAGES = ["micro", "macro", "weighted", None]
NAN = float("nan")


def random_sets(classes, seed=0):
    """Logits [sets, rows, classes], labels and weights [sets, rows]."""
    rng = np.random.default_rng(seed)
    logits = np.round(2 * rng.normal(size=(SETS, ROWS, classes)), rng.integers(0, 3)).astype("f4")
    labels = rng.integers(rng.integers(1, classes + 1, SETS)[:, None], size=(SETS, ROWS))
    labels[1::2] = np.arange(ROWS) % classes
    labels[::5] = labels[::5, :1]  # a single class
    logits[::7] = logits[::7, :1]  # nothing but ties
    counted = np.arange(ROWS) < np.r_[0, 1, 1, 2, rng.integers(3, ROWS + 1, SETS - 4)][:, None]
    return logits, labels, counted * rng.choice([0.5, 1, 3], (SETS, ROWS)).astype("f4")


MANY, TWO = random_sets(CLASSES), random_sets(2)
ONE = TWO[0][..., 0], *TWO[1:]


def ours(metric, sets, **options):
    """A metric of all sets, by one compiled program."""
    call = lambda logits, labels, weight: metric(logits, labels, weight=weight, **options)
    return jax.tree.map(np.asarray, jax.jit(jax.vmap(call))(*sets))


def theirs(metric, sets):
    """The metric `(logits, labels, weight)` of each set, NaN where scikit-learn warns or raises."""
    found = []
    for logits, labels, weight in zip(*sets, strict=True):
        rows = weight > 0
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                found.append(metric(logits[rows], labels[rows], weight[rows]))
            except (ValueError, Warning):
                found.append(NAN)
    return found


def assert_equal(ours, theirs, defined):
    assert np.isfinite(ours).mean() > defined  # the comparison is of numbers
    for index, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6, err_msg=f"set {index}")


@pytest.mark.parametrize("sets", [MANY, ONE], ids=["logits", "logit"])
def test_the_confusion_matrix_is_sklearns(sets):
    classes = range(CLASSES if sets is MANY else 2)
    expected = theirs(
        lambda z, y, w: sk.confusion_matrix(y, said(z), labels=classes, sample_weight=w), sets
    )
    expected[0] = np.zeros((len(classes),) * 2)  # scikit-learn refuses no rows
    assert_equal(ours(confusion_matrix, sets), expected, 0.99)
    unweighted = jax.jit(confusion_matrix)(sets[0][5], sets[1][5])
    np.testing.assert_array_equal(
        unweighted, sk.confusion_matrix(sets[1][5], said(sets[0][5]), labels=classes)
    )


def said(logits):
    return logits > 0 if logits.ndim == 1 else logits.argmax(-1)


def test_precision_recall_and_f1_are_sklearns():
    scores = {precision: sk.precision_score, recall: sk.recall_score, f1: sk.f1_score}

    def all_averages(logits, labels, weight):
        return [
            [metric(logits, labels, weight=weight, average=average) for average in AVERAGES]
            for metric in scores
        ]

    def expected(score, sets, average):
        classes, options = range(sets[0].shape[-1]), {"average": average, "zero_division": NAN}
        if average == "binary":
            classes = [0, 1]
        return theirs(
            lambda z, y, w: score(y, said(z), labels=classes, sample_weight=w, **options), sets
        )

    few = [part[:24] for part in MANY]
    found = jax.jit(jax.vmap(all_averages))(*few)
    for score, by_average in zip(scores.values(), found, strict=True):
        for average, values in zip(AVERAGES, by_average, strict=True):
            assert_equal(np.asarray(values)[1:], expected(score, few, average)[1:], 0.3)
            assert np.isnan(values[0]).all()  # of no rows
    few = [part[:40] for part in ONE]
    assert_equal(ours(f1, few), expected(sk.f1_score, few, "binary"), 0.3)
    none = jax.jit(functools.partial(precision, zero_division=1.0))(-jnp.ones(2), jnp.zeros(2, int))
    assert float(none) == 1.0


def one_against_rest(score):
    """scikit-learn's score of each class by its softmax probability."""

    def by_class(z, y, w):
        chances = softmax(z.astype(float), -1)
        return [score(y == k, chances[:, k], sample_weight=w) for k in range(CLASSES)]

    return by_class


@pytest.mark.parametrize(
    ("metric", "score"),
    [(roc_auc, sk.roc_auc_score), (average_precision, sk.average_precision_score)],
)
def test_rank_metrics_are_sklearns_on_ties_and_single_classes(metric, score):
    expected = theirs(lambda z, y, w: score(y, z, sample_weight=w), ONE)
    assert_equal(ours(metric, ONE), expected, 0.3)
    # not rounded, for of rounded logits softmax ties or does not as its sum happens to round
    sets = (MANY[0] + np.random.default_rng(1).normal(size=MANY[0].shape).astype("f4"), *MANY[1:])

    def all_averages(logits, labels, weight):
        return [metric(logits, labels, weight=weight, average=a) for a in (None, *AVERAGES[1:3])]

    each, macro, weighted = map(np.asarray, jax.jit(jax.vmap(all_averages))(*sets))
    whole = np.isfinite(each).all(axis=1)
    few = [part[whole] for part in sets]
    assert whole.sum() > 5
    assert np.isnan(macro[~whole]).all()
    assert_equal(each[whole], theirs(one_against_rest(score), few), 0.99)
    for found, average in ((macro, "macro"), (weighted, "weighted")):
        # of labels in columns scikit-learn averages both scores alike
        expected = theirs(
            lambda z, y, w, average=average: score(
                y[:, None] == np.arange(CLASSES),
                softmax(z.astype(float), -1),
                average=average,
                sample_weight=w,
            ),
            few,
        )
        assert_equal(found[whole], expected, 0.99)


def test_confident_logits_are_ranked_where_their_probabilities_are_equal():
    logits = jnp.array([[40.0, 0.0, 0.0], [30.0, 0.0, 0.0], [20.0, 0.0, 0.0], [19.0, 0.0, 0.0]])
    each = jax.jit(functools.partial(roc_auc, average=None))(logits, jnp.array([0, 0, 1, 2]))
    np.testing.assert_allclose(each, [1.0, 2 / 3, 1.0], rtol=1e-6)


def test_ranking_curves_are_sklearns():
    scores, labels = ONE[0][5], np.arange(ROWS) % 2
    curve = jax.jit(ranking_curve)(scores, labels)
    false_positive, true_positive, _ = sk.roc_curve(labels, scores, drop_intermediate=False)
    distinct = np.unique(np.stack([curve.false_positive_rate, curve.recall]), axis=1)
    np.testing.assert_allclose(
        distinct, np.stack([false_positive, true_positive])[:, 1:], rtol=1e-6
    )
    precisions, recalls, thresholds = sk.precision_recall_curve(labels, scores)
    at = np.unique(np.asarray(curve.threshold), return_index=True)
    np.testing.assert_allclose(at[0], thresholds, rtol=1e-6)
    np.testing.assert_allclose(np.asarray(curve.precision)[at[1]], precisions[:-1], rtol=1e-6)
    np.testing.assert_allclose(np.asarray(curve.recall)[at[1]], recalls[:-1], rtol=1e-6)


@pytest.mark.parametrize(("sets", "bins"), [(MANY, 10), (ONE, 7)], ids=["logits", "logit"])
def test_the_calibration_error_is_that_of_guo(sets, bins):
    def expected(z, y, w):
        chances = softmax(z.astype("f8"), -1) if z.ndim > 1 else np.stack([expit(-z), expit(z)], -1)
        confidence, right = chances.max(-1), said(z) == y
        edges, total = np.linspace(0, 1, bins + 1), 0.0
        for low, high in itertools.pairwise(edges):
            members = (confidence > low) & (confidence <= high)
            total += abs((w * (right - confidence.astype("f4")))[members].sum())
        return total / w.sum()

    expected_errors = theirs(expected, sets)
    assert_equal(ours(calibration_error, sets, bins=bins), expected_errors, 0.9)


def test_the_calibration_curve_is_sklearns_of_the_predicted_class():
    from sklearn.calibration import calibration_curve as curve_of

    logits, labels, _ = (part[5:15].reshape(-1, *part.shape[2:]) for part in MANY)
    confidence = softmax(logits, -1).max(-1)
    accuracy, mean_confidence = curve_of(logits.argmax(-1) == labels, confidence, n_bins=7)
    curve = jax.tree.map(
        np.asarray, jax.jit(functools.partial(calibration_curve, bins=7))(logits, labels)
    )
    full = np.asarray(curve.weight) > 0
    np.testing.assert_allclose(curve.accuracy[full], accuracy, rtol=1e-5)
    np.testing.assert_allclose(curve.confidence[full], mean_confidence, rtol=1e-5)
    assert np.isnan(curve.accuracy[~full]).all()
    assert curve.weight.sum() == len(labels)


def test_the_brier_score_is_sklearns():
    def weighted(logits, labels, weight):
        return mean(brier_score(logits, labels), weight)

    def binary(z, y, w):
        return sk.brier_score_loss(y, expit(z.astype("f8")), sample_weight=w, labels=[0, 1])

    def many(z, y, w):
        chances = softmax(z.astype("f8"), -1)
        return sk.brier_score_loss(
            y, chances, sample_weight=w, labels=range(CLASSES), scale_by_half=False
        )

    assert_equal(ours(weighted, ONE), theirs(binary, ONE), 0.9)
    assert_equal(ours(weighted, MANY), theirs(many, MANY), 0.9)


def test_top_k_accuracy_is_sklearns_with_its_ties():
    def expected(z, y, w):
        return sk.top_k_accuracy_score(y, z, k=2, labels=range(CLASSES), sample_weight=w)

    def top_2(logits, labels, weight):
        return mean(top_k_accuracy(logits, labels, k=2), weight)

    assert_equal(ours(top_2, MANY), theirs(expected, MANY), 0.9)
    assert top_k_accuracy(jnp.zeros((1, 3)), jnp.array([0]), k=9).tolist() == [1.0]
    assert top_k_accuracy(jnp.array([[NAN, 0], [0, 0]]), jnp.array([1, 2]), k=2).tolist() == [0, 0]


def test_r_squared_is_sklearns_of_constant_and_distant_targets():
    rng = np.random.default_rng(2)
    targets = rng.normal(size=(SETS, ROWS, 2)).astype("f4")
    targets[::4] = np.round(targets[::4, :1])  # constant
    wrong = rng.choice([0, 1], (SETS, 1, 1))
    guesses = targets + (wrong * rng.normal(size=targets.shape)).astype("f4")
    targets[1::4] += 1000
    guesses[1::4] += 1000
    sets = guesses, targets, MANY[2]
    expected = theirs(lambda z, y, w: sk.r2_score(y, z, sample_weight=w), sets)
    found, several = ours(r_squared, sets), (sets[2] > 0).sum(axis=1) > 1
    for a, b in zip(found[several], np.array(expected)[several], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3)
    assert np.isnan(r_squared(jnp.ones(1), jnp.ones(1)))


def test_what_is_no_logit_and_no_label_gives_nan_unless_its_weight_is_0():
    def everything(logits, labels, weight=None):
        averaged = [
            metric(logits, labels, average="macro", weight=weight)
            for metric in (precision, recall, f1, roc_auc, average_precision)
        ]
        matrix = confusion_matrix(logits, labels, weight=weight)
        return [matrix, calibration_error(logits, labels, weight=weight), *averaged]

    wrong = jnp.array([[[NAN, 0.0], [0.0, 1.0]], [[0.0, 1.0]] * 2, [[np.inf, 1.0], [0.0, 1.0]]])
    labels = jnp.array([[0, 1], [2, 1], [0, 1]])
    for logits, weight in ((wrong, None), (wrong[..., 0], None), (wrong, jnp.array([0.0, 1.0]))):
        mapped = jax.jit(jax.vmap(functools.partial(everything, weight=weight)))(logits, labels)
        lacking = [np.isnan(value).reshape(3, -1).all(axis=1).tolist() for value in mapped]
        if weight is None:
            assert lacking == [[True] * 3] * 7
        else:
            assert lacking[:5] == [[False] * 3] * 5


def test_a_set_without_rows_has_no_metrics():
    none = jax.jit(lambda z, y: [f1(z, y), roc_auc(z, y), calibration_error(z, y)])
    for logits in (jnp.zeros(0), jnp.zeros((0, 2))):
        assert np.isnan(none(logits, jnp.zeros(0, int))).all()


def test_labels_may_be_truth_values_or_floats_and_a_column():
    matrix_of = jax.jit(confusion_matrix)
    for labels in ([True, False], [1.0, 0.0], [[1], [0]]):
        matrix = matrix_of(jnp.array([[1.0], [2.0]]), jnp.array(labels))
        assert matrix.tolist() == [[0.0, 1.0], [0.0, 1.0]]
    assert np.isnan(matrix_of(jnp.ones((2, 1)), jnp.array([0.5, 1.0]))).all()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: f1(jnp.ones((3, 4)), jnp.zeros(3, int)), "'binary' is of two classes, got 4"),
        (lambda: f1(jnp.ones(3), jnp.zeros(3, int), average="mean"), "average: expected 'binary'"),
        (lambda: roc_auc(jnp.ones(3), jnp.zeros(3), average="micro"), "average: expected 'macro'"),
        (lambda: roc_auc(jnp.ones(3), jnp.zeros((3, 3))), "expected a label for each row"),
        (lambda: f1(jnp.ones((3, 4)), jnp.zeros((3, 1))), r"labels.squeeze\(-1\)"),
        (lambda: recall(jnp.ones(3), jnp.ones(3), weight=jnp.ones(2)), "expected one for each of"),
        (lambda: calibration_error(jnp.ones(3), jnp.ones(3), bins=0), "bins"),
        (lambda: r_squared(jnp.ones(3), jnp.ones((3, 1))), "may broadcast; reshape one of them"),
        (lambda: ranking_curve(jnp.ones((3, 2)), jnp.ones(3)), "expected one score per row"),
        (lambda: mean(jnp.ones((3, 2)), jnp.ones(2)), "expected one for each of the rows"),
    ],
)
def test_what_does_not_match_is_refused(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
