"""The native fill under the address and undefined-behaviour sanitizers."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from initium import _native

NATIVE, HERE = Path(__file__).parents[1] / "native", Path(__file__).parent / "native"
ARCHITECTURES = {
    "plain": [],
    "avx2": ["-mavx2", "-mfma", "-mf16c"],
    "avx512": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma", "-mf16c"],
}
# All builds, compilers and machines draw the same; aarch64 (NEON, under an emulator) and clang were seen to.
CHECKSUM = "6d9b2a5c20e95585"


@pytest.mark.slow
@pytest.mark.parametrize("build", [name for name in ARCHITECTURES if hasattr(_native, name)])
def test_no_fill_leaves_its_array_or_the_language(build, tmp_path):
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++") or "clang++"
    program = tmp_path / "edges"
    flags = ["-std=c++17", "-O1", "-g", "-w", "-ffp-contract=off", *ARCHITECTURES[build]]
    watch = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    sources = [NATIVE / "fill.cpp", HERE / "edges.cpp"]
    command = [compiler, *flags, *watch, f"-I{NATIVE}", f"-DBUILD={build}", *sources, "-o", program]
    subprocess.run(command, check=True)
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, CHECKSUM), done.stderr + done.stdout
