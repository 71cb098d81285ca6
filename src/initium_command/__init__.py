"""The command `initium`. It stands outside the package, so that Ctrl-C is heard while the package is imported."""

import gc
import sys


def run() -> None:
    """Run the command line; Ctrl-C is one line and exit code 130 from the first moment on."""
    try:
        from initium._cli import app

        app(prog_name="initium")
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted; nothing was written.\n")
        sys.exit(130)
    finally:
        gc.freeze()  # else Python looks through all that was imported once more before it ends, which takes a second
