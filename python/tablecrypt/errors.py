"""What can go wrong, and who can put it right: one class a variant of the Rust library's error, of the same name.

Those that the caller's arguments cause are ValueErrors too, and Io is an OSError. Where a KMS in Python or a boto3 client had a part
in it, what that raised is the __cause__.
"""

import contextlib
import sys
from datetime import datetime

__all__ = [
    "AccessDenied",
    "AlreadyUnderKmsKey",
    "Closed",
    "GenerationInUse",
    "Indispensable",
    "InvalidName",
    "InvalidRequest",
    "InvalidSetting",
    "InvalidTag",
    "Io",
    "KeyDisabled",
    "KeyFileBusy",
    "KeyFileCorrupt",
    "KeyNotFound",
    "KeyPendingDeletion",
    "KeyUnavailable",
    "KmsFailed",
    "Locked",
    "NoRandom",
    "NoSuchKmsKey",
    "NoSuchStructure",
    "NoSuchTable",
    "NotBuilt",
    "OutputTooShort",
    "Overlap",
    "StructureExists",
    "TableExists",
    "TablecryptError",
    "Throttled",
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


class AlreadyUnderKmsKey(TablecryptError):
    """The table is under this KMS key already, beside the one that was to be replaced; remove that one."""

    key: str


class Closed(TablecryptError):
    """The connection was closed; open another."""


class GenerationInUse(TablecryptError):
    """A generation of a data key seals, or may still seal in a process that has not seen the next one; retire it later."""

    number: int
    until: datetime | None


class Indispensable(TablecryptError, ValueError):
    """A table cannot be without its base table, or without any KMS key; name another, or delete the table."""

    part: str


class InvalidName(TablecryptError, ValueError):
    """A name is not 1 to 255 of A-Z a-z 0-9 _ - . or stands twice; choose another."""

    name: str


class InvalidRequest(TablecryptError, ValueError):
    """The KMS does not take this request: it cannot do this with this key in its state, or this is no name of a KMS key that encrypts;
    name another. The service default key is named by an alias."""


class InvalidSetting(TablecryptError, ValueError):
    """A setting of the service is out of its range; give one within it."""

    setting: str
    range: str


class InvalidTag(TablecryptError):
    """AESGCM: wrong key, nonce or associated data, or changed bytes.

    Where cryptography.exceptions is loaded when one is raised, it is a subclass of that module's InvalidTag as well, and
    what catches that catches this. tablecrypt never loads it.
    """


class Io(TablecryptError, OSError):
    """A file cannot be read or written; whoever owns the machine repairs that. Its errno and filename say more."""


class KeyDisabled(TablecryptError):
    """The KMS key is disabled; its administrator enables it."""


class KeyFileBusy(TablecryptError):
    """Others changed the table's key file at the same time, again and again; nothing was done, try again."""

    table: str


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


class KmsFailed(KeyUnavailable):
    """For a KMS in Python to raise: the service failed, and may work again."""


class Locked(TablecryptError):
    """The table, its connection or the service was locked by hand; unlock it where it was locked."""


class NoRandom(TablecryptError):
    """The operating system gave no random bytes; whoever owns the machine repairs that."""


class NoSuchKmsKey(TablecryptError):
    """The table is not under this KMS key; name one that its description has."""

    key: str


class NoSuchStructure(TablecryptError):
    """The table has no structure of this name; name one that it was created with."""

    name: str


class NoSuchTable(TablecryptError):
    """There is no table of this name; create it or name another."""

    table: str


class NotBuilt(TablecryptError, NotImplementedError):
    """This wheel was built without what was asked for; the message says what to do instead."""


class OutputTooShort(TablecryptError, ValueError):
    """The output buffer is too short; give one of `needed` bytes."""

    needed: int


class Overlap(TablecryptError, ValueError):
    """The output overlaps an input; give a buffer of its own."""


class StructureExists(TablecryptError):
    """The table has a structure of this name already; open it or choose another name."""

    name: str


class TableExists(TablecryptError):
    """There is a table of this name already; open it or choose another name."""

    table: str


class Throttled(KeyUnavailable):
    """For a KMS in Python to raise: there are too many calls for now."""


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
    """The key file is of another table or subscriber, by its encryption context; put each where it belongs."""


def _invalid_tag(message: str) -> InvalidTag:
    """What a wrong tag raises: docs/decisions/0025."""
    theirs = getattr(sys.modules.get("cryptography.exceptions"), "InvalidTag", None)
    if isinstance(theirs, type) and issubclass(theirs, Exception) and not issubclass(InvalidTag, theirs):
        # A class of another shape cannot be a base, and is not cryptography's.
        with contextlib.suppress(TypeError):
            InvalidTag.__bases__ = (*InvalidTag.__bases__, theirs)
    return InvalidTag(message)
