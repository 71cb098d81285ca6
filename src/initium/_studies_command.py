"""`initium studies`."""

from typing import Annotated

import typer

from ._errors import OutputError, in_bytes
from ._printable import printable
from ._store._cache import cached, folder
from ._store._store import Store


def studies(
    prune: Annotated[bool, typer.Option("--prune", help="Remove those that nobody is at work on.")] = False,
) -> None:
    """The studies in the cache folder, the latest first, with their sizes.

    Example: initium studies
    """
    found = list(cached())
    if not found:
        typer.echo(f"No study in {printable(str(folder()))}.")
        return
    freed = 0
    for path in found:
        size = path.stat().st_size
        try:
            with Store.read(path) as one:
                said, num, is_held = one.facts(), len(one.finished()), one.is_held
        except OutputError as error:  # of another version, say; the others are listed all the same
            typer.echo(printable(str(error)))
            continue
        cells = said.get("cells", {}).values()
        asked = sum(len(cell["starts"]) * cell["seeds"] for cell in cells)
        what = next((f"{cell['model']} on {cell['data']}" for cell in cells), "nothing yet")
        gone = prune and not is_held
        state = "removed" if gone else "in use" if is_held else ""
        typer.echo(
            f"{printable(str(path))}\n    {what}; {num} of {asked} runs, {in_bytes(size)}{state and f'; {state}'}"
        )
        if gone:
            path.unlink()
            freed += size
    if prune:
        typer.echo(f"\nRemoved {in_bytes(freed)}.")
