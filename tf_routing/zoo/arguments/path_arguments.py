"""Checks how many parallel paths a network has and what routes between them, where both are arguments."""

import re
from collections.abc import Mapping
from typing import Any

from tf_routing.support.validation import positive_integer

_SUFFIX = re.compile(r"_\d+[a-z]*$")


def check_paths(values: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the builder's arguments, without a router where one path is asked for.

    Args:
        values: All arguments of the builder.
        given: Those that the user gave.

    Raises:
        ValueError: If several paths are asked for without a router, or a router for one path.
    """
    if "paths" not in values or not {"paths", "router"} & given.keys():
        return dict(values)
    paths, router = positive_integer("paths", values["paths"]), values["router"]
    if paths == 1 and "router" not in given:
        return {**values, "router": None}
    if paths == 1 and router is not None:
        raise ValueError(
            f"`paths` must be at least 2 with router={router!r}: there is nothing to route between. Received: paths=1"
        )
    if paths > 1 and router is None and "router" not in given:
        raise ValueError(
            f"`router` must be given with paths={paths}: 'cc' for cross-connections, 'cp' for cross-predictions, or "
            "None for paths that meet at the heads only. Received: no router"
        )
    return dict(values)


def name_paths(architecture: str, values: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    """Returns the name of an architecture with the paths and the router that it is built with.

    Example:

    >>> name_paths("resnet18_2cc", {"paths": 3, "router": "cp"}, {"paths": 3, "router": "cp"})
    'resnet18_3cp'
    """
    if "paths" not in values or not {"paths", "router"} & given.keys():
        return architecture
    plain = _SUFFIX.sub("", architecture) if architecture.endswith(("cc", "cp")) else architecture
    return plain if values["paths"] == 1 else f"{plain}_{values['paths']}{values['router'] or ''}"
