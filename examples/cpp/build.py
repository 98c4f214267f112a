"""Compiles `classify.cc` against the headers and libraries in the TensorFlow wheel.

    python examples/cpp/build.py classify

Takes a C++17 compiler, a GNU linker or one that knows its options, a minute and 2 GB of memory. TensorFlow's own Python
module says where headers are and how they were compiled; the program finds the libraries where they were when it was
built.
"""

import argparse
import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).parent / "classify.cc"
_COMPILERS = ("c++", "g++", "clang++")


def compiler() -> str | None:
    """Returns the path of a C++ compiler, or `None` where there is none."""
    return next(filter(None, map(shutil.which, _COMPILERS)), None)


def build(output: str | Path) -> None:
    """Compiles the program.

    Raises:
        RuntimeError: If there is no compiler, or it fails.
    """
    import tensorflow as tf

    found = compiler()
    if found is None:
        raise RuntimeError(f"There is no C++ compiler here. Looked for: {', '.join(_COMPILERS)}")
    libraries = Path(tf.sysconfig.get_lib())
    # The program names nothing of the first one, whose kernels and sessions register themselves when it is loaded.
    names = ["-Wl,--no-as-needed", "-l:libtensorflow_cc.so.2", "-l:libtensorflow_framework.so.2"]
    # Without warnings: all of them are about the headers.
    words = [found, "-O1", "-w", *tf.sysconfig.get_compile_flags(), str(SOURCE), "-o", str(output)]
    words += [f"-L{libraries}", *names, f"-Wl,-rpath,{libraries}"]
    finished = subprocess.run(words, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise RuntimeError(f"{found} could not compile {SOURCE.name}:\n{finished.stderr[-4000:]}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", help="program to write")
    build(parser.parse_args().output)
