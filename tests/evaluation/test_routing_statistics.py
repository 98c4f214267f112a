"""Statistics of decisions, against values by hand."""

from typing import Any

import numpy as np
import pytest

from tf_routing import zoo
from tf_routing.evaluation.routing_statistics import routing_statistics

_SMALL: dict[str, Any] = {"classes": 3, "input_shape": (8, 8, 3), "width_multiplier": 0.125}


def test_rates_are_means_over_images_and_sub_blocks() -> None:
    model = zoo.get("dmnn50_cifar_n2", **_SMALL)
    routes = {name: np.zeros((4, 2), "float32") for name in model.decision_names}
    first, second, *_ = routes
    routes[first][:] = [[1, 0], [1, 0], [1, 1], [0, 1]]
    routes[second][2] = 1
    found = routing_statistics(model, routes)
    assert found["execution_rate"] == pytest.approx((5 + 2) / (4 * 2 * len(routes)), rel=1e-6)
    assert found["execution_rates"][first] == [0.75, 0.5] and found["execution_rates"][second] == [0.25, 0.25]
    assert found["distinct_routes"] == 3


def test_networks_that_leave_early_have_no_rate_for_a_junction_always_chooses_one_way() -> None:
    model = zoo.get("widecnn_cascade", **_SMALL)
    leaves = np.array([[1, 0], [1, 0], [1, 0], [0, 1]], "float32")
    found = routing_statistics(model, {"junction_1": leaves})
    assert "execution_rate" not in found and found["execution_rates"] == {"junction_1": [0.75, 0.25]}
    first = zoo.get("widecnn", **{**_SMALL, "width_multiplier": 0.0625}).static_cost
    assert (found["executed_macs"]["least"], found["executed_macs"]["most"]) == (first, model.static_cost)
    assert found["executed_macs"]["mean"] == (3 * first + model.static_cost) / 4
