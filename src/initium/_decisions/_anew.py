"""What starts anew once a plan is laid into a model, and what keeps what training taught it."""

from collections.abc import Iterable, Iterator, Mapping

from .._errors import few
from .._graph import Graph, Statistics
from ._choice import Choice
from ._fold import fold, folded


def starts_anew(statistics: Statistics, choices: Mapping[str, Choice]) -> bool:
    """Whether running statistics go with the weights: the parameters beside them are written, none is meant to stay.

    Meant to stay is what is frozen, and what a rule of the user leaves.
    """
    known = [choices[path] for path in statistics.params if path in choices]
    kept = [choice for choice in known if choice.law.how == "kept"]
    meant = [choice for choice in kept if choice.by == "you" or choice.path in statistics.frozen]
    return len(kept) < len(known) and not meant


def notes_of_training(graph: Graph, choices: Iterable[Choice]) -> tuple[str, ...]:
    """What is reset, what stays and is said to, and what else may hold what training taught it."""
    by_path = {choice.path: choice for choice in choices}
    if all(choice.law.how == "kept" for choice in by_path.values()):
        return ()  # nothing starts anew
    counted = {one.path: starts_anew(one, by_path) for one in graph.statistics if one.has_counted}
    left = {choice.path for choice in by_path.values() if choice.how == "kept" and choice.by != "you"}
    lines = {
        "running statistics start anew": [path for path, anew in counted.items() if anew],
        "running statistics stay, as what is frozen or left beside them": [
            p for p, anew in counted.items() if not anew
        ],
        f"trained before ({graph.trained}), and left as it is": [
            path for path in graph.learned if path in left or path not in by_path
        ],
    }
    return tuple(f"{what}: {folded(paths)}" for what, paths in lines.items() if paths)


def notes_of_building(choices: Iterable[Choice]) -> Iterator[str]:
    """What somebody built on purpose, as it seems, and a recipe starts otherwise."""
    found = [choice for choice in choices if choice.param.built and choice.by == "recipe" and choice.how != "kept"]
    if found:
        rows = fold((choice.path, choice.param.built) for choice in found)
        told = few([f"`{row.paths}` ({row.kind})" for row in rows])
        keeps = f"{{'{found[0].path}': 'framework'}} keeps it"
        yield f"started anew though built with numbers that are no draw: {told}; {keeps}"
