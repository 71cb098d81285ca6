"""The PyTorch program of every tutorial, with one import changed.

A small CNN on scikit-learn's handwritten digits. `weights_init` says how each kind of layer starts, and
`model.apply` carries it to all of them. Only the line marked below differs from the original.
"""

import torch
from sklearn.datasets import load_digits
from torch import nn

from initium.torch import init  # was: from torch.nn import init


class Net(nn.Module):
    """Two convolutions and two linear layers."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.fc1 = nn.Linear(32 * 4 * 4, 64)
        self.fc2 = nn.Linear(64, 10)

    def forward(self, x):
        """Logits `(sample, class)` of images `(sample, 1, 8, 8)`."""
        x = torch.relu(self.conv1(x))
        x = torch.max_pool2d(torch.relu(self.conv2(x)), 2)
        return self.fc2(torch.relu(self.fc1(x.flatten(1))))


def weights_init(layer):
    """How each kind of layer starts."""
    if isinstance(layer, nn.Conv2d):
        init.kaiming_uniform_(layer.weight, nonlinearity="relu")
        init.constant_(layer.bias, 0.1)
    elif isinstance(layer, nn.Linear):
        init.xavier_uniform_(layer.weight)
        init.constant_(layer.bias, 0.1)


def main():
    """Train for five epochs and print the share of test images that are read right."""
    torch.manual_seed(0)
    images, labels = load_digits(return_X_y=True)
    x = torch.tensor(images / 16, dtype=torch.float32).reshape(-1, 1, 8, 8)
    y = torch.tensor(labels)
    model = Net()
    model.apply(weights_init)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
    for epoch in range(5):
        for batch in torch.randperm(1500).split(32):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x[batch]), y[batch])
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch + 1}: loss {loss.item():.3f}")
    with torch.no_grad():
        right = (model(x[1500:]).argmax(1) == y[1500:]).float().mean()
    print(f"test accuracy {100 * right:.1f} %")


if __name__ == "__main__":
    main()
