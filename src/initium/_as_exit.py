"""as_exit: what goes wrong in a command, as one message and an exit code."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer

from ._errors import InitiumError
from ._printable import printable_lines

_INTERRUPTED = 130  # what a shell gives a command that Ctrl-C ended


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, with a word of what was written before it came."""


@contextmanager
def as_exit() -> Iterator[None]:
    """What is refused is one message and exit code 2, without a traceback; Ctrl-C is one message and exit code 130."""
    try:
        yield
    except InitiumError as error:
        refuse(f"{type(error).__name__}: {error}")
    except Interrupted as error:
        refuse(f"{error}.", _INTERRUPTED)
    except KeyboardInterrupt as error:
        refuse(f"{str(error) or 'Interrupted'}; nothing was written.", _INTERRUPTED)


def refuse(message: str, code: int = 2) -> NoReturn:
    """End with a message."""
    typer.echo(printable_lines(message), err=True)
    raise typer.Exit(code)
