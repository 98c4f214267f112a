"""The shape of a network that leaves early: who waits for whom, which ways there are, and back from a configuration."""

import json

import keras

from tf_routing import exit_tree
from tf_routing.exit_tree import Exit, Route, Stage
from tf_routing.layers import ExitMixture

CHAIN = Stage(
    ("column_1",),
    "junction_1",
    (
        Exit("exit_1"),
        Stage(("column_2", "column_3"), "junction_3", (Exit("exit_3"), Stage(("c4",), None, (Exit("e4"),)))),
    ),
)
TREE = Stage(
    ("root",),
    "three_ways",
    (
        Stage(("left",), "two_ways", (Exit("left_early"), Stage(("left_end",), None, (Exit("left_late"),)))),
        Exit("here"),
        Stage(("right", "right_end"), None, (Exit("right_late"),)),
    ),
)
STATIC = Stage(("column_1", "column_2"), None, (Exit("exit"),))


def test_parts_come_before_what_follows_them() -> None:
    layers = [layer for part in exit_tree.parts(TREE) for layer in part.layers]
    left = ["left", "two_ways", "left_early", "left_end", "left_late"]
    assert layers == ["root", "three_ways", *left, "here", "right", "right_end", "right_late"]
    assert [part.layers for part in exit_tree.parts(STATIC)] == [("column_1", "column_2"), ("exit",)]


def test_exits_and_junctions() -> None:
    assert [leaf.layer for leaf in exit_tree.exits(CHAIN)] == ["exit_1", "exit_3", "e4"]
    assert exit_tree.junctions(CHAIN) == {"junction_1": 2, "junction_3": 2}
    assert [leaf.layer for leaf in exit_tree.exits(TREE)] == ["left_early", "left_late", "here", "right_late"]
    assert exit_tree.junctions(TREE) == {"three_ways": 3, "two_ways": 2}
    assert exit_tree.junctions(STATIC) == {} == exit_tree.junctions(Exit("exit"))


def test_what_follows() -> None:
    assert exit_tree.sinks(CHAIN) == CHAIN.sinks
    assert exit_tree.sinks(Exit("exit")) == ()


def test_routes_of_a_chain() -> None:
    assert exit_tree.routes(CHAIN) == [
        Route("exit_1", ("column_1", "junction_1", "exit_1"), {"junction_1": 0}),
        Route(
            "exit_3",
            ("column_1", "junction_1", "column_2", "column_3", "junction_3", "exit_3"),
            {"junction_1": 1, "junction_3": 0},
        ),
        Route(
            "e4",
            ("column_1", "junction_1", "column_2", "column_3", "junction_3", "c4", "e4"),
            {"junction_1": 1, "junction_3": 1},
        ),
    ]


def test_routes_of_a_tree_are_in_the_order_of_its_exits() -> None:
    routes = exit_tree.routes(TREE)
    assert [route.exit for route in routes] == [leaf.layer for leaf in exit_tree.exits(TREE)]
    assert [route.choices for route in routes] == [
        {"three_ways": 0, "two_ways": 0},
        {"three_ways": 0, "two_ways": 1},
        {"three_ways": 1},
        {"three_ways": 2},
    ]
    assert routes[-1].layers == ("root", "three_ways", "right", "right_end", "right_late")


def test_the_one_route_of_a_static_network() -> None:
    assert exit_tree.routes(STATIC) == [Route("exit", ("column_1", "column_2", "exit"), {})]
    assert exit_tree.routes(Exit("exit")) == [Route("exit", ("exit",), {})]


def test_a_layer_waits_for_the_last_junction_before_it() -> None:
    assert exit_tree.gates_by_layer(TREE) == {
        **dict.fromkeys(("left", "two_ways"), ("three_ways", 0)),
        "left_early": ("two_ways", 0),
        **dict.fromkeys(("left_end", "left_late"), ("two_ways", 1)),
        "here": ("three_ways", 1),
        **dict.fromkeys(("right", "right_end", "right_late"), ("three_ways", 2)),
    }
    assert exit_tree.gates_by_layer(STATIC) == {}


def test_the_tree_of_a_network_is_that_of_its_exits() -> None:
    image = keras.Input((4,))
    logits = [keras.layers.Dense(3, name=name)(image) for name in ("exit_1", "exit_2")]
    reaches = [keras.layers.Dense(1)(image) for _ in logits]
    tree = Stage(("column_1",), "junction_1", (Exit("exit_1"), Exit("exit_2")))
    early = keras.Model(image, ExitMixture(tree)(logits, reaches)[0])
    assert exit_tree.find_tree(early) == tree
    assert exit_tree.find_tree(keras.Model(image, logits[0])) is None
    # A model inside another leaves early by itself.
    assert exit_tree.find_tree(keras.Model(image, keras.layers.ReLU()(early(image)))) is None


def test_a_tree_comes_back_from_its_configuration() -> None:
    for tree in (CHAIN, TREE, STATIC, Exit("exit")):
        config = exit_tree.to_config(tree)
        assert exit_tree.from_config(config) == tree
        assert exit_tree.from_config(tree) is tree
        # As it is written into a file.
        assert exit_tree.from_config(json.loads(json.dumps(config))) == tree
    assert exit_tree.to_config(STATIC) == {
        "columns": ["column_1", "column_2"],
        "junction": None,
        "sinks": [{"exit": "exit"}],
    }
