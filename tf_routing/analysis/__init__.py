"""What trained networks decide and why: numbers about gates, routes, exits and kernels, and charts of them."""

from tf_routing.analysis.block_sensitivity import BlockSensitivity, block_sensitivity
from tf_routing.analysis.charts.accuracy_by_parameters import draw_accuracy_by_parameters
from tf_routing.analysis.charts.comparison import draw_comparison
from tf_routing.analysis.charts.cost_histogram import draw_cost_histogram
from tf_routing.analysis.charts.error_by_cost import CostPoint, Method, draw_error_by_cost
from tf_routing.analysis.charts.error_curves import Curve, Panel, draw_error_curves
from tf_routing.analysis.charts.execution_rates import draw_execution_rates
from tf_routing.analysis.charts.exits.exit_diagram import draw_exit_diagram
from tf_routing.analysis.charts.exits.exits_over_training import draw_exits_over_training
from tf_routing.analysis.charts.gates.gate_histograms import draw_gate_histograms
from tf_routing.analysis.charts.gates.gate_images import GateImages, draw_gate_images
from tf_routing.analysis.charts.gates.routing_flow import draw_flow_panels, draw_routing_flow
from tf_routing.analysis.charts.gates.weight_histograms import draw_weight_histograms
from tf_routing.analysis.charts.image_grid import draw_image_grid
from tf_routing.analysis.charts.image_rows import ImageRow, draw_image_rows
from tf_routing.analysis.charts.point_labels import write_labels
from tf_routing.analysis.charts.route_consistency import draw_route_consistency
from tf_routing.analysis.charts.route_counts import draw_route_counts
from tf_routing.analysis.charts.structure_diagram import draw_structure
from tf_routing.analysis.charts.trade_off import OperatingPoint, StaticNetwork, draw_trade_off
from tf_routing.analysis.executed_extremes import executed_extremes
from tf_routing.analysis.exit_use import ExitUse
from tf_routing.analysis.gate_address import GateAddress, find_gate, gate_values, list_gates, routing_layers
from tf_routing.analysis.gate_ascent import Synthesis, gate_score, synthesize_image
from tf_routing.analysis.gate_statistics import extreme_indices, histogram_edges
from tf_routing.analysis.gradients import value_and_gradient
from tf_routing.analysis.hard_routes import hard_routes
from tf_routing.analysis.path_kernels import PathKernels, path_kernels, path_layers
from tf_routing.analysis.path_structure import Column, path_structure
from tf_routing.analysis.position_costs import position_costs
from tf_routing.analysis.reported_accuracy import ScatteredNetwork, ScatterPanel, accuracy_panels
from tf_routing.analysis.reported_costs import reported_methods
from tf_routing.analysis.route_consistency import consistent_images
from tf_routing.analysis.route_groups import RouteGroup, route_groups, route_text
from tf_routing.analysis.routing_flow import routing_flow

__all__ = [
    "BlockSensitivity",
    "Column",
    "CostPoint",
    "Curve",
    "ExitUse",
    "GateAddress",
    "GateImages",
    "ImageRow",
    "Method",
    "OperatingPoint",
    "Panel",
    "PathKernels",
    "RouteGroup",
    "ScatterPanel",
    "ScatteredNetwork",
    "StaticNetwork",
    "Synthesis",
    "accuracy_panels",
    "block_sensitivity",
    "consistent_images",
    "draw_accuracy_by_parameters",
    "draw_comparison",
    "draw_cost_histogram",
    "draw_error_by_cost",
    "draw_error_curves",
    "draw_execution_rates",
    "draw_exit_diagram",
    "draw_exits_over_training",
    "draw_flow_panels",
    "draw_gate_histograms",
    "draw_gate_images",
    "draw_image_grid",
    "draw_image_rows",
    "draw_route_consistency",
    "draw_route_counts",
    "draw_routing_flow",
    "draw_structure",
    "draw_trade_off",
    "draw_weight_histograms",
    "executed_extremes",
    "extreme_indices",
    "find_gate",
    "gate_score",
    "gate_values",
    "hard_routes",
    "histogram_edges",
    "list_gates",
    "path_kernels",
    "path_layers",
    "path_structure",
    "position_costs",
    "reported_methods",
    "route_groups",
    "route_text",
    "routing_flow",
    "routing_layers",
    "synthesize_image",
    "value_and_gradient",
    "write_labels",
]
