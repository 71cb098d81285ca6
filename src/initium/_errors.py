"""Every error a user can meet, under one base class."""


class InitiumError(Exception):
    """Anything Initium refuses to do, said in a sentence a user can act on."""


class SpecError(InitiumError, ValueError):
    """A text that names an initialiser, a model or a data set cannot be read."""


class UnknownNameError(InitiumError, ValueError):
    """A name that is in no table."""


class ShapeError(InitiumError, ValueError):
    """An initialiser was asked of a weight whose axes it cannot use."""


class DataError(InitiumError, ValueError):
    """The data cannot be trained on."""


class ModelError(InitiumError, ValueError):
    """The model cannot be read, or does not fit the data."""


class SettingError(InitiumError, ValueError):
    """A number or a choice outside what a study can use."""


class OutputError(InitiumError, RuntimeError):
    """A file cannot be written where it was asked for."""


class MissingExtraError(InitiumError, RuntimeError):
    """A part of Initium needs a package that is not installed."""
