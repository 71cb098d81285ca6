"""compare(): train every start on the same data and say which is better."""

from collections.abc import Callable, Sequence
from typing import Any

from .._draw import num_threads
from .._engine import Engine, Processes, decided, trained
from .._progress import progress as bar
from .._recipes import Recipe, parse_recipe
from .._study._data import Data, load_data
from .._study._study import Study, check_whole
from ..init import Initialiser
from ._comparison import Comparison


def compare(
    model: str | Callable[[], Any],
    data: str | Data | Sequence[Any],
    *,
    inits: Sequence[str | Initialiser | Recipe],
    seeds: int = 20,
    epochs: int = 20,
    batch_size: int = 32,
    lr: float = 0.1,
    optimizer: str = "sgd",
    activation: str = "relu",
    seed: int = 0,
    order_seed: int = 0,
    split_seed: int = 0,
    standardise: bool = True,
    jobs: int | None = None,
    engine: Engine | None = None,
    progress: bool = True,
) -> Comparison:
    """Train a network from several starts, in paired runs, and test which is better.

    Run r of every start sees the same order of samples and the same underlying random draws, so
    that `he_normal` and `glorot_normal` differ by scale alone (`framework`, which draws by itself,
    shares the order only). The paired differences of the final
    test score are tested by permuting their signs and corrected for the number of pairs (Holm); a
    winner is named only if that carries it.

    Args:
        model: `"mlp"` (two hidden layers, 128 and 64), `"mlp(10, 20, 2)"`, or a function without
            arguments that returns a new `torch.nn.Module`.
        data: `"digits"`, `"breast_cancer"`, `"wine"`, `"iris"` or `"diabetes"`, narrowed as in
            `"diabetes(features=5)"`; the path of a `.npz` file; or arrays or tensors
            `(x_train, y_train, x_test, y_test)`. Whole-number or text labels are classes, floating
            ones a regression, whose targets are standardised like the features.
        inits: at least two starts, as specs (`"he_normal"`, `"he_normal bias=0.1"`) or
            initialisers.
        seeds: runs of each start, 2 or more.
        epochs: passes over the training split.
        batch_size: samples a step; a last, smaller batch is trained on as well.
        lr: learning rate.
        optimizer: `"sgd"` (no momentum) or `"adam"`.
        activation: of a built-in model.
        seed: run r draws its weights under seed + r.
        order_seed: run r orders its samples (and drops out) under order_seed + r.
        split_seed: of the split of a built-in data set.
        standardise: give each feature zero mean and unit std over the training split. (The pixels of
            `"digits"` share one mean and one std, as images usually do.)
        jobs: processes; as many as there are processors unless said.
        engine: what trains the runs; None is `jobs` processes of this machine.
        progress: show a progress bar on stderr.

    Returns:
        A Comparison. After Ctrl-C it holds what had finished, and `interrupted` is true.

    Raises:
        InitiumError: naming what is wrong with the model, data, starts or settings, before any
            training.
        KeyboardInterrupt: if Ctrl-C came before two runs of every start had finished.

    Example:
        >>> result = compare("mlp(4, 8, 3)", "iris", inits=["he_normal", "zeros"],
        ...                  seeds=2, epochs=1, progress=False)
        >>> sorted(result.runs)
        ['he_normal', 'zeros']
    """
    jobs = num_threads() if jobs is None else jobs
    check_whole("jobs", jobs, 1)
    check_whole("split_seed", split_seed, 0)
    study = Study(
        model=model,
        data=load_data(data, split_seed=split_seed, standardise=standardise),
        recipes=tuple(parse_recipe(spec) for spec in ([inits] if isinstance(inits, str) else inits)),
        seeds=seeds,
        epochs=epochs,
        batch_size=batch_size,
        lr=lr,
        optimizer=optimizer,
        activation=activation,
        seed=seed,
        order_seed=order_seed,
    )
    starts = decided(study)
    with bar("training runs", seeds * len(study.recipes), shown=progress) as on_run:
        runs, interrupted = trained(study, starts, engine or Processes(jobs), on_run=on_run)
    comparison = Comparison(study, runs, interrupted)
    if comparison.num_runs < 2:
        raise KeyboardInterrupt("Interrupted before two runs of every start had finished")
    return comparison
