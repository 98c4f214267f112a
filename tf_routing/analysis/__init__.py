"""Figures that show how a network decides, and what they are computed from."""

from tf_routing.analysis.comparison import draw_comparison
from tf_routing.analysis.error_curves import Curve, Panel, draw_error_curves
from tf_routing.analysis.execution_rates import draw_execution_rates
from tf_routing.analysis.exit_diagram import draw_exit_diagram
from tf_routing.analysis.exit_use import ExitUse
from tf_routing.analysis.exits_over_training import draw_exits_over_training
from tf_routing.analysis.hard_routes import hard_routes
from tf_routing.analysis.image_grid import draw_image_grid
from tf_routing.analysis.image_rows import ImageRow, draw_image_rows
from tf_routing.analysis.route_consistency import consistent_images, draw_route_consistency
from tf_routing.analysis.route_counts import draw_route_counts
from tf_routing.analysis.route_groups import RouteGroup, route_groups, route_text
from tf_routing.analysis.routing_flow import draw_routing_flow, routing_flow
from tf_routing.analysis.trade_off import OperatingPoint, StaticNetwork, draw_trade_off

__all__ = [
    "Curve",
    "ExitUse",
    "ImageRow",
    "OperatingPoint",
    "Panel",
    "RouteGroup",
    "StaticNetwork",
    "consistent_images",
    "draw_comparison",
    "draw_error_curves",
    "draw_execution_rates",
    "draw_exit_diagram",
    "draw_exits_over_training",
    "draw_image_grid",
    "draw_image_rows",
    "draw_route_consistency",
    "draw_route_counts",
    "draw_routing_flow",
    "draw_trade_off",
    "hard_routes",
    "route_groups",
    "route_text",
    "routing_flow",
]
