r"""What routing saves of a residual network that was trained here, on all test images of CIFAR-10.

    tf-routing fit --model resnet32 --width_multiplier 0.5 --dataset cifar10 --recipe cifar_fast --epochs 6 \
        --calibration_share 0.1 --output runs/resnet32
    python benchmarks/own_cifar10.py runs/resnet32 --output benchmarks/own_cifar10.json

The network decides nothing. `add_routing` gives it exits, routers, or both, and nothing of it changes: exits learn the
network's answers in one pass over training images, routers by distillation. The images that the run set apart find
thresholds for budgets. Beside them stands what needs no decisions: the network cut off at each exit, with the head that
learnt there; and the network without those blocks without which it changes its answer least often, one, two and so on.
Agreement with the whole network, and accuracy, are those of all test images.
"""

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
from agreement import cut_off, judge, load_network, measure, read_options
from runtimes import use_one_thread

# Nobody leaves before two thirds of the network.
_BUDGETS = {"exit": (0.7, 0.75, 0.8, 0.85, 0.9), "skip": (0.5, 0.6, 0.7, 0.8, 0.9), "both": (0.5, 0.6, 0.7, 0.8, 0.9)}
_LEFT_OUT = 5
# Behind blocks of which a linear head can read more than at the end of each size of maps.
_EXITS = ("stack_2_block_5_relu", "stack_3_block_1_relu", "stack_3_block_3_relu")
# Of the training images: exits learn from all of them, routers, whose gradients need the body, from some.
_ROUTER_IMAGES, _ROUTER_EPOCHS = 9000, 2
# Of those set apart, to order blocks by.
_SENSITIVITY_IMAGES = 1000


def main() -> None:
    """Measures, prints and writes."""
    arguments = read_options(__doc__, "folder of the run, one", "benchmarks/own_cifar10.json")
    import keras

    from tf_routing import data
    from tf_routing.data.calibration import calibration_split
    from tf_routing.runs.run_record import run_dataset
    from tf_routing.runs.trained_network import load_trained

    use_one_thread()
    keras.utils.set_random_seed(arguments.seed)
    (run,) = arguments.networks
    trained, record = load_trained(run)
    dataset, apart = calibration_split(data.load(run_dataset(record)), 0.1)
    training, unseen, images = (_read(each.images) for each in (dataset.train, apart, dataset.test))
    plain = keras.Model(trained.input, trained.output, name=trained.name)
    networks: list[dict[str, Any]] = []
    for network in _list_networks(plain, arguments.batches, training, unseen, images):
        networks.append(network)
        judge(network, networks[0], np.asarray(dataset.test.labels))
        told = ("network", "budget", "exit", "left_out", "agreement", "accuracy", "share_of_macs")
        print({key: network[key] for key in told if key in network}, flush=True)
    settings = {"router_images": _ROUTER_IMAGES, "router_epochs": _ROUTER_EPOCHS, "training_images": len(training)}
    settings["trained"] = {key: record["arguments"][key] for key in ("model", "model_arguments", "seed")}
    measure(arguments, networks, images, **settings)


def _read(images: Any) -> np.ndarray:
    return np.asarray(images, "float32") / 255


def _list_networks(
    plain: Any, batches: Any, training: np.ndarray, unseen: np.ndarray, images: np.ndarray
) -> Iterator[dict[str, Any]]:
    """Yields the whole network, routed ones at their budgets, and those that need no decisions."""
    import tf_routing

    yield load_network("whole", plain, batches, images)
    mirrored = np.concatenate([training, training[:, :, ::-1]])
    for how, budgets in _BUDGETS.items():
        exits = {} if how == "skip" else {"exits": _EXITS, "junction": "confidence"}
        model = tf_routing.add_routing(plain, how, input_range=(0, 1), name=how, **exits)
        if how != "skip":
            tf_routing.train_exits(model, mirrored, batch_size=100)
        if how == "exit":
            heads = {layer: model.get_layer(f"exit_{number}").get_weights() for number, layer in enumerate(_EXITS, 1)}
        else:
            _train_routers(model, training)
        tf_routing.calibrate_budgets(model, unseen, budgets, batch_size=100)
        for budget in model.budgets:
            model.set_budget(budget.budget)
            yield load_network(how, model, batches, images, budget=round(budget.budget, 4))
    for layer, weights in heads.items():
        yield load_network("cut", cut_off(plain, layer, weights), batches, images, exit=layer)
    for left_out in _order_blocks(plain, unseen[:_SENSITIVITY_IMAGES]):
        yield load_network("blocks left out", _leave_out(plain, left_out), batches, images, left_out=left_out)


def _train_routers(model: Any, images: np.ndarray) -> None:
    """Trains the routers of blocks, exits staying as they are."""
    import keras

    from tf_routing.objectives import Distillation

    for layer in model.layers:
        if layer.name.startswith(("exit_", "junction_")):
            layer.trainable = False
    config = {**model.default_objective().get_config(), "cost_weight": 0.5, "exit_weight": 0.0}
    model.compile(keras.optimizers.Adam(0.003), objective=Distillation(**config))
    model.fit(images[:_ROUTER_IMAGES], batch_size=50, epochs=_ROUTER_EPOCHS, verbose=2)


def _order_blocks(plain: Any, images: np.ndarray) -> Iterator[list[str]]:
    """Yields the names of the one block, the two, and so on that most images keep their class without."""
    import tf_routing
    from tf_routing.analysis import block_sensitivity
    from tf_routing.execution import gated_blocks

    routed = tf_routing.add_routing(plain, input_range=(0, 1))
    names = dict(zip(routed.decision_names, (block.name for block in gated_blocks(routed)), strict=True))
    order = [names[each.decision] for each in block_sensitivity(routed, images, batch_size=100)]
    for count in range(1, _LEFT_OUT + 1):
        yield order[:count]


def _leave_out(plain: Any, blocks: Collection[str]) -> Any:
    """Returns the network without these blocks, as a Keras model."""
    import keras

    import tf_routing
    from tf_routing.core.graph import run_calls
    from tf_routing.core.protocols import Decides

    def call(layer: Any, *tensors: Any, **settings: Any) -> Any:
        """Calls a layer; a block is its parts, or nothing, and nothing decides."""
        if isinstance(layer, Decides):
            return None
        if not isinstance(layer, tf_routing.layers.SkipBlock):
            return layer(*tensors, **settings)
        if layer.name in blocks:
            return tensors[0]
        branch = run_calls(layer.sub_blocks[0], tensors[0], call)
        if not layer.adds_shortcut:
            return branch
        total = keras.layers.Add()([branch, tensors[0]])
        return keras.layers.Activation(layer.activation, name=layer.name)(total)

    image = keras.Input(plain.input_shape[1:], name="image")
    return keras.Model(image, run_calls(tf_routing.add_routing(plain, input_range=(0, 1)), image, call), name="shorter")


if __name__ == "__main__":
    main()
