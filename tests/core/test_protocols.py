"""Which layers have which interface: a layer that lost one would silently be treated as if it could do nothing."""

from typing import Any

import keras
import pytest

from tests.conformance.subjects import LAYERS
from tf_routing import layers
from tf_routing.core import protocols
from tf_routing.layers.routers.router import Router

_JUNCTIONS = {"ConfidenceJunction", "Junction"}
_ROUTERS = {"Controller", "HaltingRouter", "SkipRouter"} | _JUNCTIONS
_MIXING = {"CrossConnection", "CrossPrediction"}
EXPECTED = {
    "Decides": _ROUTERS | _MIXING,
    "ShowsOutputs": {"BlockPolicy", "Controller", "ExitMixture", "HaltingRouter"} | _JUNCTIONS,
    "FixesDecision": _ROUTERS,
    "HasThresholds": _ROUTERS,
    "CountsMacs": {"BlockPolicy", "Controller", "Gate", "HaltingRouter", "PyramidColumn", "RouterMemory", "SkipRouter"}
    | _JUNCTIONS
    | {"SqueezeExcite", "CrossStitch"}
    | _MIXING,
    "HasSubBlocks": {"SplitBlock", "SkipBlock"},
    "Gated": {"SplitBlock", "SkipBlock", "ExitMixture"},
    "RunsSubBlocks": {"SplitBlock", "SkipBlock"},
    "TakesRun": {"SplitBlock", "SkipBlock", "Controller", "HaltingRouter", "SkipRouter"},
    "SetsExecution": set(),
    "HasExitTree": {"ExitMixture"},
    "OwnsModels": {"SplitBlock", "SkipBlock"},
    "OwnsNormalizations": {"Junction"},
    "DerivesConstants": set(),
}


def _interfaces() -> dict[str, Any]:
    return {
        name: each
        for name, each in vars(protocols).items()
        if isinstance(each, type) and each.__module__ == protocols.__name__ and not name.startswith("_")
    }


@pytest.fixture(scope="module")
def found() -> dict[str, set[str]]:
    built = {subject.layer: subject.build() for subject in LAYERS.values()}
    return {
        name: {kind for kind, layer in built.items() if isinstance(layer, interface)}
        for name, interface in _interfaces().items()
    }


def test_every_interface_is_expected_somewhere() -> None:
    assert set(EXPECTED) == set(_interfaces())


@pytest.mark.parametrize("name", EXPECTED)
def test_layers_have_the_interface(name: str, found: dict[str, set[str]]) -> None:
    assert found[name] == EXPECTED[name]


def test_routers_are_routers() -> None:
    assert {name for name in _ROUTERS if issubclass(getattr(layers, name), Router)} == _ROUTERS


def test_preprocessing_layers_of_keras_derive_constants() -> None:
    assert isinstance(keras.layers.Normalization(), protocols.DerivesConstants)
    assert not isinstance(keras.layers.Dense(2), protocols.DerivesConstants)


def test_a_layer_of_a_user_takes_part() -> None:
    class Priced(keras.layers.Layer):
        def macs(self, input_shape: Any) -> int:
            return 3

    assert isinstance(Priced(), protocols.CountsMacs)
