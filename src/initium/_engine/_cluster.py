"""A Ray cluster: joined or begun here, what it has room for, and whether its nodes have what this process has."""

import contextlib
import logging
import os
import secrets
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

from .._errors import SettingError, counted, listed
from .._require import require

_CONNECTS = 10.0  # seconds that a cluster may take to answer
_ANSWERS = 120.0  # seconds that a node may take to say what it has
_PACKAGES = ("initium", "torch")


def joined(address: str, num_cpus: int) -> ModuleType:
    """Ray, of a cluster; one that this process has joined already stays joined.

    Args:
        address: as `ray.init` takes it; empty is a Ray of this machine, begun now.
        num_cpus: of the latter.

    Raises:
        SettingError: if it cannot be joined.
    """
    if (ray := sys.modules.get("ray")) and ray.is_initialized():
        return ray
    _check_answers(address)
    how: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if not address:
        how |= {"_node_ip_address": "127.0.0.1", "num_cpus": num_cpus, "include_dashboard": False}
    with _alone() if not address else contextlib.nullcontext():
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        ray = require("ray", to="Training on Ray", install="initium[ray]")
        try:
            ray.init(address or "local", **how)
        except Exception as error:  # of many kinds, by what stands in the way
            where = f"The Ray cluster '{address}' cannot be joined" if address else "Ray cannot be begun here"
            raise SettingError(f"{where}: {type(error).__name__}: {' '.join(str(error).split())}") from error
    return ray


def _check_answers(address: str) -> None:
    """Refuse an address at which there is nobody now; Ray itself would wait for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECTS).close()
    except (OSError, OverflowError) as error:
        raise SettingError(f"The Ray cluster '{address}' cannot be joined: nobody answers there ({error}).") from None


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """A Ray that is begun in here hears this machine alone, and there whoever has its token: it does what it hears."""
    if not {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & set(os.environ):
        os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))
    # Read when Ray is imported, whatever the system; without it the loopback address is a node's address.
    name = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
    before = os.environ.get(name)
    os.environ[name] = "0"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def room(ray: ModuleType, cpus: float) -> int:
    """How many tasks that have so many processors the nodes of a cluster can be at.

    Raises:
        SettingError: if none can be at one.
    """
    nodes = [node["Resources"].get("CPU", 0) for node in _nodes(ray)]
    if found := sum(int(node // cpus) for node in nodes):
        return found
    raise SettingError(
        f"A task asks for {cpus:g} CPUs, and the largest node of this Ray has {max(nodes, default=0):g}; ask for less "
        "by --cpus (from Python: cpus)."
    )


def check_nodes(ray: ModuleType) -> None:
    """Refuse nodes that have other versions of what decides the numbers than this process has.

    Raises:
        SettingError: saying which nodes, and in what they differ.
    """
    try:
        check_versions(on_each_node(ray, by_value()[0], _PACKAGES))
    except ray.exceptions.RayError as error:
        raise SettingError(f"Not all nodes of this Ray say what they have: {first_line(error)}.") from error


def on_each_node(ray: ModuleType, function: Callable[..., Any], *given: Any) -> dict[str, Any]:
    """What a function that takes no time comes to there, by the node's address."""
    strategy = require("ray.util.scheduling_strategies", to="Training on Ray").NodeAffinitySchedulingStrategy
    task, nodes = ray.remote(function), _nodes(ray)
    there = (strategy(one["NodeID"], soft=False) for one in nodes)
    asked = [task.options(num_cpus=0, max_retries=0, scheduling_strategy=one).remote(*given) for one in there]
    names = (f"{one['NodeManagerAddress']}:{one['NodeManagerPort']}" for one in nodes)
    return dict(zip(names, ray.get(asked, timeout=_ANSWERS), strict=True))


def check_versions(nodes: Mapping[str, Mapping[str, str]]) -> None:
    """Refuse versions of other machines that are not those here.

    Raises:
        SettingError: saying which nodes, and in what they differ.
    """
    here = own_versions()
    told = [f"  {node}: {differs}" for node, found in nodes.items() if (differs := _differences(found, here))]
    if told:
        raise SettingError(
            f"{counted(len(told), 'node')} of this Ray would train otherwise than this process decides:\n"
            f"{listed(told)}\nInstall the same versions there, or begin the study with those."
        )


def own_versions() -> dict[str, str]:
    """What decides the numbers, as it is installed here."""
    return by_value()[0](_PACKAGES)


def _differences(found: Mapping[str, str], here: Mapping[str, str]) -> str:
    return ", ".join(
        f"{name} {found[name]} where this has {own}" if found[name] else f"no {name}"
        for name, own in here.items()
        if found[name] != own
    )


def _nodes(ray: ModuleType) -> list[dict[str, Any]]:
    return [one for one in ray.nodes() if one["Alive"]]


def first_line(error: BaseException) -> str:
    """What Ray says of an error; of one that was raised elsewhere, what that was."""
    error = getattr(error, "cause", None) or error
    lines = (line.strip() for line in str(error).splitlines())
    return f"{type(error).__name__}: {next(filter(None, lines), '')}".rstrip(".: ")


def by_value() -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Two functions that a node can run which lacks this package: they are in no module, and so go as they are."""

    def installed(packages: tuple[str, ...]) -> dict[str, str]:
        """Versions by name, without what was built; empty if there is none."""
        import platform
        from importlib import metadata

        found = {"Python": platform.python_version().rpartition(".")[0]}
        for one in packages:
            try:
                found[one] = metadata.version(one).partition("+")[0]
            except metadata.PackageNotFoundError:
                found[one] = ""
        return found

    met: list[dict[str, str]] = []

    def train(here: dict[str, str], *asked: Any) -> bytes:
        """What came of some runs; a node that joined late may have other versions."""
        import importlib
        import pickle

        if not met:
            met.append(installed(tuple(here)[1:]))
        if met[0] != here:
            return pickle.dumps(("differs", met[0]))
        return importlib.import_module("initium._engine._elsewhere").work(*asked)

    return installed, train
