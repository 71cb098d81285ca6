"""What starts anew once a plan is laid into a model, and what keeps what training taught it."""

from collections.abc import Iterable, Iterator, Mapping

from .._errors import few
from .._graph import Graph, Statistics
from .._setting import either, setting
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


_WRITTEN = "written after their layers had drawn them, as loading, training or the model's own constructor does"


def notes_of_training(graph: Graph, choices: Iterable[Choice]) -> tuple[str, ...]:
    """What is reset, what stays and is said to, and what else may hold what training taught it."""
    by_path = {choice.path: choice for choice in choices}
    if all(choice.law.how == "kept" for choice in by_path.values()):  # `framework` draws less than a reader may expect
        return ("the numbers that are there stay; recipe `torch` draws what its layers would",) if graph.trained else ()
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
    told = (f"{what}: {folded(paths)}" for what, paths in lines.items() if paths)
    return (*told, *_notes_of_loss(graph, by_path))


def _notes_of_loss(graph: Graph, choices: Mapping[str, Choice]) -> Iterator[str]:
    """What is written over that training or a checkpoint may have left. Whoever keeps some has told what is new."""
    if any(choice.law.how == "kept" and choice.by == "you" for choice in choices.values()):
        return
    written = [path for path in graph.written if path in choices and not choices[path].param.built]  # those are named
    touched = [path for path in (*graph.learned, *written) if path in choices and choices[path].law.how != "kept"]
    lost = [path for path in touched if choices[path].by != "checkpoint"]  # to load over it is what was asked
    if lost:
        why = f"trained or loaded before ({graph.trained})" if graph.trained else _WRITTEN
        yield f"{why}, and started anew: {folded(lost)}"
        yield either(
            "only_new=['PATHS'] starts those alone, and rules {'PATHS': 'keep'} leave some",
            "--rule 'PATH=keep' leaves one, or all that a glob means",
        )


def notes_of_building(choices: Iterable[Choice]) -> Iterator[str]:
    """What somebody built on purpose, as it seems, and a recipe starts otherwise."""
    found = [choice for choice in choices if choice.param.built and choice.by == "recipe" and choice.how != "kept"]
    if found:
        rows = fold((choice.path, choice.param.built) for choice in found)
        told = few([f"`{row.paths}` ({row.kind})" for row in rows])
        kept = {found[0].path: "framework"}
        keeps = f"{either(str(kept), setting('rules', kept))} keeps it"
        yield f"started anew though built with numbers that are no draw: {told}; {keeps}"
