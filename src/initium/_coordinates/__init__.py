"""Coordinates: how the size of what each weight gives goes with the width of a model."""

from ._check import CoordinateCheck as CoordinateCheck
from ._slope import BAND as BAND
from ._slope import Slope as Slope
from ._slope import slopes as slopes
