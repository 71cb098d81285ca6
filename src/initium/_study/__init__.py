"""What is compared, on which data, and what one run showed."""

from ._study import Study as Study
