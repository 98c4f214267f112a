"""Draws the figures of the studies from the content of their data files."""

from pathlib import Path
from typing import Any

import numpy as np

from tf_routing.analysis import (
    ImageRow,
    OperatingPoint,
    StaticNetwork,
    draw_comparison,
    draw_image_rows,
    draw_route_consistency,
    draw_route_counts,
    draw_trade_off,
    route_text,
)
from tf_routing.evaluation.image_versions import images_at, version_batches
from tf_routing.studies.study_runs import Setup

_COLUMNS = 12
_ROWS = 8
_POINT = {"accuracy": "accuracy", "executed_blocks": "executed blocks K", "executed_macs": "executed MACs"}
_KIND = {
    "accuracy": "accuracy",
    "executed_blocks": "executed blocks K",
    "executed_share": "executed share of the\nstatic network's MACs",
    "router_macs_per_block": "router MACs per block",
}


def trade_off(setup: Setup, content: dict[str, Any], title: str, path: Path) -> None:
    """Draws one point per cost weight, and the static network."""
    points = [
        OperatingPoint(row["label"], row["accuracy"], row["executed_macs"], row["executed_blocks"])
        for row in content["rows"]
    ]
    static = StaticNetwork(**content["static"])
    draw_trade_off(points, path, static, _add_subject(setup, title))


def route_counts(setup: Setup, content: dict[str, Any], title: str, path: Path) -> None:
    """Draws one line per diversity margin."""
    draw_route_counts(
        {row["label"]: row["distinct_routes"] for row in content["rows"]}, path, _add_subject(setup, title)
    )


def path_consistency(setup: Setup, content: dict[str, Any], title: str, path: Path) -> None:
    """Draws how many routes and which accuracy both networks keep, by version."""
    kept = {row["label"]: {**row["consistent_by_version"], "all": row["consistent"]} for row in content["rows"]}
    accuracies = {row["label"]: row["accuracies"] for row in content["rows"]}
    draw_route_consistency(kept, accuracies, path, f"{_add_subject(setup, title)}, {content['images']:,} test images")


def grouped_by_route(setup: Setup, content: dict[str, Any], title: str, path: Path) -> None:
    """Draws the most frequent routes: one column per class where there are few, else some images of each route."""
    shown = content["rows"][:_ROWS]
    names, labels = setup.dataset.class_names, setup.dataset.test.labels
    by_class = len(names) <= _COLUMNS
    places = [[row["examples_by_class"].get(name) for name in names] if by_class else row["examples"] for row in shown]
    indices = sorted({index for row in places for index in row if index is not None})
    images = dict(zip(indices, images_at(version_batches(setup.dataset, None, setup.seed), indices), strict=True))
    rows = [
        ImageRow(
            f"{_count_of(row['count'], 'image')}\n{route_text(np.array([int(bit) for bit in row['route']]))}",
            [None if index is None else images[index] for index in own],
            # The titles of columns stand once.
            (names if number == 0 else [""] * len(names)) if by_class else [names[labels[index]] for index in own],
        )
        for number, (row, own) in enumerate(zip(shown, places, strict=True))
    ]
    which = _name_routes(len(shown), content["distinct_routes"])
    draw_image_rows(rows, path, f"{_add_subject(setup, title)}: {which}")


def made_consistent(setup: Setup, content: dict[str, Any], title: str, path: Path) -> None:
    """Draws images that the routing terms keep on one route, with their versions in the same row."""
    shown = content["indices"][:_ROWS]
    if not shown:
        print("The first network keeps no image on one route that the second does not, so there is nothing to draw.")
        path.unlink(missing_ok=True)
        return
    versions = [None, *content["image_versions"]]
    images = np.stack([images_at(version_batches(setup.dataset, name, setup.seed), shown) for name in versions], axis=1)
    titles = [(name or "original").replace("_", " ") for name in versions]
    names, labels = setup.dataset.class_names, setup.dataset.test.labels
    rows = [ImageRow(names[labels[index]], row, titles) for index, row in zip(shown, images, strict=True)]
    count = f"{content['made_consistent']:,} of {content['images']:,} images"
    draw_image_rows(rows, path, f"{title}:\n{count}, {setup.architecture} on {setup.dataset.name}")


def router_kinds(setup: Setup, content: dict[str, Any], title: str, path: Path) -> None:
    """Draws one bar per kind of router."""
    _draw_measures(_KIND, setup, content, title, path)


def decision_rules(setup: Setup, content: dict[str, Any], title: str, path: Path) -> None:
    """Draws one bar per rule."""
    _draw_measures(_POINT, setup, content, title, path)


def _draw_measures(measures: dict[str, str], setup: Setup, content: dict[str, Any], title: str, path: Path) -> None:
    values = {heading: {row["label"]: row[key] for row in content["rows"]} for key, heading in measures.items()}
    draw_comparison(values, path, _add_subject(setup, title))


def _add_subject(setup: Setup, title: str) -> str:
    return f"{title}, {setup.architecture} on {setup.dataset.name}"


def _name_routes(shown: int, count: int) -> str:
    if count == 1:
        return "the only route"
    return f"{shown} most frequent of {count:,} routes" if count > shown else f"all {count} routes"


def _count_of(count: int, word: str) -> str:
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"
