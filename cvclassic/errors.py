"""The errors that cvclassic raises on purpose. Each message says what was found and what to do about it."""


class CVClassicError(Exception):
    """Any error that cvclassic raises on purpose."""


class InputError(CVClassicError, ValueError):
    """An argument, option or array that can't be used as it is."""


class DataError(InputError):
    """A data set that is missing, damaged or not what it claims to be."""


class MissingDependencyError(CVClassicError, ImportError):
    """A part of cvclassic needs a library, or a part of one, that this environment lacks."""
