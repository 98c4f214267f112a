"""What leaving out one block does is what a network without it answers."""

import keras
import numpy as np
import pytest

import tf_routing
from tests.transforms.routing.own_nets import images, own_net
from tf_routing.analysis import block_sensitivity


def test_agreement_is_that_of_the_network_without_the_block() -> None:
    model, x = own_net(), images(20)
    copy = tf_routing.add_routing(model, input_range=(0, 255))
    # Whatever the routers say.
    copy.get_layer("router_1").shift_thresholds(np.array([-20.0]))
    found = {each.decision: each for each in block_sensitivity(copy, x, batch_size=7)}
    assert {name: each.macs for name, each in found.items()} == {
        "router_1": 2 * 64 * 9 * 4 * 4,
        "router_2": 2 * 16 * 9 * 8 * 8,
    }
    whole = np.asarray(model(x)).argmax(axis=1)
    # By hand: the last block left out.
    inner = keras.Model(model.input, model.get_layer("b2_out").output)(x)
    without = np.asarray(model.get_layer("predictions")(keras.ops.mean(inner, axis=(1, 2)))).argmax(axis=1)
    assert found["router_2"].agreement == np.mean(without == whole) < 1


def test_the_most_dispensable_is_first() -> None:
    copy = tf_routing.add_routing(own_net("preactivated"), input_range=(0, 255))
    copy.get_layer("b2_out").sub_blocks[0].get_layer("b2_bn").gamma.assign(np.zeros(4))
    copy.get_layer("b2_out").sub_blocks[0].get_layer("b2_bn").beta.assign(np.zeros(4))
    # A block that adds its constant mean alone is missed by nobody who has the constant of nothing.
    first, second = block_sensitivity(copy, images(20))
    assert (first.decision, first.agreement) == ("router_2", 1.0) and second.agreement < 1


def test_a_network_without_blocks_is_refused() -> None:
    copy = tf_routing.add_routing(own_net(), "exit", input_range=(0, 255))
    with pytest.raises(ValueError, match="must have blocks that are skipped"):
        block_sensitivity(copy, images())
