"""`python -m initium`."""

from initium_command import run

if __name__ == "__main__":
    run()
