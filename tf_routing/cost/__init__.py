"""The cost model: multiply-accumulates (MACs) of a graph of layers, executed and expected.

A MAC is one multiply-accumulate of a convolution or dense kernel, those of gates, controllers and routers included.
Normalisation, activations, pooling, resizing and weighted sums count nothing. *Executed* cost comes from decisions,
per sample; *expected* cost from probabilities or rates, differentiable, for losses.
"""

import keras  # noqa: F401  (first, so that the registration hook finds no half-imported room)

from tf_routing.cost.graph_costs import Gated, LayerCost, layer_costs
from tf_routing.cost.layer_rules import layer_macs
from tf_routing.cost.position_costs import needed_macs
from tf_routing.cost.totals import executed_macs, expected_macs, gated_macs, static_macs

__all__ = [
    "Gated",
    "LayerCost",
    "executed_macs",
    "expected_macs",
    "gated_macs",
    "layer_costs",
    "layer_macs",
    "needed_macs",
    "static_macs",
]
