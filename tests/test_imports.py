"""What `import initium` costs, and which room may look into which."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import initium

ROOT = Path(initium.__file__).parent
# From what everything rests on to what rests on everything; a room imports only from rooms before it.
ROOMS = [
    *(
        "_ctrl_c",
        "_printable",
        "_errors",
        "_spec",
        "_require",
        "_imported",
        "_reading",
        "_json",
        "_npz",
        "_files",
        "_progress",
        "_turn",
        "_paused",
        "_safetensors",
        "_stored",
        "_report",
        "init",
        "_graph",
        "_rule",
        "_recipes",
    ),
    *("_ledger", "_written", "_verification", "_calibration", "_decisions", "_aims", "_diagnosis", "_coordinates"),
    *("_guide", "_native", "_stream", "_kernel", "_populate", "_draw", "_haar", "_fill", "_loaded", "_tensor"),
    *("_array", "_checkpoint", "_warm_start", "_store", "_model_name", "_study", "torch", "keras", "jax", "_edge"),
    *("_plan", "_initialize", "_warm", "_diagnose", "_coordinate_check", "_engine", "_compare", "_as_exit"),
    *("_asked", "_show", "_compare_command", "_studies_command", "_warm_start_command", "_attribute"),
    *("__init__", "_cli", "__main__"),
]
# They import what somebody else names, a package or a model, by its name.
BY_NAME = {"_require.py", "_model_name.py"}


def test_importing_initium_imports_no_framework_and_nothing_heavy():
    code = "import initium, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "initium" in loaded
    slow = {"importlib.metadata", "email", "zipfile", "json", "initium._safetensors"}  # of Python's own, and ours
    assert not slow & set(loaded)
    heavy = {"torch", "jax", "keras", "scipy", "sklearn", "cloudpickle", "jinja2", "typer", "rich"}
    assert not heavy & set(loaded)


def room(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def below(room):
    """The rooms from which it may import, itself among them; no edge from another."""
    rooms = ROOMS[: ROOMS.index(room) + 1]
    return [name for name in rooms if name == room or not {name, room} <= set(EDGES)]


def imports(text):
    """Each import of some source: how many dots, the module, the names; whatever function it stands in, and by name.

    What stands under `if TYPE_CHECKING` is for a type checker alone.
    """
    tree = ast.parse(text)
    typed = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for line in node.body
        for inner in ast.walk(line)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and id(node) not in typed:
            yield node.level, node.module or "", [alias.name for alias in node.names]
        elif isinstance(node, ast.Import) and id(node) not in typed:
            yield from ((0, alias.name, []) for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__"):
            named = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else "?"
            yield -1, str(named), []
        elif isinstance(node, ast.Call):  # whatever it is called: who else would be given the name of a module of ours?
            told = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            yield from ((-1, name, []) for name in told if re.fullmatch(r"initium(\.\w+)+", name))


def imported_rooms(path):
    """The rooms that a file's relative imports reach; what is imported otherwise is none of them."""
    depth = len(path.relative_to(ROOT).parts)
    for level, module, names in imports(path.read_text()):
        if level == depth:
            yield from [module.split(".")[0]] if module else names
        elif level == 0 and module.split(".")[0] == "initium":
            yield f"an absolute import of {module}"
        elif level == -1 and path.name not in BY_NAME and module.split(".")[1:2] != [room(path)]:
            yield f"an import of {module} by its name"


def imported_files(path):
    """The files of the package that a file's imports name."""
    for level, module, names in imports(path.read_text()):
        if level > 0:
            folder = path.parents[level - 1].joinpath(*filter(None, module.split(".")))
            found = [folder / f"{name}.py" if (folder / f"{name}.py").exists() else folder / name for name in names]
            whole = folder.with_suffix(".py") if folder.with_suffix(".py").exists() else folder / "__init__.py"
            for one in found:
                file = one if one.suffix == ".py" else one / "__init__.py"
                yield file if file.exists() else whole


def circle(graph):
    """The nodes that lie on circles: what is left when those that nothing is left behind are taken away."""
    left = dict(graph)
    while alone := [node for node, others in left.items() if not others & left.keys()]:
        left = {node: others for node, others in left.items() if node not in alone}
    return sorted(left)


def test_rooms_import_only_from_rooms_below_them():
    wrong = []
    for path in sorted(ROOT.rglob("*.py")):
        allowed = below(room(path))
        wrong += [f"{path.relative_to(ROOT)} -> {name}" for name in imported_rooms(path) if name not in allowed]
    assert not wrong


def test_no_files_import_each_other():
    faces = set(ROOT.rglob("__init__.py"))
    files = {path: set(imported_files(path)) - {path} for path in ROOT.rglob("*.py")}
    # A package's face hands on what its files have; what stands behind it is what is imported.
    behind = {path: set().union(*(files[one] if one in faces else {one} for one in files[path])) for path in files}
    found = circle({path: behind[path] - {path} for path in files if path not in faces})
    assert [str(path.relative_to(ROOT)) for path in found] == []


def test_the_tests_of_imports_see_what_stands_in_functions_and_in_strings():
    source = """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from .a import A
def f():
    from .b import B
    import importlib
    importlib.import_module("initium.c")
    __import__(name)
"""
    assert list(imports(source)) == [
        (0, "typing", ["TYPE_CHECKING"]),
        (1, "b", ["B"]),
        (0, "importlib", []),
        (-1, "initium.c", []),
        (-1, "?", []),
    ]
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}, "e": set()}) == ["a", "b", "c", "d"]
    assert circle({"a": {"b"}, "b": set()}) == []


def test_the_test_of_rooms_sees_an_edge_that_imports_an_edge():
    assert "torch" not in below("keras")
    assert not {"torch", "keras"} & set(below("jax"))
    assert {"keras", "_array"} <= set(below("keras"))


def test_only_an_edge_imports_its_framework():
    for path in ROOT.rglob("*.py"):
        roots = {module.split(".")[0] for level, module, _ in imports(path.read_text()) if level == 0}
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
