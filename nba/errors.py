"""Every error and warning raised on purpose."""


class NBAError(Exception):
    """The root of all errors that nba raises on purpose."""


class TableError(NBAError, ValueError):
    """A table does not fit its schema; the message lists every fault found.

    Attributes
    ----------
    faults : tuple of str
        One sentence a fault: column, count, first row, and what to do.
    """

    def __init__(self, message: str, *, faults: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.faults = faults


class TableTypeError(NBAError, TypeError):
    """Something that is not a table was handed in as one."""


class ArgumentError(NBAError, ValueError):
    """An argument is outside what the function can work with."""


class NotFittedError(NBAError, ValueError, AttributeError):
    """The object has to be fitted before it can answer."""


class UnknownHCPError(NBAError, LookupError):
    """An HCP is asked for that the tables do not hold."""


class UnknownActionError(NBAError, LookupError):
    """A channel, content or (channel, content) pair is not in the catalogue."""


class SelectionError(NBAError, ValueError):
    """Selection probabilities are missing, outside (0, 1], or do not sum to one."""


class OutcomeError(NBAError, ValueError):
    """Outcomes cannot be learned from: unknown, conflicting or out of range."""


class BundleError(NBAError, ValueError):
    """A saved model is incomplete, altered, newer than this library, or not a bundle."""


class LogError(NBAError, RuntimeError):
    """The decision log cannot be read or written; no decision was handed out."""


class LogConflictError(LogError, ValueError):
    """The log already holds something else under the same key."""


class CheckError(NBAError, AssertionError):
    """What was handed to a check of ``nba.testing`` does not hold what it has to."""


class NBAWarning(UserWarning):
    """Something was defined away: the message says what was found and what was done."""
