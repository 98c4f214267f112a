"""A run's error stands beside the paper's, with what differs, and only where a paper reports one."""

import json
from typing import Any

import pytest

from tf_routing.cli.paper_comparison import compare_with_paper
from tf_routing.train.recipes.recipe import load_recipe


def run_of(model: str, recipe: str, changed: dict[str, Any] | None = None, **arguments: Any) -> dict[str, Any]:
    """The arguments of a record, as JSON holds them."""
    described = {**load_recipe(recipe).describe(), **(changed or {})}
    return json.loads(json.dumps({"model": model, "model_arguments": arguments, "recipe": described}))


def test_a_run_as_the_papers_has_nothing_to_name() -> None:
    lines = list(compare_with_paper(run_of("resnet20_3cc", "multipath_resnet"), "cifar100", 0.75))
    assert lines == ["Error 25.00 %. Tissera et al. (2021), Table 3: cifar100 25.76."]


def test_what_differs_is_named() -> None:
    run = run_of("resnet20_3cc", "multipath_resnet", {"epochs": 1, "steps_per_epoch": 30}, width_multiplier=0.125)
    _, differences = compare_with_paper(run, "cifar10", 0.165)
    epochs = load_recipe("multipath_resnet").epochs
    assert differences == (
        f"Not as there: width_multiplier=0.125, epochs 1 instead of {epochs}, steps_per_epoch 30 instead of None."
    )


def test_the_row_of_the_arguments_is_taken() -> None:
    errors, *differences = compare_with_paper(run_of("drn_resnet110", "drn_cifar", router="recurrent"), "cifar10", 0.9)
    assert errors.startswith("Error 10.00 %. Wang et al. (2020), ") and "cifar10 7.0" in errors
    assert not any("router" in each for each in differences)


@pytest.mark.parametrize(
    ("run", "dataset"),
    [
        (run_of("resnet20_3cc", "quick"), "digits"),
        (run_of("decide_chain8", "quick"), "cifar10"),
        (run_of("resnet50_2cc", "multipath_imagenet", {"first_classes": 7}), "imagenet2012"),
        ({"model": "my own"}, "cifar10"),
        ({}, "cifar10"),
    ],
)
def test_where_no_paper_says_so_nothing_is_said(run: dict[str, Any], dataset: str) -> None:
    assert list(compare_with_paper(run, dataset, 0.5)) == []


def test_classes_of_imagenet_find_their_row() -> None:
    (errors, *_) = compare_with_paper(run_of("resnet50_2cc", "multipath_imagenet100"), "imagenet2012", 0.8)
    assert errors == "Error 20.00 %. Tissera et al. (2021), Table 4: top1_1crop 18.64."
