"""Keras models that know their decisions."""

import keras  # noqa: F401  (first, so that the registration hook finds no half-imported room)

from tf_routing.models.ensemble import Ensemble
from tf_routing.models.routed_model import RoutedModel

__all__ = ["Ensemble", "RoutedModel"]
