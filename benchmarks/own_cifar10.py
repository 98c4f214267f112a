"""What routing saves of a residual network that was trained here, on all test images of CIFAR-10.

    python benchmarks/own_cifar10.py --output benchmarks/own_cifar10.json

The network is the body of the released `drn_resnet32`, every block of it open, as a plain Keras model: a ResNet-32
that decides nothing. `add_routing` gives it exits, routers, or both. Exits learn from training images in one pass
through the body, routers by distillation; other training images find thresholds for five budgets. Beside them stand the
whole network, and the network cut off at each exit, with the head that learnt there. Agreement with the whole network
and accuracy are those of all test images. Times are processor time on one thread, medians over rounds in which the same
images run through each network in turn, as shares of the whole network's.
"""

import argparse
import datetime
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from lite0_photographs import load_network, time_networks
from runtimes import use_one_thread

from tf_routing.support.files import write_json
from tf_routing.support.hardware import hardware

_RELEASED, _DATASET = "drn_resnet32", "cifar10"


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--how", nargs="+", choices=("exit", "skip", "both"), default=["exit", "skip", "both"])
    parser.add_argument("--training_images", type=int, default=4000, help="images that exits and routers learn from")
    parser.add_argument("--calibration_images", type=int, default=2000, help="others, that thresholds are found on")
    parser.add_argument("--epochs", type=int, default=2, help="of routers")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 32], help="images per batch")
    parser.add_argument("--in_a_round", type=int, default=64, help="images of a round")
    parser.add_argument("--rounds", type=int, default=11, help="rounds that count")
    parser.add_argument(
        "--seed", type=int, default=0, help="draws weights of what is added, and the images of each round"
    )
    parser.add_argument("--output", default="benchmarks/own_cifar10.json")
    arguments = parser.parse_args()
    import keras

    from tf_routing import data

    use_one_thread()
    keras.utils.set_random_seed(arguments.seed)
    loaded = data.load(_DATASET)
    images, labels = (np.asarray(each) for each in (loaded.test.images, loaded.test.labels))
    training = np.asarray(loaded.train.images[: arguments.training_images + arguments.calibration_images]) / 255
    networks = []
    for network in _list_networks(arguments, training.astype("float32"), images.astype("float32") / 255):
        first = network["answers"].argmax(1)
        networks.append(network)
        whole = networks[0]
        pairs = {"agreement": whole["answers"].argmax(1), "accuracy": labels}
        network |= {name: round(float(np.mean(first == each)), 4) for name, each in pairs.items()}
        network["share_of_macs"] = round(network["mean_macs"] / whole["mean_macs"], 4)
        print({key: network.get(key) for key in ("network", "budget", "exit", *pairs, "share_of_macs")}, flush=True)
    size = (arguments.rounds + 1, arguments.in_a_round)
    drawn = images[np.random.default_rng(arguments.seed).integers(len(images), size=size)].astype("float32") / 255
    rows = [row for batch in arguments.batches for row in time_networks(networks, drawn, batch)]
    machine = {**hardware(), "onnxruntime": version("onnxruntime")}
    names = ("training_images", "calibration_images", "epochs", "rounds", "in_a_round", "seed")
    settings = {name: getattr(arguments, name) for name in names}
    settings |= {"date": datetime.date.today().isoformat(), "images": len(images)}
    write_json(Path(arguments.output), {"hardware": machine, **settings, "rows": rows})


def _list_networks(arguments: argparse.Namespace, training: np.ndarray, images: np.ndarray) -> Iterator[dict[str, Any]]:
    """Yields the whole network, routed ones at their budgets, and those that are cut off, with what runs them."""
    import tf_routing

    plain = build_plain()
    yield load_network("whole", plain, arguments.batches, images)
    known, others = training[: arguments.training_images], training[arguments.training_images :]
    cuts: dict[str, Any] = {}
    for how in arguments.how:
        sure = {} if how == "skip" else {"junction": "confidence"}
        model = tf_routing.add_routing(plain, how, **sure, input_range=(0, 1), name=how)
        _train(model, how, known, arguments)
        tf_routing.calibrate_budgets(model, others)
        cuts = cuts or _cut(plain, model)
        for budget in model.budgets:
            model.set_budget(budget.budget)
            yield load_network(how, model, arguments.batches, images, budget=round(budget.budget, 4))
    for layer, model in cuts.items():
        yield load_network("cut", model, arguments.batches, images, exit=layer)


def build_plain() -> Any:
    """Returns the body of the released network, all of its blocks open, as a Keras model without decisions."""
    import keras

    from tf_routing import zoo
    from tf_routing.core.graph import run_calls
    from tf_routing.core.protocols import Decides, HasSubBlocks

    released = zoo.get(_RELEASED, weights=_DATASET)
    image = keras.Input(released.input_shape[1:], name="image")

    def call(layer: Any, *tensors: Any, **settings: Any) -> Any:
        """Calls a layer; a block is the sum that it is where it runs, and nothing decides."""
        if isinstance(layer, Decides):
            return None
        if not isinstance(layer, HasSubBlocks):
            return layer(*tensors, **settings)
        source = tensors[0]
        shortcut = source if layer.shortcut == "identity" else layer.shortcut(source)
        inside = layer.sub_blocks[0]
        branch = keras.Model(inside.inputs, inside.outputs, name=f"{layer.name}_branch")
        total = keras.layers.Add(name=f"{layer.name}_sum")([shortcut, branch(source)])
        return keras.layers.ReLU(name=layer.name)(total)

    return keras.Model(image, run_calls(released, image, call), name="resnet32")


def _train(model: Any, how: str, images: np.ndarray, arguments: argparse.Namespace) -> None:
    import keras

    from tf_routing.objectives import Distillation
    from tf_routing.transforms.routing.exit_training import train_exits

    if how != "skip":
        train_exits(model, np.concatenate([images, images[:, :, ::-1]]), batch_size=100)
        for layer in model.layers:
            if layer.name.startswith(("exit_", "junction_")):
                layer.trainable = False
    if how != "exit":
        config = {**model.default_objective().get_config(), "cost_weight": 0.5, "exit_weight": 0.0}
        model.compile(keras.optimizers.Adam(0.003), objective=Distillation(**config))
        model.fit(images, batch_size=50, epochs=arguments.epochs, verbose=2)


def _cut(plain: Any, model: Any) -> dict[str, Any]:
    """Returns the network cut off at each exit of a routed copy, with the head there, by the layer at its end."""
    import keras

    from tf_routing import exit_tree

    found, part = {}, exit_tree.find_tree(model)
    while part is not None and part.junction is not None:
        # The exit is the logits of a head, which the junction reads behind the layers of the network.
        *_, layer, _, head = part.columns
        weights = model.get_layer(head).get_weights()
        pooled = keras.layers.GlobalAveragePooling2D()(plain.get_layer(layer).output)
        dense = keras.layers.Dense(weights[1].shape[0], "softmax", name="probabilities")
        found[layer] = keras.Model(plain.input, dense(pooled), name="cut")
        dense.set_weights(weights)
        part = part.sinks[1]
    return found


if __name__ == "__main__":
    main()
