"""Keras layers that route: gates, controllers, routers and junctions, and the paths and blocks that they decide about.

Equations in docstrings, here and in `objectives`, use one notation. Axes are B batch, H height, W width and C channels:
maps are (B, H, W, C), vectors (B, C). Kernels have an index (W1, W_ij); W1 * X is a convolution, W1 z a product
with a matrix, written W1: C -> d for C inputs and d outputs. GAP(X) is the mean of X over H and W, BN batch
normalisation. Indices count from 1, in code from 0. Names in backquotes are arguments of the class or of its call.
"""

import keras  # noqa: F401  (first, so that the registration hook finds no half-imported room)

from tf_routing.layers.blocks.exit_mixture import ExitMixture
from tf_routing.layers.blocks.grouped_conv import GroupedConv2D
from tf_routing.layers.blocks.halted_positions import HaltedPositions
from tf_routing.layers.blocks.halting_mean import HaltingMean
from tf_routing.layers.blocks.identity_shortcut import IdentityShortcut
from tf_routing.layers.blocks.skip_block import SkipBlock
from tf_routing.layers.blocks.split_block import SplitBlock
from tf_routing.layers.blocks.squeeze_excite import SqueezeExcite
from tf_routing.layers.paths.cross_connection import CrossConnection
from tf_routing.layers.paths.cross_prediction import CrossPrediction
from tf_routing.layers.paths.cross_stitch import CrossStitch
from tf_routing.layers.pyramids.gamma import Gamma
from tf_routing.layers.pyramids.image_pyramid import ImagePyramid
from tf_routing.layers.pyramids.pyramid_column import PyramidColumn
from tf_routing.layers.routers.block_policy import BlockPolicy
from tf_routing.layers.routers.confidence_junction import ConfidenceJunction
from tf_routing.layers.routers.controller import Controller
from tf_routing.layers.routers.gate import Gate
from tf_routing.layers.routers.halting_router import HaltingRouter
from tf_routing.layers.routers.junction import Junction
from tf_routing.layers.routers.kept_blocks import KeptBlocks
from tf_routing.layers.routers.router_memory import RouterMemory
from tf_routing.layers.routers.skip_router import SkipRouter

__all__ = [
    "BlockPolicy",
    "ConfidenceJunction",
    "Controller",
    "CrossConnection",
    "CrossPrediction",
    "CrossStitch",
    "ExitMixture",
    "Gamma",
    "Gate",
    "GroupedConv2D",
    "HaltedPositions",
    "HaltingMean",
    "HaltingRouter",
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
