"""What `import initium` costs, and which room may look into which."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import initium

ROOT = Path(initium.__file__).parent
# From what everything rests on to what rests on everything; a room imports only from rooms before it.
ROOMS = [
    *("_errors", "_spec", "_require", "_files", "init", "_edge", "_graph", "_rule", "_recipes"),
    *("_native", "_stream", "_ledger", "_written", "_verification", "_calibration", "_plan"),
    *("_aims", "_guide", "_initialize", "_model_name"),
    *("_kernel", "_populate", "_draw", "_haar", "_fill", "_array", "_checkpoint"),
    *("_report", "_compare", "torch", "keras", "jax", "__init__", "_cli", "__main__"),
]


def test_importing_initium_imports_no_framework_and_nothing_heavy():
    code = "import initium, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "initium" in loaded
    heavy = {"torch", "jax", "keras", "scipy", "plotly", "sklearn", "loky", "jinja2", "typer", "rich"}
    assert not heavy & set(loaded)


def room(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def below(room):
    """The rooms from which it may import, itself among them; no edge from another."""
    rooms = ROOMS[: ROOMS.index(room) + 1]
    return [name for name in rooms if name == room or not {name, room} <= set(EDGES)]


def imported_rooms(path):
    """The rooms that a file's relative imports reach, wherever in the file they stand."""
    depth = len(path.relative_to(ROOT).parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == depth:
            names = [node.module.split(".")[0]] if node.module else [alias.name for alias in node.names]
            yield from names
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").startswith("initium"):
            yield "an absolute import"


def test_rooms_import_only_from_rooms_below_them():
    wrong = []
    for path in sorted(ROOT.rglob("*.py")):
        allowed = below(room(path))
        wrong += [f"{path.relative_to(ROOT)} -> {name}" for name in imported_rooms(path) if name not in allowed]
    assert not wrong


def test_the_test_of_rooms_sees_an_edge_that_imports_an_edge():
    assert "torch" not in below("keras")
    assert not {"torch", "keras"} & set(below("jax"))
    assert {"keras", "_array"} <= set(below("keras"))


def test_only_an_edge_imports_its_framework():
    for path in ROOT.rglob("*.py"):
        roots = {
            name.split(".")[0]
            for node in ast.walk(ast.parse(path.read_text()))
            for name in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom) and node.level == 0
                else []
            )
        }
        for framework in EDGES:
            assert framework not in roots or room(path) == framework, path


EDGES = {"torch": "PyTorch", "keras": "Keras", "jax": "JAX"}


def run(code):
    environment = {**os.environ, "KERAS_BACKEND": "torch"}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)


@pytest.mark.parametrize(("framework", "name"), EDGES.items())
def test_without_a_framework_one_line_says_how_to_get_it(framework, name):
    error = run(f"import sys; sys.modules['{framework}'] = None; import initium.{framework}").stderr.splitlines()[-1]
    assert error == (
        f"initium._errors.MissingExtraError: initium.{framework} needs {name}, which is not installed: "
        f"pip install 'initium[{framework}]'"
    )


@pytest.mark.parametrize(
    ("backend", "others"),
    [("tensorflow", "torch or jax"), ("torch", "jax or tensorflow"), ("jax", "torch or tensorflow")],
)
def test_without_the_backend_of_keras_one_line_says_how_to_choose_another(backend, others):
    error = run(f"""
import os, sys
class Without:
    def find_spec(name, *_):
        if name == "{backend}":
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Without)
os.environ["KERAS_BACKEND"] = "{backend}"
import initium.keras""").stderr
    assert error.splitlines()[-1] == (
        f"initium._errors.MissingExtraError: Keras's backend is {backend}, which is not installed: "
        f"set KERAS_BACKEND to {others}, or install it."
    )
    assert "During handling" not in error


@pytest.mark.parametrize("framework", EDGES)
def test_a_broken_framework_speaks_for_itself(framework):
    part = {"torch": "torch.nn", "keras": "keras.src", "jax": "ml_dtypes"}[framework]
    error = run(f"import sys; sys.modules['{part}'] = None; import initium.{framework}").stderr
    assert "MissingExtraError" not in error
    assert part in error


@pytest.mark.parametrize("framework", EDGES)
def test_an_edge_imports_no_other_edge(framework):
    loaded = run(f"import initium.{framework}, sys; print(*sys.modules)").stdout.split()
    assert f"initium.{framework}" in loaded
    assert not {f"initium.{other}" for other in EDGES if other != framework} & set(loaded)
    # Keras itself imports whichever backends it finds.
    others = {"torch": {"keras", "jax"}, "keras": set(), "jax": {"torch", "keras", "flax"}}[framework]
    assert not others & set(loaded)
