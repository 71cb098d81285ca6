"""The recipes: a start for a whole model, under one name."""

from ._list import recipes as recipes
from ._recipe import Recipe as Recipe
from ._recipe import by_name as by_name
