"""What numbers were measured on."""

import os
import platform
from pathlib import Path
from typing import Any

from tf_routing.train.runs.run_record import versions


def hardware() -> dict[str, Any]:
    """Returns the processor, its cores and whether it has AVX-512, and the versions of what computes."""
    # Here, not above: it loads TensorFlow, and who measures sets its environment first.
    from tf_routing.execution.choice import has_avx512

    description = Path("/proc/cpuinfo")
    lines = description.read_text("utf-8").splitlines() if description.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    processor = models[0] if models else platform.processor()
    return {"processor": processor, "cores": os.cpu_count(), "avx512": has_avx512(), **versions()}
