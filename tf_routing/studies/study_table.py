"""The studies by name: which variants of a network to train, what to measure of them, and how to draw it.

Another study is another entry of `STUDIES`. Measurements and figures are named here, not imported: lists and help must
not wait for Keras.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from tf_routing.support.validation import unknown


class Variant(NamedTuple):
    """A network of a study.

    Args:
        label: What figures call it.
        changes: Arguments of `zoo.get` in which it differs from the network that the study is given.
        at_test: Arguments that change after training: the trained weights are measured with them.
    """

    label: str
    changes: Mapping[str, Any]
    at_test: Mapping[str, Any] = {}


class Study(NamedTuple):
    """A question put to trained variants of a network.

    Args:
        title: Title of its figure.
        variants: The variants; or, where they keep a number of blocks, a function of that number and of all blocks.
        measure: Function `"module.name"` of `tf_routing.studies`, called with the study's `Setup` and trained variants.
            It returns what the data file holds, a dict with a list `rows`.
        draw: Function `"module.name"`, called with the setup, that dict, the title and the path of the figure.
    """

    title: str
    variants: Sequence[Variant] | Callable[[int, int], Sequence[Variant]]
    measure: str
    draw: str


def _each(argument: str, values: Sequence[Any]) -> list[Variant]:
    return [Variant(f"{argument.replace('_', ' ')} {value}", {argument: value}) for value in values]


def _rules(keep: int, blocks: int) -> list[Variant]:
    # Rules keep a number of blocks; what decides per image is trained towards the same share.
    share = {"target": keep / blocks}
    return [
        Variant("threshold", share),
        Variant("bernoulli", share, at_test={"decision": "bernoulli"}),
        *(Variant(f"{rule} {keep}", {"decision": rule, "keep": keep}) for rule in ("first", "random", "distributed")),
    ]


_CONSISTENCY = [
    Variant("with consistency and diversity", {}),
    Variant("without routing terms", {"consistency_weight": 0.0, "diversity_weight": 0.0}),
]

STUDIES: dict[str, Study] = {
    "trade_off": Study(
        "Accuracy and executed cost",
        _each("cost_weight", (0.01, 0.05, 0.1, 0.2, 0.5, 1.0)),
        "operating_points.operating_points",
        "study_figures.trade_off",
    ),
    "route_counts": Study(
        "Distinct routes",
        [
            *_each("diversity_margin", (0.1, 0.3, 0.5, 0.7, 1.0, 2.0)),
            Variant("no diversity term", {"diversity_weight": 0.0}),
        ],
        "logged_routes.logged_routes",
        "study_figures.route_counts",
    ),
    "path_consistency": Study(
        "Route consistency",
        _CONSISTENCY,
        "consistency.path_consistency",
        "study_figures.path_consistency",
    ),
    "grouped_by_route": Study(
        "Images by route",
        [Variant("as given", {})],
        "grouped_routes.grouped_routes",
        "study_figures.grouped_by_route",
    ),
    "made_consistent": Study(
        "One route for all versions where the routing terms ask for it, several without them",
        _CONSISTENCY,
        "consistency.made_consistent",
        "study_figures.made_consistent",
    ),
    "router_kinds": Study(
        "Kinds of routers",
        [Variant(kind, {"router": kind}) for kind in ("linear", "conv", "recurrent")],
        "operating_points.router_kinds",
        "study_figures.router_kinds",
    ),
    "decision_rules": Study(
        "Rules of decision",
        _rules,
        "operating_points.operating_points",
        "study_figures.decision_rules",
    ),
}


def list_studies() -> list[str]:
    """Returns the names of the studies."""
    return list(STUDIES)


def find_study(name: str) -> Study:
    """Returns the study of this name, or raises a `ValueError` with close matches."""
    if name not in STUDIES:
        raise ValueError(unknown("study", name, STUDIES))
    return STUDIES[name]
