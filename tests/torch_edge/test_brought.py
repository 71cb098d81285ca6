"""Models as people bring them, planned without an example: whole tables, to be read."""

import math

import pytest
import torch
from torch import nn

import initium


class PhysicsInformed(nn.Module):
    """Differentiates what it gives by what it is given."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))

    def forward(self, x):
        x = x.requires_grad_(True)
        u = self.net(x)
        return u, torch.autograd.grad(u.sum(), x, create_graph=True)[0]


class LowRank(nn.Module):
    """A frozen layer, and a product of two beside it that starts at zero."""

    def __init__(self, base, rank=4):
        super().__init__()
        self.base = base.requires_grad_(False)
        self.A = nn.Parameter(torch.empty(rank, base.in_features))
        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))
        self.B = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, x):
        return self.base(x) + (x @ self.A.T @ self.B.T) * 2.0


class Actor(nn.Module):
    """Of TD3: actions between -1 and 1."""

    def __init__(self):
        super().__init__()
        self.l1, self.l2, self.l3 = nn.Linear(17, 256), nn.Linear(256, 256), nn.Linear(256, 6)

    def forward(self, state):
        return torch.tanh(self.l3(torch.relu(self.l2(torch.relu(self.l1(state))))))


PLANS = {
    PhysicsInformed: """
parameter       start               because
--------------------------------------------------------------------------------
net.0.weight    normal(std=0.707)   after data: gain 1, fan_in 2
net.0,2,4.bias  zeros               bias
net.2.weight    normal(std=0.282)   after tanh: gain 1.593, fan_in 32
net.4.weight    normal(std=0.0741)  head of 1: output, kept small, second moment
                                    log(2)/10

6 parameters: 3 drawn, 3 constant.
Recipe: auto (version 2).
* the input was made up: `x` float32 (2, 2); data are taken to have second
  moment 1
* traced with gradients on, because without them it raises RuntimeError: element
  0 of tensors does not require grad and does not have a grad_fn""",
    lambda: nn.Sequential(LowRank(nn.Linear(16, 32)), nn.ReLU(), LowRank(nn.Linear(32, 10))): """
parameter        start             because
--------------------------------------------------------------------------------
0.A              normal(std=0.25)  after data: gain 1, fan_in 16
0,2.B            framework         zero on purpose: training moves it
0,2.base.weight  framework         frozen
0,2.base.bias    framework         frozen
2.A              normal(std=0.25)  after relu: gain 1.414, fan_in 32

8 parameters: 2 drawn, 6 left as built.
Recipe: auto (version 2).
* the input was made up: `input` float32 (2, 16); data are taken to have second
  moment 1""",
    Actor: """
parameter  start               because
--------------------------------------------------------------------------------
l1.weight  normal(std=0.243)   after data: gain 1, fan_in 17
l1.bias    zeros               bias
l2.weight  normal(std=0.0884)  after relu: gain 1.414, fan_in 256
l2.bias    zeros               bias
l3.weight  normal(std=0.0374)  head of 6: output, kept small, second moment
                               log(6)/10
l3.bias    zeros               bias

6 parameters: 3 drawn, 3 constant.
Recipe: auto (version 2).
* the input was made up: `state` float32 (2, 17); data are taken to have second
  moment 1""",
}


@pytest.mark.parametrize("build", PLANS)
def test_a_model_is_planned_as_it_is_brought(build):
    model = build()
    assert str(initium.initialize(model)) == PLANS[build][1:]
