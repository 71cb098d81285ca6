"""meant: the setting that a name that is none may stand for."""

from collections.abc import Iterable

from ._study import SETTINGS

# What other tools call the settings of a study; an ending or a beginning of one is found without being listed.
_ELSEWHERE = {
    **dict.fromkeys(("learning_rate", "eta", "step_size"), "lr"),
    **dict.fromkeys(("batch", "bs", "minibatch", "batches"), "batch_size"),
    **dict.fromkeys(("opt", "solver"), "optimizer"),
    **dict.fromkeys(("runs", "repeats", "repetitions", "trials", "replicates"), "seeds"),
    **dict.fromkeys(("iterations", "iters", "updates"), "steps"),
    **dict.fromkeys(("wd", "l2", "decay"), "weight_decay"),
    **dict.fromkeys(("layers", "hidden_layers", "blocks"), "depth"),
    **dict.fromkeys(("units", "hidden_units", "neurons", "hidden_size"), "width"),
    **dict.fromkeys(("nonlinearity", "act"), "activation"),
    **dict.fromkeys(("scheduler", "lr_scheduler"), "schedule"),
    **dict.fromkeys(("grad_clip", "max_norm", "max_grad_norm", "gradient_clip_val"), "clip"),
    **dict.fromkeys(("folds", "cv", "kfold"), "splits"),
    **dict.fromkeys(("label", "y", "column"), "target"),
    **dict.fromkeys(("criterion", "objective"), "loss"),
    **dict.fromkeys(("score", "scoring"), "metric"),
    **dict.fromkeys(("random_state", "manual_seed"), "seed"),
    **dict.fromkeys(("normalize", "normalise", "standardize", "scale"), "standardise"),
    **dict.fromkeys(("dataset", "data_set"), "data"),
    **dict.fromkeys(("network", "net", "arch", "architecture"), "model"),
    **dict.fromkeys(("init", "starts", "initializers", "initialisers"), "inits"),
    **dict.fromkeys(("workers", "processes", "num_workers", "n_jobs", "threads"), "jobs"),
    **dict.fromkeys(("timeout", "time_limit"), "limit"),
    **dict.fromkeys(("db", "database"), "store"),
}
# What `compare` takes beside a study: what is done with it, and how it is looked at.
BESIDE = (
    *("store", "resume", "jobs", "limit", "chunk", "memory", "margin", "precision", "budget"),
    *("engine", "address", "cpus"),
)
COMMAND = ("show", "export", "out", "save_study", "yes")  # what the command alone takes
_COUNTS = ("n_", "num_", "max_", "number_of_")


def meant(name: str, others: Iterable[str] = ()) -> str:
    """The setting, or one of some other names, that a name is nearest to; empty if none is near."""
    import difflib  # rarely needed, and slow to import

    whole = name.lower().replace("-", "_")
    plain = next((whole.removeprefix(one) for one in _COUNTS if whole.startswith(one)), whole)
    if elsewhere := _ELSEWHERE.get(whole) or _ELSEWHERE.get(plain):
        return elsewhere
    known = [*others, *SETTINGS, *BESIDE]
    if begun := [one for one in known if len(plain) > 2 and one.startswith(plain)]:
        return begun[0]
    near = difflib.get_close_matches(plain[:100], known, n=1, cutoff=0.75)
    return near[0] if near else ""
