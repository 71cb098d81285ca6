"""A parameter's name as the stream knows it."""


def plain_path(path: str) -> str:
    """A path without the prefixes that wrappers add: a wrapped model starts like the bare one."""
    for wrapper in ("module.", "_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module."):
        path = path.replace(f".{wrapper}", ".").removeprefix(wrapper)
    return path
