"""Images a second by hand: the first call, what comes between epochs, and steps that were done before do not count."""

import keras
import pytest

from tf_routing.support import accelerators
from tf_routing.support.accelerators import multiplies_in, peak_flops
from tf_routing.train import throughput
from tf_routing.train.throughput import Throughput


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(throughput.time, "perf_counter", lambda: now[0])
    return now


def dense() -> keras.Model:
    inputs = keras.Input((10,))
    return keras.Model(inputs, keras.layers.Dense(5)(inputs))


def call(speed: Throughput, clock: list[float], first: int, last: int, seconds: float) -> None:
    speed.on_train_batch_begin(first)
    clock[0] += seconds
    speed.on_train_batch_end(last, {"loss": 0.5})


def test_steps_are_timed_without_the_first_call_and_validation(clock: list[float]) -> None:
    speed = Throughput(batch_size=8)
    speed.on_epoch_begin(0)
    # Compiled, and continued at step 3 of the epoch.
    call(speed, clock, 3, 5, 100.0)
    assert speed.measured(dense()) == {}
    call(speed, clock, 6, 9, 2.0)
    clock[0] += 50.0
    speed.on_epoch_begin(1)
    call(speed, clock, 0, 5, 3.0)
    # A checkpoint between two calls is a part of training.
    clock[0] += 1.0
    call(speed, clock, 6, 9, 1.0)
    # 4 + 10 steps of 8 images in 7 seconds.
    assert speed.measured(dense()) == {"images_per_second": 16.0}


def test_the_share_is_six_operations_for_each_mac(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throughput, "accelerator", lambda: "NVIDIA H200")
    monkeypatch.setattr(
        throughput, "peak_flops", lambda name, precision: {"half": 1e6, "tensorfloat32": 1e5}[precision]
    )
    speed = Throughput(batch_size=4)
    for step in range(3):
        call(speed, clock, step, step, 2.0)
    # 2 images a second, 50 MACs each: 600 operations of 100,000, and of twice as many on two devices.
    assert speed.measured(dense()) == {
        "images_per_second": 2.0, "accelerator": "NVIDIA H200", "share_of_peak": 0.006,
    }  # fmt: skip
    assert speed.measured(dense(), devices=2)["share_of_peak"] == 0.003
    monkeypatch.setattr(throughput, "peak_flops", lambda name, precision: None)
    assert "share_of_peak" not in speed.measured(dense())


def test_cards_are_known_by_their_whole_name() -> None:
    assert peak_flops("NVIDIA A100-SXM4-80GB", "half") == 312e12
    assert peak_flops("NVIDIA A100-SXM4-80GB", "tensorfloat32") == 156e12
    # A part of a card is none that a datasheet has a figure for.
    for name in ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", "NVIDIA", None):
        assert peak_flops(name, "half") is None


def test_the_precision_of_products_follows_the_type_and_what_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [multiplies_in(dtype) for dtype in ("float16", "bfloat16", "float64")] == ["half", "half", "float32"]
    for rounds, precision in ((True, "tensorfloat32"), (False, "float32")):
        monkeypatch.setattr(accelerators, "_rounds", lambda rounds=rounds: rounds)
        assert multiplies_in("float32") == precision
