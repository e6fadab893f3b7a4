"""CartPole by REINFORCE, with a learned baseline and without: mean return of 8 seeds each.

The cart of Barto, Sutton and Anderson (1983) as in Gymnasium's CartPole-v1 (1 a step, at most 500,
lost beyond 12 degrees), in pure functions. Each of 150 steps of Adam plays 16 episodes and takes
the gradient of Williams (1992) through the one step function; all seeds are one program.

Row 32 of the brief.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax

import paramjax as pj
from paramjax.cli import start_script
from paramjax.models import MLP

LONGEST, EPISODES, SEEDS, STEPS, DISCOUNT = 500, 16, 8, 150, 0.99
NETWORK = MLP((32, 1), activation="tanh")


def move(state, right):
    """One Euler step of 0.02 s: a pole of 0.1 kg and 1 m on a cart of 1 kg, pushed by 10 N."""
    _, speed, angle, spin = state.T
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    push = (jnp.where(right, 10.0, -10.0) + 0.05 * spin**2 * sin) / 1.1
    spin_up = (9.8 * sin - cos * push) / (0.5 * (4 / 3 - 0.1 * cos**2 / 1.1))
    speed_up = push - 0.05 * spin_up * cos / 1.1
    return state + 0.02 * jnp.stack([speed, speed_up, spin, spin_up], axis=1)


def play(policy, key):
    """Whole episodes: states [steps, episodes, 4], pushes to the right, and who still stands."""
    state = jax.random.uniform(key, (EPISODES, 4), minval=-0.05, maxval=0.05)
    chances = jax.random.uniform(jax.random.fold_in(key, 1), (LONGEST, EPISODES))

    def step(now, chance):
        state, stands = now
        right = chance < jax.nn.sigmoid(NETWORK.apply(policy, state)[:, 0])
        after = move(state, right)
        within = (jnp.abs(after[:, ::2]) <= jnp.array([[2.4, jnp.pi / 15]])).all(axis=1)
        return (jnp.where(stands[:, None], after, state), stands & within), (state, right, stands)

    return jax.lax.scan(step, (state, jnp.ones(EPISODES, bool)), chances)[1]


def loss_fn(params, key, baseline):
    """Its gradient is the policy's, beside that of a value network, which is the baseline."""
    policy, critic = params
    states, right, stands = jax.lax.stop_gradient(play(policy, key))
    returns = (1 - DISCOUNT ** stands[::-1].cumsum(axis=0)[::-1]) / (1 - DISCOUNT)  # 1 a step
    value = NETWORK.apply(critic, states)[..., 0] / (1 - DISCOUNT)
    advantage = returns - baseline * jax.lax.stop_gradient(value)
    logit = NETWORK.apply(policy, states)[..., 0]
    surprise = jax.nn.softplus(jnp.where(right, -logit, logit))  # -log of the push's chance
    each = jnp.where(stands, surprise * advantage + (returns - value) ** 2, 0)
    return each.sum() / EPISODES, {"return": stands.sum() / EPISODES}


def main() -> int:
    key = jax.random.key((script := start_script(__file__, __doc__)).key)
    start = lambda key: [NETWORK.init(k, jnp.zeros((1, 4))) for k in jax.random.split(key)]  # noqa: E731
    result = pj.sweep(
        lambda hp: pj.train_step(lambda p, _, k: loss_fn(p, k, hp["baseline"]), optax.adam(0.01)),
        {"baseline": pj.uniform(0.0, 1.0)}, pj.Problem(init=start, data=np.zeros(1)),
        trials=[{"baseline": 1.0}, {"baseline": 0.0}], seeds=SEEDS, steps=STEPS, key=key,
    )  # fmt: skip
    returns = np.asarray(result.history["return"]).reshape(2, SEEDS, STEPS)
    last = returns[:, :, -20:].mean(axis=2)  # [baseline or not, seeds]
    states, _, stands = play(result.params_of(0, int(last[0].argmax()))[0], key)

    def plot(figure):
        left, right = figure.subplots(1, 2)
        for name, own in zip(("learned baseline", "no baseline"), returns, strict=True):
            low, middle, high = np.quantile(own, (0.25, 0.5, 0.75), axis=0)
            left.plot(middle, label=name)
            left.fill_between(range(STEPS), low, high, alpha=0.25, linewidth=0)
        left.set(xlabel="step of Adam", ylabel=f"mean return of {EPISODES} episodes", ylim=(0, 510))
        left.legend(loc="lower right", title=f"median and quartiles of {SEEDS} seeds")
        angle = np.where(stands, np.rad2deg(states[..., 2]), np.nan)
        right.plot(0.02 * np.arange(LONGEST), angle, color="C0", alpha=0.4, linewidth=0.8)
        right.set(xlabel="time (s)", ylabel="angle of the pole (degrees)", ylim=(-12, 12))

    figures = {
        f"seeds of {SEEDS} above 475 in the last 20 steps": (last[0] > 475).sum(),
        "mean return, last 20 steps": last[0].mean(),
        "standard deviation over the seeds": last[0].std(ddof=1),
        "mean return without a baseline": last[1].mean(),
        "standard deviation without a baseline": last[1].std(ddof=1),
    }
    return script.finish(figures, plot)


if __name__ == "__main__":
    sys.exit(main())
