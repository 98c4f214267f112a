"""What `weights=` names: paths are paths, names are names, and the old format is refused."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.conformance.subjects import images, small
from tf_routing import zoo
from tf_routing.models import RoutedModel
from tf_routing.zoo.weights.weights_file import find_weights_file


@pytest.fixture(scope="module")
def model() -> RoutedModel:
    keras.utils.set_random_seed(3)
    return small("basecnn")


def answer(model: keras.Model) -> np.ndarray:
    return np.asarray(model(images("basecnn"), training=False))


@pytest.mark.parametrize("form", [str, Path])
def test_a_runs_folder_stands_for_its_model(form: Any, model: RoutedModel, tmp_path: Path) -> None:
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(answer(small("basecnn", weights=form(tmp_path))), answer(model))


def test_a_folder_without_a_model_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"names the folder .*, which holds no model\.keras"):
        small("basecnn", weights=tmp_path)


@pytest.mark.parametrize("name", ["cifar10", "imagenet", "tiny_imagenet_classes20"])
def test_what_exists_is_no_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_weights_file(name) is None
    (tmp_path / name).mkdir()
    with pytest.raises(FileNotFoundError, match=f"names the folder {name}, which holds no"):
        zoo.get("drn_resnet32", weights=name)
    (tmp_path / name / "model.keras").touch()
    assert find_weights_file(name) == Path(name, "model.keras")
    (tmp_path / name / "model.keras").unlink()
    (tmp_path / name).rmdir()
    (tmp_path / name).touch()
    with pytest.raises(ValueError, match=rf"`\.keras` or `\.weights\.h5` file. Received: weights='{name}'"):
        zoo.get("drn_resnet32", weights=name)


def test_a_path_is_no_name_either() -> None:
    for missing in (Path("cifar10"), Path("imagenet")):
        with pytest.raises(ValueError, match=f"Received: weights='{missing}'"):
            zoo.get("drn_resnet32", weights=missing)
    with pytest.raises(FileNotFoundError, match=r"names no file: runs/cifar10\.keras"):
        zoo.get("drn_resnet32", weights="runs/cifar10.keras")


@pytest.mark.parametrize("wrong", [3, True, ["model.keras"]])
def test_other_types_are_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="`weights` must be None, a path or a name. Received"):
        zoo.get("basecnn", weights=wrong)


def test_weights_alone_are_taken_and_said_to_lack_the_rest(model: RoutedModel, tmp_path: Path) -> None:
    model.save_weights(tmp_path / "model.weights.h5")
    with pytest.warns(UserWarning, match="weights without configuration: .*standardize=None.*could not be compared"):
        loaded = small("basecnn", weights=tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(answer(loaded), answer(model))


@pytest.mark.parametrize(("name", "arguments"), [("basecnn", {"classes": 7}), ("resnet20", {})])
def test_weights_alone_of_another_network_are_refused(
    name: str, arguments: dict[str, Any], model: RoutedModel, tmp_path: Path
) -> None:
    model.save_weights(tmp_path / "model.weights.h5")
    with pytest.raises(ValueError, match=f"does not fit {name} with .* outputs.*save the whole"):
        small(name, **arguments, weights=tmp_path / "model.weights.h5")


@pytest.mark.parametrize("name", ["model.h5", "model.hdf5"])
def test_the_old_format_is_refused_at_saving(name: str, model: RoutedModel, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"`filepath` must end in `\.keras`.*Received: filepath=.*{name}"):
        model.save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_the_old_format_is_refused_at_loading(tmp_path: Path) -> None:
    (tmp_path / "model.h5").touch()
    with pytest.raises(ValueError, match=r"a whole model in the old format.*model\.save\('model\.keras'\)"):
        small("basecnn", weights=tmp_path / "model.h5")


@pytest.mark.parametrize("ending", [".keras", ".weights.h5"])
@pytest.mark.parametrize("part", [0, 0.5])
def test_a_damaged_file_is_named(ending: str, part: float, model: RoutedModel, tmp_path: Path) -> None:
    file = tmp_path / f"model{ending}"
    model.save(file) if ending == ".keras" else model.save_weights(file)
    # Of archives the end says what they hold, of HDF5 the start.
    content = file.read_bytes()
    half = int(part * len(content))
    file.write_bytes(content[:half] if ending == ".keras" else content[len(content) - half :])
    with pytest.raises(ValueError, match=rf"`weights` names .*model\{ending}, which is damaged or no file that Keras"):
        small("basecnn", weights=file)


def test_weights_of_another_width_say_what_to_do(model: RoutedModel, tmp_path: Path) -> None:
    model.save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match=r"holds .*: build the basecnn with the arguments .*`width_multiplier`"):
        small("basecnn", width_multiplier=0.25, weights=tmp_path / "model.keras")
