"""The Plan: one Choice for each parameter."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any

from ._decisions import Choice, Decisions, from_source
from ._edge import edge_for, edge_of
from ._errors import PlanError, UnknownNameError, counted
from ._printable import printable
from ._report import Report, Reported
from ._rule import shown
from ._spec import unknown_name

# What shows, compares and stores a plan is imported by the method that needs it: `import initium` stays light.
if TYPE_CHECKING:
    from pandas import DataFrame

    from ._calibration import Calibration
    from ._decisions._diff import PlanDiff
    from ._ledger import Ledger
    from ._verification import Verification
    from ._written import Written


@dataclass(frozen=True)
class Plan(Reported, Decisions):
    """One Choice for each parameter, in the model's order. It prints as a table, repeated blocks folded.

    `plan["head.weight"]` is the choice of one parameter, `"head.weight" in plan` whether there is one, `len(plan)` how
    many there are; a loop over the plan goes through its choices.

    Attributes:
        choices: the decisions.
        recipe: the spec of what decided where no rule of the user did.
        notes: what a reader must know besides.
        buffers: what a checkpoint holds beside the parameters.
        version: of the recipe; None for an initialiser.
        remakes: whether what the constructor drew is drawn anew where it has numbers already.
        origin: the checkpoint that it was made from, and what is left out of that; None if there is none.
    """

    @classmethod
    def of(cls, decisions: Decisions) -> "Plan":
        """What was decided, with the verbs of a plan."""
        return cls(**{one.name: getattr(decisions, one.name) for one in fields(decisions)})

    def __repr__(self) -> str:
        return f"<Plan: {counted(len(self.choices), 'parameter')}, recipe {printable(self.recipe or 'none')}>"

    def __len__(self) -> int:
        return len(self.choices)

    def __iter__(self) -> Iterator[Choice]:
        return iter(self.choices)

    def __contains__(self, path: object) -> bool:
        return path in self._by_name or path in self.choices

    def __getitem__(self, path: str) -> Choice:
        """The choice of one parameter.

        Args:
            path: its dotted name, or a name that it is tied to.

        Raises:
            UnknownNameError: which is a KeyError, with the nearest name there is.
        """
        if not isinstance(path, str):
            raise UnknownNameError(f"A parameter goes by its dotted name, such as 'fc.weight', not {shown(path)}.")
        if path not in self._by_name:
            raise unknown_name("parameter", path, self._by_name, "Print the plan to see them all.")
        return self._by_name[path]

    @cached_property
    def _by_name(self) -> dict[str, Choice]:
        return {name: choice for choice in self.choices for name in (*choice.param.tied, choice.path)}

    def report(self) -> Report:
        """The table that is printed, as data.

        Returns:
            Repeated blocks folded, numbers to three digits, and what it sums up to; `save` of it writes a page.

        Example:
            >>> print(Plan(()).report())
            0 parameters.
            Recipe: none.
        """
        from ._decisions._present import present

        return present(self)

    def explain(self, path: str) -> str:
        """Everything that is known of one parameter: its axes and fans, what feeds it, how it starts and why.

        Args:
            path: its dotted name, or a name that it is tied to.

        Raises:
            UnknownNameError: with the nearest name there is.

        Example:
            >>> from torch import nn
            >>> from initium import plan
            >>> print(plan(nn.Sequential(nn.Linear(30, 64)), "he_normal").explain("0.weight").splitlines()[0])
            0.weight
        """
        from ._decisions._story import story

        return story(self[path])

    def to_pandas(self) -> "DataFrame":
        """The plan as a table of pandas, a row for each parameter.

        Returns:
            A DataFrame with `path` as its index, and the columns `start`, `because`, `by`, `how`, `role`, `shape`,
            `dtype`, `lr` and `rule`.

        Raises:
            MissingExtraError: if pandas is not installed.
        """
        from ._decisions._rows import COLUMNS, rows
        from ._report._frame import frame

        return frame(rows(self), COLUMNS)

    def diff(self, other: "Plan") -> "PlanDiff":
        """How another plan differs from this one: parameters, shapes, starts, learning rates and reasons.

        Args:
            other: of the same model, or of another.

        Raises:
            PlanError: if it is no plan.

        Example:
            >>> plan = Plan(())
            >>> print(plan.diff(plan))
            The plans are the same.
        """
        if not isinstance(other, Plan):
            raise PlanError(f"A plan is compared with another Plan, not with {shown(other)}.")
        from ._decisions._diff import diff

        return diff(self, other)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the plan as JSON that a person can read and edit, whole or not at all.

        Args:
            path: of a new file, or of one that `save` wrote.

        Raises:
            OutputError: if it cannot be written there.
            PlanError: if a start is not of the catalogue, so that no file can hold it.
        """
        from ._decisions._store import write

        write(self, path)

    @classmethod
    def load(cls, path: str | PathLike[str], *, source: str | PathLike[str] | None = None) -> "Plan":
        """Read a plan that was saved; it equals the one that was.

        A checkpoint that lay beside the plan's file, or below, is looked for there again, wherever both were moved to.

        Args:
            path: of the file, or of a manifest, whose seed and digests are checked and not kept. A relative path in it
                is one from where it lies.
            source: where the checkpoint lies by now that the plan begins from; None is where the plan says.

        Raises:
            PlanError: naming every place that cannot be read; or if there is a source and the plan begins from none.
            CheckpointError: if there is no such source.
        """
        from ._checkpoint import read

        decisions, _ = read(path)
        return cls.of(decisions if source is None else from_source(decisions, source))

    def apply(self, model: Any, *, seed: int = 0, device: Any = None, partial: bool = False) -> "Ledger":
        """Fill a model's parameters in place; what is drawn for each depends on the seed and its path alone.

        All is checked before the first is touched. What is on meta gets its memory here and is written once; ties stay,
        its buffers are computed, and what the plan keeps is made as the constructor would have. If something fails in
        the middle, or on Ctrl-C, that is on meta again; of what had memory, some may be written: apply the plan once
        more. Until then `diagnose`, `calibrate`, and a plan that would leave it so, refuse the model.

        Of a weight that is sharded, as a DTensor, each process writes the part that it holds, with the numbers that it
        has in the whole, and asks no other. What is computed as a whole, such as an orthogonal matrix, is computed on
        each.

        Args:
            model: the one that was planned, or another of the same parameters.
            seed: from 0 to 2^64 - 1. What a parameter is scaled by depends on the plan.
            device: where what is on meta gets its memory; None is the kind of device of the meshes of DTensors, if
                there are any, else the framework's default.
            partial: whether the model may lack parameters of the plan, as one stage of a pipeline does. Its names must
                be those of the whole model.

        Returns:
            What was filled, tied and left as built, by which rule, and which buffers were computed.

        Raises:
            PlanError: listing every difference, if the model has other parameters; then no weight was touched.
            ModelError: naming every parameter that no fill writes, or everything that would stay uninitialised.
            SpecError: naming every parameter whose numbers leave its dtype.
            SettingError: if the seed is out of range, or the device is meta.

        Example:
            >>> from torch import nn
            >>> from initium import plan
            >>> model = nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 2))
            >>> print(plan(model, "he_normal").apply(model, seed=0).filled[0].path)
            0.weight
        """
        return edge_of(model).apply(self, model, seed=seed, device=device, partial=partial)

    def write(self, path: str | PathLike[str], *, seed: int = 0, shards: int = 1) -> "Written":
        """Draw all numbers to disk as safetensors, in constant memory and without a model; whole or not at all.

        A tied parameter is written once. Ctrl-C, a full disk or a kill leave no file under the name that was asked
        for, and an older one as it was. A start that is computed as a whole, such as `orthogonal`, takes the memory of
        its weight.

        Args:
            path: ends in `.safetensors`; a new file, or one that `write` wrote.
            seed: from 0 to 2^64 - 1.
            shards: in how many files, of about the same size; with two or more there is PATH.index.json besides, as
                Hugging Face's libraries read it, and it is written last.

        Returns:
            Which files, which tensors, their SHA-256, and what was left out.

        Raises:
            PlanError: naming every parameter whose numbers the plan does not know.
            SpecError: naming every parameter whose numbers leave its dtype.
            OutputError: if it cannot be written there.
            SettingError: if the seed is out of range, `shards` is no number of files, or `path` no path.
        """
        from ._checkpoint import write

        return write(self, path, seed=seed, shards=shards)

    def verify(
        self, path: str | PathLike[str], seed: int = 0, *, manifest: str | PathLike[str] | None = None
    ) -> "Verification":
        """Draw all numbers once more, and compare them with a checkpoint bit by bit.

        The numbers of matrix products (`orthogonal`) may be off by 1e-5, and those of functions such as the sine by
        the last bit; they are then reported: these bits depend on the machine. A manifest tells them too.

        Args:
            path: of a safetensors file, or of the index of several.
            seed: that it should have been drawn with.
            manifest: path of the file that `manifest` gave the text of.

        Returns:
            The first difference of each tensor; true if there is none.

        Raises:
            PlanError: as `write`; or if the manifest is none, or of another seed.
            DataError: if there is no such file or it cannot be read.
        """
        from ._checkpoint import read_for, verify

        told = None if manifest is None else read_for(manifest, seed)
        return verify(self, path, seed=seed, manifest=told)

    def digest(self, seed: int = 0) -> str:
        """One hash of all that is drawn: two checkpoints with the same digest are the same, in however many files.

        It is the SHA-256, in hexadecimal digits, of this text in UTF-8: the line `initium stream 1`, and then sorted
        as text the lines `PATH DTYPE SHAPE SHA256` of all tensors and `NAME is PATH` of all tied names. DTYPE is as in
        the file (`F32`), SHAPE as Python prints a list (`[768, 3072]`), SHA256 that of the tensor's bytes in the file.

        Args:
            seed: from 0 to 2^64 - 1.

        Raises:
            PlanError: as `write`.

        Example:
            >>> from torch import nn
            >>> from initium import plan
            >>> plan(nn.Linear(2, 1), "he_normal").digest(seed=0)[:16]
            '3013c2f0a2c2cf77'
        """
        from ._checkpoint import digest

        return digest(self, seed=seed)

    def manifest(self, seed: int = 0, *, sha256: Mapping[str, str] | None = None) -> str:
        """The plan as JSON, with all that is needed to make every bit again and to know it.

        That is beside the plan: the seed, the version of the stream, of each tensor the fans and the SHA-256, the
        digest of them all, and which versions of Python and its libraries wrote it. `Plan.load` reads it too, and
        `initium verify` takes the seed from it.

        Args:
            seed: from 0 to 2^64 - 1.
            sha256: of each tensor, as `write` returns them; None draws everything to find them.

        Raises:
            PlanError: as `write`; if a start is not of the catalogue, so that no file can hold it; or if `sha256` is
                not of these tensors.
        """
        from ._checkpoint import manifest

        return manifest(self, seed=seed, sha256=sha256)

    def calibrate(self, model: Any, batch: Any) -> "Calibration":
        """Rescale each weight, in one forward pass, so that what it gives has the second moment that is meant.

        That is what the plan says; where it says nothing, 1, and 1 / depth for the last weight of a residual branch.
        The pass rescales a weight's output on the fly as it is met, so that the next weight sees what it will see. A
        bias is not rescaled nor counted; of a weight norm the length is rescaled. A second pass then measures what was
        reached. The model runs in evaluation mode, but a normalisation over the batch takes its statistics from this
        batch; buffers and random state stay as they were.

        It holds for this batch. Deep unnormalised nets of gelu, silu or mish drift from it on other data, the more the
        smaller the batch: 50 dense layers of width 512 and gelu, calibrated on 128 samples, gave 128 others 0.50.

        Args:
            model: that the plan was applied to.
            batch: real inputs: a tensor, a tuple of arguments, or a dict of keyword arguments.

        Raises:
            PlanError: if the model has other parameters than the plan.
            ModelError: if the batch is empty or holds NaN, the model fails on it, or a layer gives zeros or no numbers;
                nothing is changed then.

        Example:
            >>> import torch
            >>> from torch import nn
            >>> from initium import initialize
            >>> model = nn.Sequential(nn.Linear(30, 64), nn.GELU(), nn.Linear(64, 64), nn.GELU(), nn.Linear(64, 2))
            >>> found = initialize(model, seed=0, recipe="he_normal").calibrate(model, torch.randn(100, 30))
            >>> [round(weight.after, 3) for weight in found.weights]
            [1.0, 1.0]
        """
        return edge_for(model, "calibrate").calibrate(self, model, batch)

    def param_groups(self, model: Any, *, lr: float, weight_decay: float = 0.0, **options: Any) -> list[dict[str, Any]]:
        """The model's parameters in groups for an optimiser, by the learning rate that the recipe asks for.

        Args:
            model: that the plan was made for.
            lr: of a parameter whose multiplier is 1; the others' is multiplied.
            weight_decay: of a parameter whose multiplier is 1. It is divided by the others: optimisers multiply it by
                the learning rate, and what is taken from a weight at a step stays the same in each group. It stands in
                each group, so an optimiser's own default, 0.01 of AdamW, does not hold.
            options: of every group, such as `betas`.

        Raises:
            PlanError: if the model has other parameters than the plan.

        Differs: PyTorch's own Adam (not AdamW) adds its weight decay to the gradient, whose size does not matter to it;
            there the division makes decay as strong beside the gradient as muP's own optimisers do.

        Reference: Yang et al., "Tensor Programs V", 2022, appendix B.3. https://arxiv.org/abs/2203.03466

        Example:
            >>> import torch
            >>> from initium import plan
            >>> model = torch.nn.Linear(3, 2)
            >>> groups = plan(model, "he_normal").param_groups(model, lr=0.1, weight_decay=0.01)
            >>> _ = torch.optim.AdamW(groups)
            >>> [(group["name"], group["lr"], len(group["params"])) for group in groups]
            [('lr x 1', 0.1, 2)]
        """
        return edge_for(model, "param_groups").param_groups(self, model, lr=lr, weight_decay=weight_decay, **options)
