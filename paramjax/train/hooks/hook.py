"""What a hook is: a guard, an average or a monitor around the step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from paramjax.types import Metrics, Params, PyTree


class Hook(NamedTuple):
    """Three pure functions around a step; their arrays live in `state.hook_state`.

    Hooks apply in the order of their list, each to the state that the one before it
    left. A guard that rejects a step restores the old state whole, with what the hooks
    before it had just noted.

    Attributes:
        init: `(params) -> own`, the hook's arrays before the first step.
        apply: `(own, old_state, new_state, metrics) -> (own, new_state, metrics)`.
        eval_params: `(own, params) -> params`, the parameters to evaluate.

    Example:
        >>> count = Hook(
        ...     init=lambda params: 0,
        ...     apply=lambda own, old, new, metrics: (own + 1, new, metrics),
        ...     eval_params=lambda own, params: params,
        ... )
        >>> count.apply(0, None, None, {})[0]
        1
    """

    init: Callable[[Params], PyTree]
    apply: Callable[[PyTree, Any, Any, Metrics], tuple[PyTree, Any, Metrics]]
    eval_params: Callable[[PyTree, Params], Params]
