"""Conducts a study: trains its variants, measures them, writes the data file and draws the figure."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from tf_routing import zoo
from tf_routing.studies.study_runs import Setup, build, check_variants, train_variants
from tf_routing.studies.study_table import Study
from tf_routing.studies.variants import Variant
from tf_routing.support.extras import import_extra
from tf_routing.support.files import write_json
from tf_routing.support.hardware import versions
from tf_routing.support.validation import not_negative_integer, positive_integer


def conduct(name: str, study: Study, setup: Setup, keep: int | None = None) -> dict[str, Any]:
    """Trains what is not trained yet, measures, writes the data file, and draws the figure beside it.

    Args:
        name: Name of both files, without ending.
        study: What to train, measure and draw.
        setup: With what and how.
        keep: Integer, for studies of a number of kept blocks; where not given, the paper's for the network.

    Returns:
        The content of the data file.

    Raises:
        ValueError: If an argument is wrong, or a run's folder holds another run.
        TypeError: If the network does not know an argument.
        ImportError: If the extra `figures` is not installed.
    """
    not_negative_integer("seed", setup.seed)
    import_extra("matplotlib", "figures", "The figure of a study")
    variants = _choose_variants(name, study, setup, keep)
    check_variants(setup, variants)
    runs = train_variants(setup, variants)
    measure, draw = study.load_functions()
    content = {**_describe(name, setup), **measure(setup, runs)}
    write_json(setup.output / f"{name}.json", content)
    draw(setup, content, study.title, setup.output / f"{name}.png")
    return content


def _choose_variants(name: str, study: Study, setup: Setup, keep: int | None) -> Sequence[Variant]:
    if not callable(study.variants):
        if keep is not None:
            raise ValueError(f"`keep` means nothing to the study {name!r}. Received: keep={keep!r}")
        return study.variants
    blocks = len(build(setup, {}).decision_names)
    keep = _reported_keep(setup, study.reported) if keep is None else positive_integer("keep", keep)
    if keep > blocks:
        raise ValueError(f"`keep` must be at most {blocks}, the blocks there are. Received: keep={keep!r}")
    return study.variants(keep, blocks)


def _reported_keep(setup: Setup, version: str) -> int:
    """Returns the number of blocks that one of the paper's models executes, on this dataset or else on its first."""
    reported = zoo.card(setup.architecture).reported
    by_data = reported[0].executed_blocks if reported else None
    known = by_data if isinstance(by_data, dict) else {}
    executed = {key: value for key, value in known.items() if key.endswith(f"_{version}")}
    if not executed:
        raise ValueError(f"`keep` must be given: the paper reports none for {setup.architecture}. Received: keep=None")
    return int(executed.get(f"{setup.dataset.name}_{version}", next(iter(executed.values()))))


def _describe(name: str, setup: Setup) -> dict[str, Any]:
    return {
        "study": name,
        "model": setup.architecture,
        "model_arguments": dict(setup.model_arguments),
        "dataset": setup.dataset.name,
        "recipe": dataclasses.asdict(setup.recipe),
        "epochs": setup.recipe.epochs + setup.recipe.frozen_epochs,
        "seed": setup.seed,
        "versions": versions(),
    }
