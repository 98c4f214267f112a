"""The table of architectures: one line binds a name to a builder and its arguments.

Nothing here imports Keras; builders are named by module and imported when a model is built.
"""

from typing import Any, NamedTuple

_CIFAR = {"classes": 10, "input_shape": (32, 32, 3)}
_IMAGENET = {"classes": 1000, "input_shape": (224, 224, 3)}

# Stages of convolution widths; a stage ends where a router stands, and with a pool where `pools` says so.
_BASE: dict[str, Any] = {"stages": ((32, 32), (64, 64), (128, 128)), "pools": 2, "dense": (32, 32)}
_WIDE: dict[str, Any] = {**_BASE, "stages": ((64, 64), (128, 128), (256, 256))}
_DEEP: dict[str, Any] = {**_BASE, "stages": ((32, 32), (64, 64), (128,) * 4, (256,) * 3), "pools": 3}
_DEEP_10: dict[str, Any] = {**_DEEP, "stages": ((32, 32), (64, 64), (128,) * 3, (256,) * 3)}
_VGG16: dict[str, Any] = {
    "stages": ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3),
    "pools": 5,
    "dense": (256, 256),
}


class Architecture(NamedTuple):
    """A line of the table.

    Args:
        family: Name of the paper's family.
        builder: Module of `tf_routing.zoo` that holds the function `build`.
        arguments: Arguments of `build` that make this architecture what it is.
        defaults: Arguments of `zoo.get` where the user gives none.
        recipe: Name of the paper's training recipe, or `None` where its data pipeline does not exist yet.
    """

    family: str
    builder: str
    arguments: dict[str, Any]
    defaults: dict[str, Any]
    recipe: str | None


def _cnn(recipe: str = "multipath_cnn", **arguments: Any) -> Architecture:
    return Architecture("multipath", "multipath_cnn", arguments, _CIFAR, recipe)


def _ensemble(*members: str) -> Architecture:
    return Architecture("multipath", "ensembles", {"members": members}, _CIFAR, "multipath_cnn")


def _cifar_resnet(stack_blocks: int, **arguments: Any) -> Architecture:
    bound = {"stack_blocks": stack_blocks, **arguments}
    return Architecture("multipath", "cifar_resnet", bound, _CIFAR, "multipath_resnet")


def _imagenet_resnet(**arguments: Any) -> Architecture:
    return Architecture("multipath", "imagenet_resnet", arguments, _IMAGENET, None)


ARCHITECTURES: dict[str, Architecture] = {
    "basecnn": _cnn(**_BASE),
    "widecnn": _cnn(**_WIDE),
    "deepcnn": _cnn(**_DEEP),
    "deepcnn_10conv": _cnn(**_DEEP_10),
    "basecnn_3": _cnn(**_BASE, paths=3),
    "basecnn_ensemble3": _ensemble("basecnn", "basecnn", "basecnn"),
    "all_ensemble": _ensemble("basecnn", "widecnn", "deepcnn_10conv"),
    "sebasecnn": _cnn(**_BASE, squeeze_excite={"hidden": 32}),
    "sedeepcnn": _cnn(**_DEEP_10, squeeze_excite={"ratio": 32}),
    "crossstitch2": _cnn(**_BASE, paths=2, router="stitch"),
    "vgg16_cifar": _cnn(**_VGG16),
    **{f"basecnn_{n}{r}": _cnn(**_BASE, paths=n, router=r) for r in ("cp", "cc") for n in (2, 3, 4)},
    "resnet20": _cifar_resnet(3),
    "resnet110": _cifar_resnet(18),
    **{f"resnet20_{n}{r}": _cifar_resnet(3, paths=n, router=r) for r in ("cp", "cc") for n in (2, 3, 4)},
    **{f"resnet32_{n}cc": _cifar_resnet(5, paths=n, router="cc") for n in (2, 3, 4)},
    "resnet50_2cc": _imagenet_resnet(stage_blocks=(3, 4, 6, 3), paths=2, router="cc"),
}
