"""`python -m initium`."""

from ._cli import app

app(prog_name="initium")
