"""Every gradient transformation of optax, as `learning_rate -> tx`, for the contract suite.

`FACTORIES` has an entry for each public function of optax and optax.contrib that returns a
gradient transformation; a test compares it with what optax exports.
"""

import inspect
import warnings

import jax
import jax.numpy as jnp
import optax
import optax.contrib as contrib

EXPORTED = {
    name: getattr(module, name)
    for module in (optax, contrib)
    for name in dir(module)
    if not name.startswith("_")
    and "GradientTransformation"
    in str(getattr(getattr(module, name), "__annotations__", {}).get("return"))
}
KEY = jax.random.key(7)


def link(tx):
    """A link that only scales the gradient, followed by the learning rate."""
    return lambda rate: optax.chain(tx, optax.scale_by_learning_rate(rate))


# Differentially private aggregation takes the gradient of each example.
PER_EXAMPLE = {"differentially_private_aggregate", "dpsgd"}
# Names that optax has deprecated, which warn when they are called.
DEPRECATED = {"inject_stateful_hyperparams", "optimistic_adam"}


def labels(params):
    return {name: name for name in params}


def matrices(params):
    return jax.tree.map(lambda leaf: contrib.MuonDimensionNumbers(), params)


def dpsgd(rate):
    with warnings.catch_warnings():  # optax calls its own deprecated argument
        warnings.simplefilter("ignore", DeprecationWarning)
        return contrib.dpsgd(rate, 1.0, 0.1, seed=7)


def plateau(rate):
    return optax.chain(
        optax.sgd(rate), contrib.reduce_on_plateau(factor=0.5, patience=1, accumulation_size=1)
    )


def early(step, **extra):
    return step < 2


def made_from_defaults():
    """Factories of the functions that need no argument but a learning rate, and links' names."""
    factories, links = {}, set()
    for name, function in EXPORTED.items():
        parameters = inspect.signature(function).parameters.values()
        required = {p.name for p in parameters if p.default is p.empty and p.kind < p.VAR_KEYWORD}
        takes_rate = "learning_rate" in {p.name for p in parameters}
        if name in DEPRECATED or required - {"learning_rate"}:
            continue
        if takes_rate:
            factories[name] = lambda rate, function=function: function(learning_rate=rate)
        else:
            factories[name] = link(function())
            links.add(name)
    return factories, links


EXPLICIT = {
    "adafactor": lambda rate: optax.adafactor(rate, min_dim_size_to_factor=2),
    "scale_by_factored_rms": link(optax.scale_by_factored_rms(min_dim_size_to_factor=2)),
    "galore": lambda rate: contrib.galore(rate, rank=1, update_proj_gap=2),
    "scale_by_galore": link(contrib.scale_by_galore(rank=1, update_proj_gap=2)),
    "noisy_sgd": lambda rate: optax.noisy_sgd(rate, key=KEY),
    "schedule_free_adamw": lambda rate: contrib.schedule_free_adamw(rate, warmup_steps=2),
    "scale_by_muon": lambda rate: optax.partition(
        {
            "w": link(contrib.scale_by_muon(weight_dimension_numbers=matrices))(rate),
            "b": optax.sgd(rate),
        },
        labels,
    ),
    "sophia": lambda rate: contrib.sophia(rate, update_interval=2),
    "lbfgs": lambda rate: optax.lbfgs(),  # its line search finds the rate
    "nadam": optax.nadam,  # a partial, whose annotations Python does not show
    "nadamw": optax.nadamw,
    "adaptive_grad_clip": link(optax.adaptive_grad_clip(0.1)),
    "add_decayed_weights": link(optax.add_decayed_weights(0.1)),
    "add_noise": link(optax.add_noise(0.01, 0.55, key=KEY)),
    "apply_every": link(optax.apply_every(2)),
    "apply_if_finite": lambda rate: optax.apply_if_finite(optax.adam(rate), 3),
    "chain": lambda rate: optax.chain(optax.clip(0.5), optax.adam(rate)),
    "clip": link(optax.clip(0.1)),
    "clip_by_block_rms": link(optax.clip_by_block_rms(0.1)),
    "clip_by_global_norm": link(optax.clip_by_global_norm(0.1)),
    "conditionally_mask": lambda rate: optax.conditionally_mask(optax.sgd(rate), early),
    "conditionally_transform": lambda rate: optax.conditionally_transform(optax.sgd(rate), early),
    "ema": link(optax.ema(0.9)),
    "flatten": lambda rate: optax.flatten(optax.adam(rate)),
    "freeze": lambda rate: optax.chain(optax.sgd(rate), optax.freeze({"w": True, "b": False})),
    "inject_hyperparams": lambda rate: optax.inject_hyperparams(optax.adam)(learning_rate=rate),
    "lookahead": lambda rate: optax.lookahead(optax.sgd(rate), 2, 0.5),
    "masked": lambda rate: optax.masked(optax.adam(rate), {"w": True, "b": False}),
    "MultiSteps": lambda rate: optax.MultiSteps(optax.adam(rate), 2),
    "measure_with_ema": lambda rate: optax.chain(
        optax.monitor({"mean": optax.measure_with_ema(optax.tree.norm, 0.9)}), optax.sgd(rate)
    ),
    "monitor": lambda rate: optax.chain(optax.monitor({"norm": optax.tree.norm}), optax.sgd(rate)),
    "multi_transform": lambda rate: optax.multi_transform(
        {"w": optax.adam(rate), "b": optax.sgd(rate)}, labels
    ),
    "named_chain": lambda rate: optax.named_chain(
        ("clip", optax.clip(0.5)), ("sgd", optax.sgd(rate))
    ),
    "partition": lambda rate: optax.partition(
        {"w": contrib.schedule_free_sgd(rate), "b": optax.set_to_zero()}, labels
    ),
    "polyak_sgd": lambda rate: optax.polyak_sgd(max_learning_rate=10.0, scaling=rate),
    "scale": lambda rate: optax.scale(-rate),
    "scale_by_backtracking_linesearch": lambda rate: optax.chain(
        optax.sgd(rate), optax.scale_by_backtracking_linesearch(5)
    ),
    "scale_by_madgrad": lambda rate: contrib.scale_by_madgrad(rate),
    "scale_by_schedule": lambda rate: optax.scale_by_schedule(lambda step: -rate / (1 + step)),
    "scale_by_zoom_linesearch": lambda rate: optax.chain(
        optax.sgd(1.0), optax.scale_by_zoom_linesearch(5)
    ),
    "selective_transform": lambda rate: optax.chain(
        optax.selective_transform(optax.sgd(rate), freeze_mask={"w": False, "b": True})
    ),
    "snapshot": lambda rate: optax.chain(
        optax.snapshot("norm", optax.tree.norm),
        optax.sgd(rate),
    ),
    "stateless": link(optax.stateless(lambda updates, params: jax.tree.map(jnp.sign, updates))),
    "stateless_with_tree_map": link(optax.stateless_with_tree_map(lambda g, p: g + 0.1 * p)),
    "trace": link(optax.trace(0.9)),
    "with_extra_args_support": lambda rate: optax.with_extra_args_support(optax.sgd(rate)),
    "differentially_private_aggregate": link(
        contrib.differentially_private_aggregate(1.0, 0.1, key=KEY)
    ),
    "dpsgd": dpsgd,
    "mechanize": lambda rate: contrib.mechanize(optax.sgd(rate)),
    "reduce_on_plateau": plateau,
    "sam": lambda rate: contrib.sam(
        optax.sgd(rate), optax.chain(contrib.normalize(), optax.sgd(0.05))
    ),
    "sam_opaque": lambda rate: contrib.sam(
        optax.sgd(rate), optax.chain(contrib.normalize(), optax.sgd(0.05)), opaque_mode=True
    ),
    "schedule_free": lambda rate: contrib.schedule_free(optax.adam(rate, b1=0.0), rate),
    "split_real_and_imaginary": lambda rate: contrib.split_real_and_imaginary(optax.adam(rate)),
}
DEFAULTS, LINKS = made_from_defaults()
FACTORIES = {**DEFAULTS, **EXPLICIT}
OPTIMIZERS = set(FACTORIES) - (LINKS - set(EXPLICIT))
"""Tried in all layouts; links that only scale a gradient are parts of these, and tried plain."""
MECHANISMS = {
    "adam": "two moments",
    "dpsgd": "a gradient for each example",
    "inject_hyperparams": "hyperparameters in the state",
    "lookahead": "parameters in a structure of their own",
    "masked": "some of the leaves",
    "MultiSteps": "an update every other step, another interface",
    "noisy_sgd": "random numbers from a key in the state",
    "partition": "groups of leaves, one trained schedule-free",
    "polyak_sgd": "the argument value",
    "reduce_on_plateau": "the argument value, and a counter",
    "sam": "steps of two kinds, parameters to evaluate in the state",
    "sam_opaque": "the argument grad_fn",
    "scale_by_backtracking_linesearch": "the argument value_fn, a loop",
    "schedule_free": "other parameters to evaluate",
}
"""Representatives, which run with every `make test`, and what each stands for."""
COMBINED = {"adam", "dpsgd", "lookahead", "MultiSteps", "scale_by_backtracking_linesearch"}
"""Those of them that run with every `make test` in other surroundings, too."""
