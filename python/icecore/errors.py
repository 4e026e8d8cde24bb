"""Errors of Icecore: one exception per code, each with the engine's own text.

Every one is an :class:`IcecoreError` with ``code``, the name that ``--json`` and HTTP answers show.
"""
from __future__ import annotations


class IcecoreError(Exception):
    """What failed, in the engine's words: file and line, the thing, what was expected, the nearest name."""

    code: str = "internal"
    #: Whether the same call can succeed later without a change of ours.
    retryable: bool = False


class InvalidDefinition(IcecoreError, ValueError):
    """A file, SQL text or expression of the project is wrong, or was not applied."""

    code = "invalid_definition"


class InvalidArgument(IcecoreError, ValueError):
    """An argument is wrong, or a column of the data given is missing or of another type."""

    code = "invalid_argument"


class ContractViolation(IcecoreError):
    """Data broke a contract or check that stops the run."""

    code = "contract_violation"


class BadInput(IcecoreError, ValueError):
    """Bytes cannot be read as what they are declared to be."""

    code = "bad_input"


class NotFound(IcecoreError, LookupError):
    """The thing named does not exist; the text has the nearest name."""

    code = "not_found"


class Conflict(IcecoreError):
    """Somebody else changed the same thing first."""

    code = "conflict"
    retryable = True


class OutcomeUnknown(IcecoreError):
    """A commit may or may not have happened; look before you try again."""

    code = "outcome_unknown"


class Unavailable(IcecoreError):
    """A service, a lock or a resource is not there now."""

    code = "unavailable"
    retryable = True


class Denied(IcecoreError, PermissionError):
    """A policy or the file system forbids it."""

    code = "denied"


class Corrupt(IcecoreError):
    """Stored bytes are not what was written."""

    code = "corrupt"


class Unsupported(IcecoreError, NotImplementedError):
    """A valid thing that this version cannot do, named."""

    code = "unsupported"


class Limit(IcecoreError):
    """A limit on size, time or count was reached."""

    code = "limit"


class Internal(IcecoreError):
    """A bug of Icecore."""

    code = "internal"


class DamagedValuesWarning(UserWarning):
    """Some values could not be read: they are null, with the status ``error``; ``Vectors.errors`` says which."""


class RunFailed(IcecoreError):
    """Steps of a run failed, or its rows do not add up; ``report`` says which and why."""

    code = "run_failed"

    def __init__(self, message: str, report: dict):
        super().__init__(message)
        self.report = report


BY_CODE: dict[str, type[IcecoreError]] = {
    error.code: error
    for error in (InvalidDefinition, InvalidArgument, ContractViolation, BadInput, NotFound, Conflict, OutcomeUnknown,
                  Unavailable, Denied, Corrupt, Unsupported, Limit, Internal)
}
