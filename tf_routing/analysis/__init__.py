"""Figures that show how a network decides."""

from tf_routing.analysis.execution_rates import draw_execution_rates
from tf_routing.analysis.routing_flow import draw_routing_flow, routing_flow

__all__ = ["draw_execution_rates", "draw_routing_flow", "routing_flow"]
