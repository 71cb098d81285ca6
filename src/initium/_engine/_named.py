"""named: the engine that is asked for by its name, or as it is."""

from .._draw import num_threads
from .._errors import SettingError
from .._study._settings import check_whole
from ._engine import Engine, check_engine
from ._processes import Processes
from ._ray import Ray

_NAMES = "local", "ray"


def named(
    engine: Engine | str | None,
    *,
    jobs: int | None,
    limit: float | None,
    chunk: int | None,
    memory: float,
    address: str | None,
    cpus: float | None,
) -> Engine:
    """What trains runs; None is the processes of this machine.

    Raises:
        SettingError: if there is none of that name, or it does not take what is asked of it.
    """
    if jobs is not None:
        check_whole("jobs", jobs, 1)
    if engine == "ray":
        return Ray(jobs or 0, limit, chunk, memory, address or "", 1.0 if cpus is None else cpus)
    if of_ray := [name for name, one in (("address", address), ("cpus", cpus)) if one is not None]:
        raise SettingError(f"`{of_ray[0]}` is of the engine 'ray'; ask for that, or leave it out.")
    if engine in (None, "local"):
        return Processes(num_threads() if jobs is None else jobs, limit, chunk, memory)
    check_engine(engine, _NAMES)
    assert callable(engine)
    return engine
