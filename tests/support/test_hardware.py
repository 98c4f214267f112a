"""What a measurement says of the machine."""

from pathlib import Path

import pytest

from tf_routing.support import hardware
from tf_routing.support.hardware import has_avx512


@pytest.mark.parametrize(
    ("flags", "limit", "expected"),
    [
        ("sse avx2 avx512f", None, True),
        ("sse avx2 avx512f", "ALL", True),
        ("sse avx2 avx512f", "AVX512_CORE", True),
        ("sse avx2 avx512f", "avx2", False),
        ("sse avx2", None, False),
        ("sse avx2", "ALL", False),
    ],
)
def test_avx512_counts_where_the_processor_has_it_and_onednn_may_use_it(
    flags: str, limit: str | None, expected: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    description = tmp_path / "cpuinfo"
    description.write_text(f"flags : {flags}\n", "utf-8")
    monkeypatch.setattr(hardware, "Path", lambda _: description)
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    if limit:
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    assert has_avx512.__wrapped__() == expected
