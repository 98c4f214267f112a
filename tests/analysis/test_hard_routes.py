"""Routes as rows of bits."""

import numpy as np
import pytest

from tf_routing.analysis import hard_routes


def test_decisions_stand_side_by_side_in_order_of_depth() -> None:
    routes = hard_routes({"b": np.array([[0.0], [1.0]]), "a": np.array([[1.0, 0.0], [0.0, 1.0]])})
    assert routes.tolist() == [[0, 1, 0], [1, 0, 1]]
    assert routes.dtype == "int8"


def test_the_sum_of_a_row_is_the_number_of_executed_blocks() -> None:
    rng = np.random.default_rng(0)
    switches = {f"router_{n}": (rng.random((7, 1)) < 0.6).astype("float32") for n in range(5)}
    expected = [sum(int(each[image, 0]) for each in switches.values()) for image in range(7)]
    assert hard_routes(switches).sum(axis=1).tolist() == expected


def test_what_is_nearly_one_is_one() -> None:
    assert hard_routes({"router_1": [[0.9999999], [1e-7]]}).tolist() == [[1], [0]]


def test_gates_of_multipath_nets_are_no_switches() -> None:
    with pytest.raises(ValueError, match=r"Received: route_1 of shape \(4, 2, 2\)"):
        hard_routes({"route_1": np.ones((4, 2, 2))})


def test_without_decisions_there_is_no_route() -> None:
    with pytest.raises(ValueError, match="`decisions` must hold at least one"):
        hard_routes({})
