"""One batch, forward and backward, through a PyTorch model at step zero."""

from ._diagnose import diagnose as diagnose
