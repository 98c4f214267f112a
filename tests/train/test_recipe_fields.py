"""Options and documentation name every field of a recipe, as the class says."""

import argparse
import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest

from tf_routing.cli.options import add_recipe_options, given_values
from tf_routing.train.recipes.recipe import Recipe
from tf_routing.train.recipes.recipe_fields import recipe_fields

_FIELDS = {field.name: field for field in recipe_fields(Recipe)}
_WORDS = {int: (["3"], 3), float: (["0.5"], 0.5), str: (["cosine"], "cosine"), bool: (["false"], False)}
_LIST = tuple[int, ...]


def parsed(*words: str) -> dict[str, object]:
    parser = argparse.ArgumentParser()
    add_recipe_options(parser)
    return given_values(parser.parse_args(words))


def test_every_field_is_described() -> None:
    assert list(_FIELDS) == [field.name for field in dataclasses.fields(Recipe) if field.name != "name"]
    assert [name for name, field in _FIELDS.items() if not field.about] == []
    assert _FIELDS["epochs"].default is dataclasses.MISSING
    assert (_FIELDS["image_size"].kind, _FIELDS["image_size"].optional) == (int, True)


@pytest.mark.parametrize("name", [name for name in _FIELDS if name != "title"])
def test_every_value_is_an_option(name: str) -> None:
    assert parsed() == {}
    words, value = (["2", "5"], (2, 5)) if _FIELDS[name].kind == _LIST else _WORDS[_FIELDS[name].kind]
    assert parsed(f"--{name}", *words) == {name: value}


def test_numbers_of_numpy_are_as_good_as_python_s_and_kept_as_those() -> None:
    recipe = Recipe(
        "own", "Numbers", epochs=np.int64(2), batch_size=8, learning_rate=np.float32(0.5), drops=(np.int8(1),)
    )
    values = dataclasses.asdict(recipe)
    assert json.loads(json.dumps(values))["learning_rate"] == 0.5
    assert [type(value) for value in (recipe.epochs, recipe.learning_rate, *recipe.drops)] == [int, float, int]
    for wrong in (True, np.array([1, 2]), "2"):
        with pytest.raises(ValueError, match="`epochs` must be an integer. Received: epochs="):
            dataclasses.replace(recipe, epochs=wrong)
    for wrong in (np.nan, np.float32(np.inf), True):
        with pytest.raises(ValueError, match="`learning_rate` must be a finite number. Received: learning_rate="):
            dataclasses.replace(recipe, learning_rate=wrong)


def test_decay_goes_by_its_usual_name_too() -> None:
    assert parsed("--weight_decay", "0.001") == {"kernel_decay": 0.001}


def test_a_truth_is_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed("--mirror", "yes")
    assert "must be true or false, received 'yes'" in capsys.readouterr().err


def test_the_documentation_lists_every_field() -> None:
    text = (Path(__file__).parents[2] / "docs" / "training.md").read_text("utf-8")
    table = text.partition("<!-- recipe_fields")[2].partition("<!-- /recipe_fields")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE) == list(_FIELDS)
