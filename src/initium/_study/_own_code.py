"""own_code: which code of somebody's own a study runs."""

from typing import Any

from ._sources import own_digest
from ._study import Study


def own_code(study: Study) -> str:
    """A digest of it; empty if all that runs is of packages."""
    return own_digest(own_parts(study))


def own_parts(study: Study) -> list[Any]:
    """What of a study can be somebody's own: models, functions, starts and arguments."""
    functions = [study.model, *(start.model for start in study.inits), study.loss, study.metric]
    recipes = [(start.recipe, start.rules) for start in study.inits if start.plan is None]
    return [*functions, *study.arguments.values(), study.activation, *recipes]
