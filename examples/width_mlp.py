"""muP against PyTorch's own start, with one learning rate for all widths: which sizes go with the width."""

from torch import nn

import initium


def build(width: int) -> nn.Module:
    """A classifier whose hidden layers are as wide as they are told; what it takes in and gives is not."""
    return nn.Sequential(
        *(nn.Linear(64, width), nn.ReLU()),
        *(nn.Linear(width, width), nn.ReLU()),
        *(nn.Linear(width, width), nn.ReLU()),
        nn.Linear(width, 10),
    )


if __name__ == "__main__":
    for recipe in ("mup", "framework"):
        print(initium.coordinate_check(build, recipe=recipe), end="\n\n")
