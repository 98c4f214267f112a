"""Groups of images that take the same route."""

from typing import NamedTuple

import numpy as np

_RUN, _BYPASSED = "\u25a0", "\u25a1"
_LINE = 18


class RouteGroup(NamedTuple):
    """The images that take one route.

    Args:
        route: Array `(choices,)` of 0 and 1.
        images: Integer array, the images' indices, rising.

    Example:

    >>> RouteGroup(np.array([1, 0]), np.array([3, 5])).images.tolist()
    [3, 5]
    """

    route: np.ndarray
    images: np.ndarray


def route_groups(routes: np.ndarray) -> list[RouteGroup]:
    """Groups images by their routes.

    Args:
        routes: Array `(count, choices)` of 0 and 1, see `hard_routes`.

    Returns:
        One `RouteGroup` per distinct route, the most frequent first; of equally frequent ones, the one that an earlier
        image takes.

    Example:

    >>> [group.images.tolist() for group in route_groups(np.array([[0, 1], [1, 1], [0, 1]]))]
    [[0, 2], [1]]

    Reference:
        Wang et al. (2020), *Dynamic Routing with Path Diversity and Consistency for Compact Network Learning*,
        arXiv:2005.14439, Fig. 5.
    """
    distinct, members = np.unique(routes, axis=0, return_inverse=True)
    members = members.reshape(-1)
    # Sorted by route, stably: the images of each route are neighbours, in their own order.
    order = np.argsort(members, kind="stable")
    starts = np.cumsum(np.bincount(members, minlength=len(distinct)))[:-1]
    groups = [RouteGroup(route, images) for route, images in zip(distinct, np.split(order, starts), strict=True)]
    return sorted(groups, key=lambda group: (-len(group.images), group.images[0]))


def route_text(route: np.ndarray) -> str:
    """Writes a route as a row of squares, in several lines where it is long.

    Args:
        route: Array `(choices,)` of 0 and 1.

    Returns:
        Text with a filled square for what runs and an empty one for what is bypassed.

    Example:

    >>> print(route_text(np.array([1, 0, 1])))
    ■□■
    """
    squares = [_RUN if bit else _BYPASSED for bit in route]
    return "\n".join("".join(squares[start : start + _LINE]) for start in range(0, len(squares), _LINE))
