"""What `import initium` costs beyond `import numpy`: the median of paired fresh processes, in milliseconds."""

import os
import statistics
import subprocess
import sys

ROUNDS = 15
BAR = 100
CODE = "import time; start = time.perf_counter(); import {}; print(1e3 * (time.perf_counter() - start))"


def milliseconds(modules: str) -> float:
    """One fresh process's import."""
    # Python keeps what it has compiled, unless a variable says otherwise: every import but the first finds it.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    command = [sys.executable, "-c", CODE.format(modules)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return float(run.stdout)


def main() -> None:
    """Print the figures and say whether the bar is met."""
    milliseconds("numpy, initium")  # warms the file cache and compiles
    pairs = [(milliseconds("numpy"), milliseconds("numpy, initium")) for _ in range(ROUNDS)]
    alone, beyond = statistics.median(a for a, _ in pairs), statistics.median(b - a for a, b in pairs)
    print(f"import numpy: {alone:.0f} ms; import initium beyond it: {beyond:.0f} ms (bar: under {BAR} ms)")
    sys.exit(beyond >= BAR)


if __name__ == "__main__":
    main()
