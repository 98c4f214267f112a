"""The model zoo: `get` builds a network by name, `list_models` lists names, `card` returns what is known about one."""

from tf_routing.zoo.cards import ModelCard, card
from tf_routing.zoo.registry import get, list_models

__all__ = ["ModelCard", "card", "get", "list_models"]
