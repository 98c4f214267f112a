"""Images are grouped by their routes."""

from collections import Counter

import numpy as np
import pytest

from tf_routing.analysis import route_groups, route_text


def test_groups_by_hand() -> None:
    routes = np.array([[1, 1], [0, 1], [1, 0], [0, 1], [1, 0], [0, 1]])
    groups = route_groups(routes)
    assert [(group.route.tolist(), group.images.tolist()) for group in groups] == [
        ([0, 1], [1, 3, 5]),
        ([1, 0], [2, 4]),
        ([1, 1], [0]),
    ]


def test_of_equally_frequent_routes_the_one_of_an_earlier_image_comes_first() -> None:
    groups = route_groups(np.array([[1], [0]]))
    assert [group.route.tolist() for group in groups] == [[1], [0]]


@pytest.mark.parametrize(("count", "choices"), [(1, 1), (200, 4), (50, 60)])
def test_every_image_is_in_the_group_of_its_route(count: int, choices: int) -> None:
    routes = (np.random.default_rng(choices).random((count, choices)) < 0.5).astype("int8")
    groups = route_groups(routes)
    assert sorted(np.concatenate([group.images for group in groups])) == list(range(count))
    assert all((routes[group.images] == group.route).all() for group in groups)
    counts = Counter(map(bytes, routes))
    assert [len(group.images) for group in groups] == sorted(counts.values(), reverse=True)
    assert all((np.diff(group.images) > 0).all() for group in groups)


def test_a_long_route_is_written_in_lines() -> None:
    route = np.arange(40) % 2
    lines = route_text(route).splitlines()
    assert [len(line) for line in lines] == [18, 18, 4]
    assert "".join(lines) == "□■" * 20
