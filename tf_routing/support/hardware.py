"""The processor and the versions of packages that a measurement or a run was made with."""

import os
import platform
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from tf_routing.support.accelerators import accelerator

_PACKAGES = ("tf_routing", "keras", "tensorflow", "jax", "numpy")
_BEFORE_AVX512 = ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2")


def hardware() -> dict[str, Any]:
    """Returns the processor, its cores, whether it has AVX-512, the accelerator if there is one, and versions."""
    lines = _read_description().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    processor = models[0] if models else platform.processor()
    name = accelerator()
    found = {} if name is None else {"accelerator": name}
    return {"processor": processor, "cores": os.cpu_count(), "avx512": has_avx512(), **found, **versions()}


@cache
def has_avx512() -> bool:
    """Whether this machine has AVX-512 (as far as the kernel says) and `ONEDNN_MAX_CPU_ISA` lets oneDNN use it."""
    if os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper() in _BEFORE_AVX512:
        return False
    return "avx512f" in _read_description()


def _read_description() -> str:
    # Linux's description of the processors; empty on other systems.
    path = Path("/proc/cpuinfo")
    return path.read_text("utf-8") if path.exists() else ""


def versions() -> dict[str, str]:
    """Returns the versions of what computes, the backend, and the machine's kind."""
    # Importing Keras loads its backend, and who measures sets the environment of that first.
    import keras

    installed = {}
    for package in _PACKAGES:
        try:
            installed[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            installed[package] = "not installed"
    machine = {"python": platform.python_version(), "machine": platform.machine()}
    return {**machine, "backend": keras.backend.backend(), **installed}
