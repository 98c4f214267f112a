"""Keras layers that route: gates, cross-connections, cross-predictions and what they are compared with."""

import keras  # noqa: F401  (first, so that the registration hook finds no half-imported room)

from tf_routing.layers.controller import Controller
from tf_routing.layers.cross_connection import CrossConnection
from tf_routing.layers.cross_prediction import CrossPrediction
from tf_routing.layers.cross_stitch import CrossStitch
from tf_routing.layers.exit_mixture import ExitMixture
from tf_routing.layers.gamma import Gamma
from tf_routing.layers.gate import Gate
from tf_routing.layers.grouped_conv import GroupedConv2D
from tf_routing.layers.identity_shortcut import IdentityShortcut
from tf_routing.layers.image_pyramid import ImagePyramid
from tf_routing.layers.junction import Junction
from tf_routing.layers.kept_blocks import KeptBlocks
from tf_routing.layers.pyramid_column import PyramidColumn
from tf_routing.layers.router_memory import RouterMemory
from tf_routing.layers.skip_block import SkipBlock
from tf_routing.layers.skip_router import SkipRouter
from tf_routing.layers.split_block import SplitBlock
from tf_routing.layers.squeeze_excite import SqueezeExcite

__all__ = [
    "Controller",
    "CrossConnection",
    "CrossPrediction",
    "CrossStitch",
    "ExitMixture",
    "Gamma",
    "Gate",
    "GroupedConv2D",
    "IdentityShortcut",
    "ImagePyramid",
    "Junction",
    "KeptBlocks",
    "PyramidColumn",
    "RouterMemory",
    "SkipBlock",
    "SkipRouter",
    "SplitBlock",
    "SqueezeExcite",
]
