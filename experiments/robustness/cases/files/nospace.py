"""A file of a user, see files_of_a_user.py."""

import optax

import paramjax as pj


def mine():
    return optax.contrib.prodigy()


mine.space = {}


def multi(learning_rate):
    return optax.MultiSteps(optax.adam(learning_rate), 2)


def injected(learning_rate, b1):
    return optax.inject_hyperparams(optax.adam)(learning_rate=learning_rate, b1=b1)


injected.space = {"learning_rate": pj.log_uniform(1e-3, 0.1), "b1": pj.uniform(0.5, 0.99)}


def conditional(rule, learning_rate, momentum=None):
    return optax.adam(learning_rate) if rule == "adam" else optax.sgd(learning_rate, momentum)


conditional.space = {
    "rule": pj.choice(["adam", "momentum"]),
    "learning_rate": pj.log_uniform(1e-3, 0.1),
    "momentum": pj.conditional("rule", "momentum", pj.uniform(0.5, 0.99)),
}


def cosine(learning_rate, warmup):
    return optax.sgd(optax.warmup_cosine_decay_schedule(0.0, learning_rate, warmup, 50))


cosine.space = {"learning_rate": pj.log_uniform(1e-3, 0.1), "warmup": pj.integer(1, 20)}


def lazy(learning_rate):
    from rule import make

    return make(learning_rate)


def rounding(learning_rate, beta):
    return optax.adam(learning_rate, b2=beta)


rounding.space = {"learning_rate": pj.log_uniform(1e-3, 0.1), "beta": pj.uniform(0.9, 0.99999999)}
