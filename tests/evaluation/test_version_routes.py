"""Images that keep their route when they are changed, counted again in NumPy; what `evaluate` says of them."""

from typing import Any

import numpy as np
import pytest

import tf_routing
from tests.skip_net import SHAPE, skip_model
from tf_routing import zoo
from tf_routing.cli import evaluation_tables
from tf_routing.cli.main import main
from tf_routing.data import Dataset, ImageSet
from tf_routing.evaluation.evaluate import evaluate
from tf_routing.evaluation.image_versions import version_batches
from tf_routing.evaluation.version_routes import measure_consistency
from tf_routing.models import RoutedModel

_COUNT, _SEED = 200, 5


def noise(mirrors: bool = True) -> Dataset:
    """Pictures of unlike brightness, which take different routes."""
    rng = np.random.default_rng(0)
    light = rng.integers(20, 235, (_COUNT, 1, 1, 1))
    images = np.clip(light + rng.normal(0, 60, (_COUNT, *SHAPE)), 0, 255).astype("uint8")
    part = ImageSet(images, rng.integers(0, 4, _COUNT))
    return Dataset("noise", part, part, ["a", "b", "c", "d"], mirrors)


@pytest.fixture(scope="module")
def model() -> RoutedModel:
    """A network whose blocks each run for half of the images."""
    found = skip_model(seed=2)
    tf_routing.calibrate(found, noise().test.images.astype("float32") / 255, rate=0.5)
    return found


def taken(model: RoutedModel, name: str | None, seed: int) -> list[tuple[int, ...]]:
    """The route of every image of a version."""
    images = np.concatenate([each for each, _ in version_batches(noise(), name, seed).as_numpy_iterator()])
    decisions = model.routes(images, batch_size=_COUNT).values()
    return [tuple(row) for row in np.concatenate(list(decisions), axis=1).round().astype(int).tolist()]


@pytest.mark.parametrize("mirrors", [True, False])
def test_counts_are_those_of_images_on_one_route(mirrors: bool, model: RoutedModel) -> None:
    found = measure_consistency(model, noise(mirrors), _SEED)
    names = ["crop", *(["horizontal_flip", "vertical_flip"] if mirrors else []), "rotation"]
    assert list(found["consistent_by_version"]) == names
    original = taken(model, None, _SEED)
    kept = {
        name: [own == other for own, other in zip(original, taken(model, name, _SEED), strict=True)] for name in names
    }
    assert found["consistent_by_version"] == {name: sum(each) for name, each in kept.items()}
    assert found["consistent"] == sum(map(all, zip(*kept.values(), strict=True)))
    assert 0 < found["consistent"] < _COUNT and len(set(original)) > 1


def test_evaluation_says_how_many_keep_their_route_where_it_is_asked(
    model: RoutedModel, capsys: pytest.CaptureFixture[str]
) -> None:
    asked, plain = (evaluate(model, noise(), 50, versions=versions) for versions in (True, False))
    assert {**plain, **measure_consistency(model, noise())} == asked
    evaluation_tables.show(model, plain)
    assert "keep their route" not in capsys.readouterr().out
    evaluation_tables.show(model, asked)
    by_version = asked["consistent_by_version"]
    assert (
        f"{asked['consistent']} of 200 images keep their route in every version: crop {by_version['crop']}, "
        f"horizontal flip {by_version['horizontal_flip']}, vertical flip"
    ) in capsys.readouterr().out


def refused(name: str, arguments: dict[str, Any]) -> str:
    network = zoo.get(name, classes=4, input_shape=(32, 32, 3), width_multiplier=0.125)
    images = ImageSet(np.zeros((2, 32, 32, 3), "uint8"), np.zeros(2, "int64"))
    with pytest.raises(ValueError) as caught:
        evaluate(network, Dataset("none", images, images, list("abcd"), True), 2, **arguments)
    return str(caught.value)


def test_a_network_that_skips_nothing_has_no_routes_to_compare() -> None:
    assert "`versions` must be False for 'basecnn'" in refused("basecnn", {"versions": True})


def test_all_networks_are_not_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--all", "--versions"]) == 1
    assert "`versions` is not for --all" in capsys.readouterr().err
