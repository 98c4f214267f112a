"""When images come to a sink, as told from one run, is what walking the tree at each offset tells."""

import numpy as np

from tests import exit_net
from tf_routing import exit_tree
from tf_routing.transforms.budgets.expected_costs import walk_tree
from tf_routing.transforms.budgets.score_models import PROBABILITIES, score_name
from tf_routing.transforms.budgets.sink_spans import find_spans


def test_spans_of_a_tree_are_its_walks_at_every_offset() -> None:
    tree = exit_tree.find_tree(exit_net.exit_model(exit_net.BRANCHES))
    rng = np.random.default_rng(2)
    outputs = {score_name(name): rng.normal(size=(50, sinks)) for name, sinks in exit_tree.junctions(tree).items()}
    outputs[PROBABILITIES] = np.zeros((50, 4))
    spans = find_spans(tree, outputs, 0.3)
    for offset in np.linspace(-3, 3, 25):
        decisions, _ = walk_tree(tree, outputs, offset - 0.3)
        assert decisions.keys() == spans.sinks.keys() and len(decisions) > 1
        for name, switches in decisions.items():
            found = [(span.starts < offset) & (offset <= span.ends) for span in spans.sinks[name]]
            np.testing.assert_array_equal(np.stack(found, 1), switches == 1, err_msg=f"{name} at {offset}")


def test_a_network_without_exits_has_none() -> None:
    assert find_spans(None, {PROBABILITIES: np.zeros((2, 4))}, 0.0) == ({}, {})
