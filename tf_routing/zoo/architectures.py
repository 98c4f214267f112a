"""The table of architectures: one line binds a name to a builder and its arguments.

Nothing here imports Keras: what is imported late is in `builder_imports.py`.
"""

from typing import Any

from tf_routing.zoo import builder_imports
from tf_routing.zoo.architecture import Architecture
from tf_routing.zoo.arguments.builder_arguments import call_builder
from tf_routing.zoo.builders import exit_trees

_CIFAR = {"classes": 10, "input_shape": (32, 32, 3)}
_CIFAR_100 = {**_CIFAR, "classes": 100}
_TINY_IMAGENET = {"classes": 200, "input_shape": (64, 64, 3)}
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
_VGG13_HALF: dict[str, Any] = {
    "stages": ((32,) * 2, (64,) * 2, (128,) * 2, (256,) * 2, (256,) * 2),
    "pools": 5,
    "dense": (256, 256),
}
_RESNET_18: dict[str, Any] = {"stage_blocks": (2, 2, 2, 2), "bottleneck": False}
_RESNET_34: dict[str, Any] = {"stage_blocks": (3, 4, 6, 3), "bottleneck": False}
_RESNET_50: dict[str, Any] = {"stage_blocks": (3, 4, 6, 3)}
_RESNET_101: dict[str, Any] = {"stage_blocks": (3, 4, 23, 3)}
_2X40D: dict[str, Any] = {"groups": 2, "inner_widths": (80, 160, 320, 640)}
_4X24D: dict[str, Any] = {"groups": 4, "inner_widths": (96, 192, 384, 768)}
_TWICE_AS_WIDE: dict[str, Any] = {"inner_widths": (128, 256, 512, 1024)}
# Of blocks that have no target of their own it is the network's.
_AIG_50 = (1.0, 1.0, 0.8, 1.0, *(None,) * 3, 1.0, *(None,) * 5, 1.0, 0.7, 1.0)
# The recipe of nets that the paper trains on 100 of ImageNet's classes; here they too have 1000 by default.
_SUBSET = "multipath_imagenet100"


def _cnn(recipe: str = "multipath_cnn", **arguments: Any) -> Architecture:
    return Architecture("multipath", builder_imports.import_multipath_cnn, arguments, _CIFAR, recipe)


def _ensemble(*members: str) -> Architecture:
    bound = {"members": members, "build_member": _build_member}
    return Architecture("multipath", builder_imports.import_ensembles, bound, _CIFAR, "multipath_cnn")


def _build_member(name: str, **arguments: Any) -> Any:
    # Here, where the table is: a builder that looked names up would import what imports it.
    line = ARCHITECTURES[name]
    return call_builder(line.import_builder(), {**line.defaults, **line.arguments, **arguments, "name": name})


def _cifar_resnet(stack_blocks: int, **arguments: Any) -> Architecture:
    bound = {"stack_blocks": stack_blocks, **arguments}
    return Architecture("multipath", builder_imports.import_cifar_resnet, bound, _CIFAR, "multipath_resnet")


def _imagenet_resnet(recipe: str = "multipath_imagenet", **arguments: Any) -> Architecture:
    return Architecture(
        "multipath", builder_imports.import_imagenet_resnet, {"bottleneck": True, **arguments}, _IMAGENET, recipe
    )


def _two_paths(single: Architecture, baseline: str | None = None) -> Architecture:
    # Defaults, for users may ask for more paths, or for cross-predictions.
    return single._replace(defaults={**single.defaults, "paths": 2, "router": "cc"}, baseline=baseline)


def _static_resnet(**arguments: Any) -> Architecture:
    return Architecture(
        "dmnn", builder_imports.import_imagenet_resnet, {"bottleneck": True, **arguments}, _IMAGENET, "dmnn_imagenet"
    )


def _mobilenetv2(**arguments: Any) -> Architecture:
    return Architecture("dmnn", builder_imports.import_mobilenetv2, arguments, _IMAGENET, "dmnn_mobilenetv2")


def _split_resnet(baseline: str, sub_blocks: int, **arguments: Any) -> Architecture:
    # A default, for users may divide blocks otherwise, or with one sub-block skip them whole.
    defaults = {**_IMAGENET, "sub_blocks": sub_blocks}
    return Architecture("dmnn", builder_imports.import_split_resnet, arguments, defaults, "dmnn_imagenet", baseline)


def _split_mobilenetv2(baseline: str, **arguments: Any) -> Architecture:
    bound = {"sub_blocks": 2, **arguments}
    return Architecture(
        "dmnn", builder_imports.import_split_mobilenetv2, bound, _IMAGENET, "dmnn_mobilenetv2", baseline
    )


def _split_cifar_resnet(sub_blocks: int) -> Architecture:
    bound = {**_RESNET_50, "stem": "cifar"}
    defaults = {**_CIFAR_100, "sub_blocks": sub_blocks, "categories": "cifar100"}
    return Architecture("dmnn", builder_imports.import_split_resnet, bound, defaults, "dmnn_cifar", "resnet50_cifar")


def _plain_resnet(stack_blocks: int) -> Architecture:
    return Architecture("drn", builder_imports.import_cifar_resnet, {"stack_blocks": stack_blocks}, _CIFAR, "drn_cifar")


def _skip_resnet(stack_blocks: int, baseline: str) -> Architecture:
    bound = {"stage_blocks": (stack_blocks,) * 3, "widths": (16, 32, 64), "bottleneck": False}
    return Architecture("drn", builder_imports.import_skip_resnet, bound, _CIFAR, "drn_cifar", baseline)


def _early_exit(tree: dict[str, Any], kind: str = "static", baseline: str | None = None) -> Architecture:
    # A default, for users may describe a tree of their own.
    return Architecture(
        "early_exit",
        builder_imports.import_early_exit,
        {},
        {**_CIFAR, "tree": tree},
        f"decide/cifar10_{kind}",
        baseline,
    )


def _aig_resnet(baseline: str, fixed_rates: tuple[float | None, ...], **arguments: Any) -> Architecture:
    bound = {**arguments, "widths": (64, 128, 256, 512), "bottleneck": True, "fixed_rates": fixed_rates}
    defaults = {**_IMAGENET, "target_rate": 0.7, "rate_weight": 1.0}
    return Architecture(
        "convnet_aig", builder_imports.import_aig_resnet, bound, defaults, "convnet_aig_imagenet", baseline
    )


def _skipnet(stack_blocks: int, baseline: str | None = None) -> Architecture:
    bound = {"stage_blocks": (stack_blocks,) * 3, "widths": (16, 32, 64)}
    defaults = {**_CIFAR, "router": "recurrent", "relaxation": "straight_through"}
    return Architecture("skipnet", builder_imports.import_skipnet, bound, defaults, "skipnet_cifar", baseline)


def _blockdrop(stack_blocks: int, baseline: str) -> Architecture:
    bound = {"stage_blocks": (stack_blocks,) * 3, "widths": (16, 32, 64)}
    return Architecture("blockdrop", builder_imports.import_blockdrop, bound, _CIFAR, "blockdrop_cifar", baseline)


def _msdnet(*block_layers: int) -> Architecture:
    scales = {"growth_factors": (1, 2, 4), "bottleneck_factors": (1, 2, 4)}
    widths = {"filters": 16, "growth_rate": 6, "classifier_filters": 128, "stem": "cifar"}
    bound = {"block_layers": block_layers, **scales, **widths}
    return Architecture("msdnet", builder_imports.import_msdnet, bound, _CIFAR, "msdnet_cifar")


def _imagenet_msdnet(*block_layers: int) -> Architecture:
    scales = {"growth_factors": (1, 2, 4, 4), "bottleneck_factors": (1, 2, 4, 4)}
    widths = {"filters": 32, "growth_rate": 16, "classifier_filters": None, "stem": "imagenet"}
    bound = {"block_layers": block_layers, **scales, **widths}
    return Architecture("msdnet", builder_imports.import_msdnet, bound, _IMAGENET, "msdnet_imagenet")


def _cascade(baseline: str, layout: dict[str, Any], *member_widths: float) -> Architecture:
    bound = {**layout, "member_widths": member_widths}
    return Architecture("cascade", builder_imports.import_cascades, bound, _CIFAR, "cifar_fast", baseline)


def _halting_resnet(stack_blocks: int, spatial: bool, baseline: str) -> Architecture:
    bound = {"stage_blocks": (stack_blocks,) * 3, "widths": (16, 32, 64), "bottleneck": False, "spatial": spatial}
    return Architecture("act", builder_imports.import_halting_resnet, bound, _CIFAR, "act_cifar", baseline)


def _halting_bottlenecks(layout: dict[str, Any], spatial: bool, baseline: str) -> Architecture:
    bound = {**layout, "widths": (64, 128, 256, 512), "bottleneck": True, "spatial": spatial}
    defaults = {**_IMAGENET, "ponder_weight": 0.005}
    return Architecture("act", builder_imports.import_halting_resnet, bound, defaults, "act_imagenet", baseline)


_HALTING = {"act": False, "sact": True}
_DEPTHS = {32: 5, 44: 7, 56: 9, 74: 12, 110: 18}

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
    "resnet18": _imagenet_resnet(**_RESNET_18),
    "resnet34": _imagenet_resnet(**_RESNET_34),
    "wrn18_1_5": _imagenet_resnet(**_RESNET_18, widths=(96, 192, 384, 768)),
    "resnet18_2cc": _two_paths(_imagenet_resnet(**_RESNET_18), "resnet18"),
    # ResNet-50 and ResNet-101 stand below, among the baselines of the dynamic multi-path nets.
    "wideresnet50_2": _imagenet_resnet(_SUBSET, **_RESNET_50, **_TWICE_AS_WIDE),
    "resnext50_2x64d": _imagenet_resnet(_SUBSET, **_RESNET_50, **_TWICE_AS_WIDE, groups=2),
    "resnet50_2cc": _two_paths(_imagenet_resnet(_SUBSET, **_RESNET_50), "resnet50"),
    "vgg13_half_2cc": _two_paths(
        Architecture("multipath", builder_imports.import_multipath_cnn, _VGG13_HALF, _IMAGENET, _SUBSET)
    ),
    "resnet50": _static_resnet(**_RESNET_50),
    "resnet101": _static_resnet(**_RESNET_101),
    "resnext50_2x40d": _static_resnet(**_RESNET_50, **_2X40D),
    "resnext50_4x24d": _static_resnet(**_RESNET_50, **_4X24D),
    "resnext101_2x40d": _static_resnet(**_RESNET_101, **_2X40D),
    "mobilenetv2": _mobilenetv2(),
    "mobilenetv2_140": _mobilenetv2(width=1.4),
    "resnet50_cifar": _static_resnet(**_RESNET_50, stem="cifar")._replace(defaults=_CIFAR_100, recipe="dmnn_cifar"),
    **{f"dmnn50_n{n}": _split_resnet("resnet50", n, **_RESNET_50) for n in (2, 3, 4)},
    "dmnn101_n2": _split_resnet("resnet101", 2, **_RESNET_101),
    "dmnn_mobilenetv2_n2": _split_mobilenetv2("mobilenetv2"),
    "dmnn_mobilenetv2_140_n2": _split_mobilenetv2("mobilenetv2_140", width=1.4),
    **{f"dmnn50_cifar_n{n}": _split_cifar_resnet(n) for n in (2, 4)},
    # ResNet-110 stands above, among the baselines of the multi-path nets.
    **{f"resnet{depth}": _plain_resnet(n) for depth, n in _DEPTHS.items() if depth != 110},
    **{f"drn_resnet{depth}": _skip_resnet(n, f"resnet{depth}") for depth, n in _DEPTHS.items()},
    "drn_resnet50_tinyimagenet": Architecture(
        "drn",
        builder_imports.import_skip_resnet,
        {**_RESNET_50, "widths": (64, 128, 256, 512), "bottleneck": True},
        {**_TINY_IMAGENET, "consistency_weight": 0.4, "diversity_weight": 0.4},
        "drn_tinyimagenet",
        "resnet50_cifar",
    ),
    **{f"decide_static{n}": _early_exit(exit_trees.static(n)) for n in range(1, 9)},
    "decide_chain8": _early_exit(exit_trees.chain(), "actor", "decide_static8"),
    "decide_tree": _early_exit(exit_trees.branching(), "actor", "decide_static8"),
    # Methods that the papers compare with, each with the layout of its own paper.
    "convnet_aig_110": Architecture(
        "convnet_aig",
        builder_imports.import_aig_resnet,
        {"stage_blocks": (18, 18, 18), "widths": (16, 32, 64), "bottleneck": False},
        {**_CIFAR, "target_rate": 0.6, "rate_weight": 2.0},
        "convnet_aig_cifar",
        "resnet110",
    ),
    "convnet_aig_50": _aig_resnet("resnet50", _AIG_50, **_RESNET_50),
    "convnet_aig_101": _aig_resnet("resnet101", (1.0,) * 8 + (None,) * 25, **_RESNET_101),
    "skipnet_38": _skipnet(6),
    "skipnet_74": _skipnet(12, "resnet74"),
    "skipnet_110": _skipnet(18, "resnet110"),
    "blockdrop_32": _blockdrop(5, "resnet32"),
    "blockdrop_110": _blockdrop(18, "resnet110"),
    # By their number of exits, and for ImageNet by the layers between two of them.
    "msdnet_5": _msdnet(1, 2, 3, 4, 5),
    "msdnet_7": _msdnet(1, 2, 3, 4, 5, 6, 7),
    "msdnet_anytime_7": _msdnet(4, *(2,) * 6),
    "msdnet_anytime_10": _msdnet(4, *(2,) * 9),
    "widecnn_cascade": _cascade("widecnn", _WIDE, 0.5, 1.0),
    "msdnet_imagenet_4": _imagenet_msdnet(*(4,) * 5),
    "msdnet_imagenet_7": _imagenet_msdnet(*(7,) * 5),
    **{
        f"{kind}_resnet{n}": _halting_resnet(_DEPTHS[n], on, f"resnet{n}")
        for kind, on in _HALTING.items()
        for n in (32, 110)
    },
    **{f"{kind}_resnet50": _halting_bottlenecks(_RESNET_50, on, "resnet50") for kind, on in _HALTING.items()},
    **{f"{kind}_resnet101": _halting_bottlenecks(_RESNET_101, on, "resnet101") for kind, on in _HALTING.items()},
}
