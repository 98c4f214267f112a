"""Arguments that count only beside certain values of others: where they would do nothing they are refused."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tf_routing.zoo.builders.exit_trees import has_junctions

# Of networks that skip blocks; see `layers.kept_blocks.RULES`, which would import Keras here.
_LEARNT = ("threshold", "bernoulli")
_CRITICS = ("pragmatic_critic", "optimistic_critic")


class _Condition(NamedTuple):
    """When arguments count.

    Args:
        arguments: Their names.
        holds: Function of all arguments of the builder.
        text: The condition in words, behind "counts only".
    """

    arguments: tuple[str, ...]
    holds: Callable[[Mapping[str, Any]], bool]
    text: str


_GATES = _Condition(
    ("hidden",), lambda values: values["router"] in ("cc", "cp"), "where gates are, with router='cc' or 'cp'"
)
_HEADS = _Condition(
    ("average",), lambda values: values["paths"] > 1 and values["include_top"], "where several heads are averaged"
)
_STITCHES = _Condition(("per_channel",), lambda values: values["router"] == "stitch", "with router='stitch'")
_CATEGORIES = _Condition(
    ("target_rate", "use_category", "categories", "flops_total"),
    lambda values: values["include_top"],
    "for the objective, with include_top=True",
)
_ROUTING_TERMS = (
    *("consistency_weight", "diversity_weight", "cost_weight", "regularization_weight"),
    *("consistency_margin", "diversity_margin", "regularization", "target"),
)
_SKIPPING = (
    _Condition(
        ("router", "beta", "init_open_rate", "hidden", *_ROUTING_TERMS),
        lambda values: values["decision"] in _LEARNT,
        "where routers decide, with decision='threshold' or 'bernoulli'",
    ),
    _Condition(("hidden",), lambda values: values["router"] == "linear", "with router='linear'"),
)
_ACTORS, _OF_CRITICS = ("decisiveness_cost", "regularize_policy"), ("critic_error", "regression_weight")
_OF_JUNCTIONS = ("strategy", "computation_cost", "talr", "temperature", "hidden", *_ACTORS, *_OF_CRITICS)
_LEAVING = (
    _Condition(
        (*_OF_JUNCTIONS, "dynamic_cost", "kernel_decay", "temperature_half_life"),
        lambda values: values["include_top"],
        "where there are exits, with include_top=True",
    ),
    # Not the half-life of the temperature: recipes set it for all networks of a comparison, static ones among them.
    _Condition(_OF_JUNCTIONS, lambda values: has_junctions(values["tree"]), "where the tree has junctions"),
    _Condition(_ACTORS, lambda values: values["strategy"] == "actor", "with strategy='actor'"),
    _Condition(_OF_CRITICS, lambda values: values["strategy"] in _CRITICS, f"with strategy={_CRITICS[0]!r} or another"),
)
_CONDITIONS: dict[str, tuple[_Condition, ...]] = {
    "multipath_cnn": (_GATES, _HEADS, _STITCHES),
    "cifar_resnet": (_GATES, _HEADS),
    "imagenet_resnet": (_GATES, _HEADS),
    "split_resnet": (_CATEGORIES,),
    "split_mobilenetv2": (_CATEGORIES,),
    "skip_resnet": _SKIPPING,
    "early_exit": _LEAVING,
}


def refuse_idle(builder: str, values: Mapping[str, Any], given: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Raises if an argument that the user gave does nothing beside the others.

    Args:
        builder: Name of the builder's module.
        values: All arguments of the builder.
        given: Those that the user gave.
        defaults: What they are by default; what is asked for anyway is no mistake.

    Raises:
        ValueError: If there is one.

    Example:

    >>> refuse_idle("skip_resnet", {"router": "conv", "decision": "threshold"}, {"hidden": 8}, {"hidden": 16})
    Traceback (most recent call last):
    ValueError: `hidden` counts only with router='linear'. Received: hidden=8
    """
    for condition in _CONDITIONS.get(builder, ()):
        for argument in condition.arguments:
            if argument in given and given[argument] != defaults[argument] and not condition.holds(values):
                raise ValueError(f"`{argument}` counts only {condition.text}. Received: {argument}={given[argument]!r}")
