"""The lists of what the pages of the API show: every public name, in the words of `import tf_routing`."""

import importlib
import inspect
from collections.abc import Iterator
from types import FunctionType
from typing import Any

import keras

import tf_routing
from tf_routing.models import RoutedModel

_ROOMS = {
    "networks": ("zoo", "models"),
    "deploying": ("prediction", "serving", "client"),
    "data": ("data",),
    "layers": ("layers",),
    "objectives": ("objectives", "optimizers"),
    "analysis": ("cost", "analysis"),
}
"""Pages of the API, and the rooms whose public names they show."""
_OF_OTHER_ROOMS = (
    "apply_settings",
    "objective_state",
    "objective_variables",
    "renew_jit",
    "symbolic_outputs",
    "wish_jit",
)
"""Methods of the model that the library calls itself."""
API_PAGES = (*_ROOMS, "transforms")


def list_names(page: str) -> list[str]:
    """Returns the public names of a page as users write them, each once."""
    names = [f"{room}.{name}" for room in _ROOMS.get(page, ()) for name in _list_public(room)]
    if page == "transforms":
        shown = {name.rpartition(".")[2] for each in _ROOMS for name in list_names(each)}
        names = [name for name in tf_routing.__all__ if _is_object(getattr(tf_routing, name)) and name not in shown]
        names.append("exporting.onnx.export_onnx")
    return names


def _list_public(room: str) -> list[str]:
    module = importlib.import_module(f"tf_routing.{room}")
    names = getattr(module, "__all__", None) or [
        name for name, each in vars(module).items() if _is_object(each) and each.__module__ == module.__name__
    ]
    return [name for name in names if _is_object(getattr(module, name)) and not name.startswith("_")]


def _is_object(each: Any) -> bool:
    return inspect.isclass(each) or inspect.isroutine(each)


def api_list(page: str) -> str:
    """One directive of the site's generator for each name."""
    return "\n".join(line for name in list_names(page) for line in _write_directive(name)) + "\n"


def _write_directive(name: str) -> Iterator[str]:
    room, _, last = f"tf_routing.{name}".rpartition(".")
    each = getattr(importlib.import_module(room), last)
    # Where it is defined: the generator reads sources, in which names that the package fetches late do not stand.
    yield f"::: {each.__module__}.{each.__qualname__}"
    yield "    options:"
    yield f"      heading: {name}"
    yield f"      toc_label: {last}"
    # The methods of layers are what models and executors call.
    methods = [] if name.startswith("layers.") or not inspect.isclass(each) else _list_methods(each)
    if methods:
        yield f"      members: [{', '.join(methods)}]"
    if each is RoutedModel:
        yield "      inherited_members: true"
    yield ""


def _list_methods(each: type) -> list[str]:
    """The public methods that have a docstring: its own, and of the model also those of the classes it is made of."""
    model = each is RoutedModel
    makers = [maker for maker in each.__mro__ if maker.__module__.startswith("tf_routing.")] if model else [each]
    names = dict.fromkeys(name for maker in makers for name, member in vars(maker).items() if _is_method(name, member))
    if not model:
        return list(names)
    # What Keras asks of models is no news, but for how these are trained and run.
    news = [name for name in names if not hasattr(keras.Model, name) or name in ("compile", "fit", "predict")]
    return [name for name in news if name not in _OF_OTHER_ROOMS]


def _is_method(name: str, member: Any) -> bool:
    kinds = (property, classmethod, staticmethod, FunctionType)
    return not name.startswith("_") and isinstance(member, kinds) and bool(getattr(member, "__doc__", None))
