"""A file of a user, see files_of_a_user.py."""

import optax

import paramjax as pj

SEEN = []


def mine(learning_rate, betas):
    print("factory got betas =", repr(betas), flush=True)
    presets = {(0.9, 0.999): "slow", (0.5, 0.9): "fast"}
    presets[betas]  # a user looks it up
    return optax.adam(learning_rate, *betas)


mine.space = {
    "learning_rate": pj.log_uniform(1e-3, 0.1),
    "betas": pj.choice([(0.9, 0.999), (0.5, 0.9)]),
}


def quiet(learning_rate, betas):
    print("factory got betas =", repr(betas), flush=True)
    if isinstance(betas, tuple):
        return optax.adam(learning_rate, *betas)
    return optax.sgd(learning_rate)  # anything else: the default rule


quiet.space = mine.space
