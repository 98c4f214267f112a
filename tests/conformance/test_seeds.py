"""The same seed gives the same bits, another seed others."""

import json
from typing import Any

import pytest

from tests.conformance.subjects import LAYERS
from tests.snippets import run_snippet

# It has every layer but the ends of trees, and so stands for the nets of the zoo, each of which compiles twice.
NET = "rich"

# A process of its own: determinism, once enabled, stays for all tests that follow.
_DIGESTS = """
import hashlib
import json
import sys

import keras
from tests.conformance.subjects import LAYERS, images, labels, small
from tf_routing.train.determinism import make_deterministic

SEED, OTHER = 1, 2
make_deterministic()


def digest(weights):
    return hashlib.sha256(b"".join(weight.tobytes() for weight in weights)).hexdigest()


def layer(name, seed):
    keras.utils.set_random_seed(seed)
    built = LAYERS[name].build()
    LAYERS[name].call(built, LAYERS[name].tensors())
    return [digest(built.get_weights()) if built.weights else None]


def net(name, seed):
    keras.utils.set_random_seed(seed)
    model = small(name)
    digests = [digest(model.get_weights())]
    # Of another seed, other weights at the start are enough.
    if seed == OTHER:
        return digests
    model.compile(keras.optimizers.SGD(0.01))
    model.fit(images(name, 8), labels(8), batch_size=4, epochs=1, verbose=0)
    return [*digests, digest(model.get_weights())]


print(json.dumps({
    name: [(layer if name in LAYERS else net)(name, seed) for seed in (SEED, SEED, OTHER)] for name in sys.argv[1:]
}))
"""


def _digests(names: list[str]) -> dict[str, Any]:
    return json.loads(run_snippet(_DIGESTS, *names).splitlines()[-1])


@pytest.fixture(scope="module")
def digests() -> dict[str, Any]:
    return _digests([*LAYERS, NET])


def test_the_same_seed_gives_the_same_bits(digests: dict[str, Any]) -> None:
    assert [name for name, (first, second, _) in digests.items() if first != second] == []


def test_another_seed_gives_other_bits(digests: dict[str, Any]) -> None:
    # These have no weights that are drawn at random.
    fixed = {"cross_stitch", "cross_stitch_per_channel", "identity_shortcut", "identity_shortcut_no_padding"}
    fixed |= {"kept_blocks_distributed", "skip_router_recurrent", "skip_router_sampled", "exit_mixture", "gamma"}
    fixed |= {"halted_positions", "halting_mean", "halting_mean_positions"}
    fixed |= {"image_pyramid_average", "image_pyramid_strided"}
    fixed |= {"confidence_junction_first", "confidence_junction_next"}
    same = {
        name for name, (first, _, other) in digests.items() if any(map(str.__eq__, map(str, first), map(str, other)))
    }
    assert same == fixed


def test_training_moves_the_weights(digests: dict[str, Any]) -> None:
    initial, trained = digests[NET][0]
    assert initial != trained


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["basecnn_2cc", "basecnn_2cp", "dmnn50_cifar_n2"])
def test_weights_and_noise_of_a_net_come_from_the_seed(name: str) -> None:
    first, second, other = _digests([name])[name]
    assert first == second
    assert first[0] != other[0] and first[0] != first[1]
