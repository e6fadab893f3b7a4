"""A flax nnx module as pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from paramjax._types import Array, Key, ModelState, Params, PyTree
from paramjax.models._adapted import (
    Adapted,
    Names,
    check_call_key,
    check_first,
    check_parts,
    names_of,
    nest,
    pick,
)

if TYPE_CHECKING:
    from flax import nnx


def from_nnx(module: nnx.Module) -> Adapted:
    """Adapt a flax nnx module, so that it is trained like a linen module.

    `nnx.split` takes the arrays out of the module, and `nnx.merge` puts them back inside the
    call (flax, "The Functional API"). Parameters are the floating-point `nnx.Param` values; all
    other arrays, such as batch statistics, caches and random streams, are `model_state`. Shared
    variables (tied weights) stay shared.

    With a key, `apply` restarts every random stream from it, so that dropout is a function of
    the key alone: `nnx.reseed` gives `fold_in(key, i)` to the i-th stream name in alphabetical
    order. Without a key each stream continues.

    Whether layers train or evaluate is fixed when the module is adapted, by the last
    `module.train()` or `module.eval()`; `evaluate` calls `module.eval()` first, on a copy. `apply`
    raises for layers that overwrite their own parameters in the call
    (`nnx.WeightNorm`, `nnx.SpectralNorm`): only the optimizer may change parameters.

    Args:
        module: A callable nnx module.

    Returns:
        An `Adapted`, whose `apply` takes further inputs of the module by name.

    Raises:
        TypeError: If it is not an nnx module, or not callable; in `apply`, if the key is not a
            typed key.
        ValueError: If it has no floating-point parameter, or a random stream is not
            threefry; in `apply`, if parameters or state have another form than the module's,
            or if the call changes parameters, adds variables or changes a plain attribute.

    Example:
        >>> from flax import nnx
        >>> net = from_nnx(nnx.Linear(3, 2, rngs=nnx.Rngs(0)))
        >>> jax.tree.map(jnp.shape, net.params), net.model_state
        ({'bias': (2,), 'kernel': (3, 2)}, {})
        >>> outputs, model_state = net.apply(net.params, net.model_state, jnp.ones((5, 3)))
        >>> outputs.shape
        (5, 2)
    """
    # an import of 0.2 to 0.5 seconds, which only users of nnx should pay
    from flax import nnx

    if not isinstance(module, nnx.Module):
        raise TypeError(
            f"module: expected a flax nnx module, got {type(module).__name__}; a linen module "
            "needs no adapter, and pj.models.from_callable takes other callable pytrees"
        )
    if not callable(module):
        raise TypeError(
            f"module: expected it to be callable; give {type(module).__name__} a __call__"
        )
    graphdef, *states = nnx.split(module, _trainable, ...)
    trained, others = map(_form, states)
    first_params, first_state = (
        jax.tree.map(_array, nest(form.names, jax.tree.leaves(state)))
        for form, state in zip((trained, others), states, strict=True)
    )
    check_first(first_params, first_state, what="floating-point nnx.Param")

    def merge(params: Params, model_state: ModelState) -> nnx.Module:
        check_parts(params, model_state, first_params, first_state)
        return nnx.merge(graphdef, trained.fill(params), others.fill(model_state))

    def apply(
        params: Params, model_state: ModelState, x: Any, key: Key | None = None, **inputs: Any
    ) -> tuple[Any, ModelState]:
        live: Any = merge(params, model_state)
        if check_call_key(key) is not None:
            _reseed(live, key)
        outputs = live(x, **inputs)
        graphdef_after, *after = nnx.split(live, _trainable, ...)
        _check_call(trained, others, params, after)
        if graphdef_after != graphdef:
            raise ValueError(
                "module: its call changed an attribute that is not an array, which a pure step "
                "would forget; keep it in an nnx.Variable"
            )
        return outputs, nest(others.names, jax.tree.leaves(after[1]))

    def evaluate(params: Params, model_state: ModelState, x: Any, **inputs: Any) -> Any:
        live: Any = merge(params, model_state)
        live.eval()
        return live(x, **inputs)

    return Adapted(apply, first_params, first_state, merge, evaluate)


class _Form(NamedTuple):
    """How the leaves of an nnx state are named and how it is put together again."""

    names: list[Names]
    treedef: Any

    def fill(self, tree: PyTree) -> Any:
        return jax.tree.unflatten(self.treedef, pick(tree, self.names))


def _form(state: Any) -> _Form:
    found, treedef = jax.tree_util.tree_flatten_with_path(state)
    return _Form([_names(path) for path, _ in found], treedef)


def _names(path: tuple[Any, ...]) -> Names:
    """The names of a leaf without the attribute `value` in which a Variable holds it."""
    holder = next(
        (i for i, key in enumerate(path) if isinstance(key, jax.tree_util.GetAttrKey)), len(path)
    )
    return names_of(path[:holder] + path[holder + 1 :])


def _trainable(path: Any, variable: Any) -> bool:
    """An nnx filter: parameters whose leaves are all floating-point."""
    from flax import nnx

    del path
    return isinstance(variable, nnx.Param) and all(
        jnp.issubdtype(_array(leaf).dtype, jnp.inexact) for leaf in jax.tree.leaves(variable)
    )


def _array(leaf: Any) -> Array:
    if isinstance(leaf, jax.Array):
        return leaf
    # numbers get a fixed dtype: a weakly typed one would change under a bfloat16 update
    return jnp.asarray(leaf, dtype=jnp.asarray(leaf).dtype)


def _reseed(module: Any, key: Any) -> None:
    """Restart all random streams from the key, with one key for each stream name."""
    from flax import nnx

    tags = {node.key.tag for _, node in nnx.iter_graph(module) if isinstance(node, nnx.RngStream)}
    keys: Any = {tag: jax.random.fold_in(key, i) for i, tag in enumerate(sorted(tags))}
    nnx.reseed(module, policy="match_shape", **keys)


def _check_call(trained: _Form, others: _Form, params: Params, after: list[Any]) -> None:
    """Raise for a call that changed what a pure step does not return."""
    known = {*trained.names, *others.names}
    found = {names for state in after for names in _form(state).names}
    if known != found:
        changed = ", ".join(sorted("/".join(names) for names in known ^ found))
        raise ValueError(
            f"module: its call added or removed the variables {changed}; create them before "
            "adapting it, and do not sow"
        )
    given = pick(params, trained.names)
    for names, old, new in zip(trained.names, given, jax.tree.leaves(after[0]), strict=True):
        if old is not new:
            raise ValueError(
                f"module: its call changed the parameter {'/'.join(names)}, which only the "
                "optimizer may; keep it in another nnx.Variable, such as nnx.BatchStat"
            )
