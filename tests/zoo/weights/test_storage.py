"""Kernels in float16: how far off a value may be, what keeps its bits, and that Keras reads both."""

import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from tf_routing.zoo.weights.storage import fits_half, write_small


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A net whose kernels are of all sizes, with statistics and thresholds that float16 does not have."""
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(16, 3, name="usual")(inputs)
    x = keras.layers.BatchNormalization(name="normalization")(x)
    x = keras.layers.Conv2D(8, 3, name="large")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, [keras.layers.Dense(4, name="tiny")(x), keras.layers.Dense(1, name="column")(x)])
    random = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(random.normal(size=weight.shape))
    model.get_layer("large").kernel.assign(1e5 * model.get_layer("large").kernel)
    model.get_layer("tiny").kernel.assign(1e-6 * model.get_layer("tiny").kernel)
    model.get_layer("normalization").moving_variance.assign(np.geomspace(1e-12, 1e9, 16))
    model.save(tmp_path / "net.keras")
    return tmp_path / "net.keras"


def weights(file: Path) -> dict[str, np.ndarray]:
    return {each.path: keras.ops.convert_to_numpy(each) for each in keras.saving.load_model(file).weights}


def test_kernels_are_off_by_at_most_2_to_the_minus_11_of_the_largest_and_the_rest_by_nothing(saved: Path) -> None:
    write_small(saved, saved.with_name("half.keras"), half=True)
    before, after = weights(saved), weights(saved.with_name("half.keras"))
    assert before.keys() == after.keys() and all(each.dtype == np.float32 for each in after.values())
    for name, values in before.items():
        difference = np.abs(values - after[name]).max()
        if name == "usual/kernel":
            assert 0 < difference <= np.abs(values).max() * 2**-11
        else:
            assert difference == 0, name


def test_without_halving_every_bit_stays_in_fewer_bytes(saved: Path) -> None:
    target = saved.with_name("small.keras")
    write_small(saved, target, half=False)
    for name, values in weights(saved).items():
        np.testing.assert_array_equal(weights(target)[name], values)
    assert target.stat().st_size < saved.stat().st_size


def test_the_file_holds_float16_and_what_keras_writes_beside_it(saved: Path) -> None:
    write_small(saved, saved.with_name("half.keras"), half=True)
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(saved.with_name("half.keras")) as new:
        assert new.namelist() == old.namelist()
        assert new.read("config.json") == old.read("config.json")
        with new.open("model.weights.h5") as file, h5py.File(file) as content:
            kinds: list[str] = []
            content.visititems(lambda _, each: kinds.append(each.dtype.name) if hasattr(each, "dtype") else None)
    assert sorted(set(kinds)) == ["float16", "float32"] and kinds.count("float16") == 1


def test_the_same_weights_give_the_same_bytes(saved: Path) -> None:
    for name in ("first", "second"):
        write_small(saved, saved.with_name(f"{name}.keras"), half=True)
    assert saved.with_name("first.keras").read_bytes() == saved.with_name("second.keras").read_bytes()


def test_a_file_may_be_written_over_itself_and_another_kind_is_refused(saved: Path) -> None:
    before = weights(saved)
    write_small(saved, saved, half=False)
    np.testing.assert_array_equal(weights(saved)["usual/kernel"], before["usual/kernel"])
    with zipfile.ZipFile(saved.with_name("other.keras"), "w") as archive:
        archive.writestr("readme", "")
    with pytest.raises(ValueError, match=r"other\.keras, which holds no model.weights.h5"):
        write_small(saved.with_name("other.keras"), saved, half=True)


@pytest.mark.parametrize(
    ("largest", "fits"), [(65504.0, True), (65536.0, False), (2.0**-14, True), (2.0**-15, False), (np.nan, False)]
)
def test_what_fits_is_between_the_least_normal_number_and_the_largest(largest: float, fits: bool) -> None:
    kernel = np.full((2, 2), largest, "float32")
    assert fits_half(kernel) is fits
    assert not fits_half(kernel.astype("float64")) and not fits_half(kernel[:1]) and not fits_half(kernel[:, 0])
