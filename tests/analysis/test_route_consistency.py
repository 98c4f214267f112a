"""An image is consistent where all versions of it take one route."""

from pathlib import Path

import numpy as np
import pytest

from tests.analysis.pictures import size_of
from tf_routing.analysis import consistent_images, draw_route_consistency

ROUTES = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 1]])
FLIPPED = np.array([[1, 1, 0], [1, 0, 1], [0, 0, 0], [1, 1, 1]])
TURNED = np.array([[1, 1, 0], [1, 0, 0], [1, 1, 1], [1, 1, 1]])


def test_all_versions_must_agree() -> None:
    assert consistent_images(ROUTES, [FLIPPED]).tolist() == [True, False, True, True]
    assert consistent_images(ROUTES, [TURNED]).tolist() == [True, True, False, True]
    assert consistent_images(ROUTES, [FLIPPED, TURNED]).tolist() == [True, False, False, True]


def test_versions_that_agree_among_themselves_alone_do_not_count() -> None:
    assert consistent_images(ROUTES, [1 - ROUTES, 1 - ROUTES]).tolist() == [False] * 4


def test_without_versions_every_image_is_consistent() -> None:
    assert consistent_images(ROUTES, []).tolist() == [True] * 4


def test_routes_of_other_images_are_refused() -> None:
    # Not broadcast: one row is no version of four images.
    with pytest.raises(ValueError, match=r"`versions` must have the routes' shape \(4, 3\). Received: \(1, 3\)"):
        consistent_images(ROUTES, [ROUTES[:1]])


def test_the_drawing_is_a_picture(tmp_path: Path) -> None:
    kept = {"with": {"crop": 9000, "all": 5342}, "without": {"crop": 4000, "all": 2265}}
    accuracies = {label: {"original": 0.93, "crop": 0.91} for label in kept}
    draw_route_consistency(kept, accuracies, tmp_path / "bars.png")
    width, height = size_of(tmp_path / "bars.png")
    assert 800 < width < 2000 and 300 < height < 1000


def test_nothing_to_draw_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`kept` must hold at least one network"):
        draw_route_consistency({}, {}, tmp_path / "bars.png")
    assert list(tmp_path.iterdir()) == []
