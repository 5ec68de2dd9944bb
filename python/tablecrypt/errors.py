"""What can go wrong, and who can put it right: one class a variant of the Rust library's error, of the same name.

Those that the caller's arguments cause are ValueErrors too, and Io is an OSError.
"""

import contextlib
import sys
from datetime import datetime

__all__ = [
    "AccessDenied",
    "Closed",
    "InvalidName",
    "InvalidRequest",
    "InvalidTag",
    "Io",
    "KeyDisabled",
    "KeyFileCorrupt",
    "KeyNotFound",
    "KeyPendingDeletion",
    "KeyUnavailable",
    "NoRandom",
    "NoSuchStructure",
    "NoSuchTable",
    "OutputTooShort",
    "Overlap",
    "TableExists",
    "TablecryptError",
    "TooLong",
    "Truncated",
    "Unauthentic",
    "UnknownKey",
    "UnknownVersion",
    "WrongContext",
]


class TablecryptError(Exception):
    """What every exception of tablecrypt is."""

    __module__ = "tablecrypt"

    def __init_subclass__(cls) -> None:
        # Where callers find them.
        cls.__module__ = "tablecrypt"


class AccessDenied(TablecryptError):
    """The KMS denies this caller the use of the key; whoever writes the key's policy decides."""


class Closed(TablecryptError):
    """The connection was closed; open another."""


class InvalidName(TablecryptError, ValueError):
    """A name is not 1 to 255 of A-Z a-z 0-9 _ - . or stands twice; choose another."""

    name: str


class InvalidRequest(TablecryptError, ValueError):
    """The KMS cannot do this with this key in its state, or with this argument."""


class InvalidTag(TablecryptError):
    """AESGCM: wrong key, nonce or associated data, or changed bytes.

    Where cryptography.exceptions is loaded when one is raised, it is a subclass of that module's InvalidTag as well, and
    what catches that catches this. tablecrypt never loads it.
    """


class Io(TablecryptError, OSError):
    """A file cannot be read or written; whoever owns the machine repairs that. Its errno and filename say more."""


class KeyDisabled(TablecryptError):
    """The KMS key is disabled; its administrator enables it."""


class KeyFileCorrupt(TablecryptError):
    """The table's key file is damaged, forged, or unreadable to its KMS key; restore it or the one before it."""

    path: str


class KeyNotFound(TablecryptError):
    """The KMS has no such key: it was never made there, or it is destroyed."""


class KeyPendingDeletion(TablecryptError):
    """The KMS key waits for its destruction; its administrator can still cancel that."""


class KeyUnavailable(TablecryptError):
    """The KMS cannot be reached, and the last permission has run out; try again when it is back."""

    since: datetime


class NoRandom(TablecryptError):
    """The operating system gave no random bytes; whoever owns the machine repairs that."""


class NoSuchStructure(TablecryptError):
    """The table has no structure of this name; name one that it was created with."""

    name: str


class NoSuchTable(TablecryptError):
    """There is no table of this name; create it or name another."""

    table: str


class OutputTooShort(TablecryptError, ValueError):
    """The output buffer is too short; give one of `needed` bytes."""

    needed: int


class Overlap(TablecryptError, ValueError):
    """The output overlaps an input; give a buffer of its own."""


class TableExists(TablecryptError):
    """There is a table of this name already; open it or choose another name."""

    table: str


class TooLong(TablecryptError, ValueError, OverflowError):
    """The text or its context is longer than AES-256-GCM allows; split it."""


class Truncated(TablecryptError):
    """The record is shorter than any record; whoever stored it lost its end."""


class Unauthentic(TablecryptError):
    """The record is not what was sealed here with this context: changed, moved, or of another table or structure."""


class UnknownKey(TablecryptError):
    """The record names a data key that this structure does not have; it is another's, or its key was dropped."""

    number: int


class UnknownVersion(TablecryptError):
    """The record or key file is of a version that this library does not know; take a newer one."""

    version: int


class WrongContext(TablecryptError):
    """The key file is of another table or subscriber: its root key was wrapped with another encryption context."""


def _invalid_tag(message: str) -> InvalidTag:
    """What a wrong tag raises: docs/decisions/0025."""
    theirs = getattr(sys.modules.get("cryptography.exceptions"), "InvalidTag", None)
    if isinstance(theirs, type) and issubclass(theirs, Exception) and not issubclass(InvalidTag, theirs):
        # A class of another shape cannot be a base, and is not cryptography's.
        with contextlib.suppress(TypeError):
            InvalidTag.__bases__ = (*InvalidTag.__bases__, theirs)
    return InvalidTag(message)
