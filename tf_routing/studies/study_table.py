"""The studies by name: which variants of a network to train, what to measure of them, and how to draw it.

Another study is another entry of `STUDIES`. Its functions are imported when it is conducted: lists and help must not
wait for Keras.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tf_routing.studies.variants import Variant
from tf_routing.support.validation import unknown

if TYPE_CHECKING:
    from tf_routing.studies.study_runs import Setup, TrainedVariant


class StudyFunctions(NamedTuple):
    """What a study does with trained variants.

    Args:
        measure: Called with the study's `Setup` and trained variants. It returns what the data file holds, a dict with
            a list `rows`.
        draw: Called with the setup, that dict, the title and the path of the figure.
    """

    measure: Callable[["Setup", Sequence["TrainedVariant"]], dict[str, Any]]
    draw: Callable[["Setup", dict[str, Any], str, Path], None]


class Study(NamedTuple):
    """A question put to trained variants of a network.

    Args:
        title: Title of its figure.
        variants: The variants; or, where they keep a number of blocks, a function of that number and of all blocks.
        load_functions: Imports and returns what measures and draws the variants.
        reported: For variants by a number of blocks: which of the paper's models has executed it where the user gives
            none, `"v2"`, of lower cost, or `"v1"`, of the best accuracy.
    """

    title: str
    variants: Sequence[Variant] | Callable[[int, int], Sequence[Variant]]
    load_functions: Callable[[], StudyFunctions]
    reported: str = "v2"


def _load_trade_off() -> StudyFunctions:
    from tf_routing.studies import operating_points, study_figures

    return StudyFunctions(operating_points.operating_points, study_figures.trade_off)


def _load_route_counts() -> StudyFunctions:
    from tf_routing.studies import logged_routes, study_figures

    return StudyFunctions(logged_routes.logged_routes, study_figures.route_counts)


def _load_path_consistency() -> StudyFunctions:
    from tf_routing.studies import consistency, study_figures

    return StudyFunctions(consistency.path_consistency, study_figures.path_consistency)


def _load_grouped_by_route() -> StudyFunctions:
    from tf_routing.studies import grouped_routes, study_figures

    return StudyFunctions(grouped_routes.grouped_routes, study_figures.grouped_by_route)


def _load_made_consistent() -> StudyFunctions:
    from tf_routing.studies import consistency, study_figures

    return StudyFunctions(consistency.made_consistent, study_figures.made_consistent)


def _load_router_kinds() -> StudyFunctions:
    from tf_routing.studies import operating_points, study_figures

    return StudyFunctions(operating_points.router_kinds, study_figures.router_kinds)


def _load_decision_rules() -> StudyFunctions:
    from tf_routing.studies import operating_points, study_figures

    return StudyFunctions(operating_points.operating_points, study_figures.decision_rules)


def _vary(argument: str, values: Sequence[Any]) -> list[Variant]:
    return [Variant(f"{argument.replace('_', ' ')} {value}", {argument: value}) for value in values]


def _keep_blocks(keep: int, blocks: int) -> list[Variant]:
    # Rules keep a number of blocks; what decides per image is trained towards the same share.
    share = {"target": keep / blocks}
    return [
        Variant("threshold", share),
        Variant("bernoulli", share, at_test={"decision": "bernoulli"}),
        *(Variant(f"{rule} {keep}", {"decision": rule, "keep": keep}) for rule in ("first", "random", "distributed")),
    ]


def _draw_decisions(keep: int, blocks: int) -> list[Variant]:
    share = {"target": keep / blocks}
    return [
        Variant("threshold", share),
        Variant("bernoulli", share, at_test={"decision": "bernoulli"}),
    ]


_CONSISTENCY = [
    Variant("with consistency and diversity", {}),
    Variant("without routing terms", {"consistency_weight": 0.0, "diversity_weight": 0.0}),
]

STUDIES: dict[str, Study] = {
    "trade_off": Study(
        "Accuracy and executed cost",
        _vary("cost_weight", (0.01, 0.05, 0.1, 0.2, 0.5, 1.0)),
        _load_trade_off,
    ),
    "route_counts": Study(
        "Distinct routes",
        [
            *_vary("diversity_margin", (0.1, 0.3, 0.5, 0.7, 1.0, 2.0)),
            Variant("no diversity term", {"diversity_weight": 0.0}),
        ],
        _load_route_counts,
    ),
    "path_consistency": Study(
        "Route consistency",
        _CONSISTENCY,
        _load_path_consistency,
    ),
    "grouped_by_route": Study(
        "Images by route",
        [Variant("as given", {})],
        _load_grouped_by_route,
    ),
    "made_consistent": Study(
        "One route for all versions where the routing terms ask for it, several without them",
        _CONSISTENCY,
        _load_made_consistent,
    ),
    "router_kinds": Study(
        "Kinds of routers",
        [Variant(kind, {"router": kind}) for kind in ("linear", "conv", "recurrent")],
        _load_router_kinds,
    ),
    "decision_rules": Study(
        "Rules of decision",
        _keep_blocks,
        _load_decision_rules,
    ),
    "sampled_decisions": Study(
        "Decisions by threshold and drawn",
        _draw_decisions,
        _load_decision_rules,
        reported="v1",
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
