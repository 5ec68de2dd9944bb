"""Encryption at rest for tables: a key hierarchy under a KMS key, and records sealed at the speed of the hardware.

    service = tablecrypt.Service.local("demo")
    service.create_table("flights", local_indexes=["by-delay"], global_indexes=["by-tail"])
    with service.connect() as connection:
        base = connection.open_table("flights").base()
        record = base.seal(b"2013-01-01 UA 1545 EWR", b"11 minutes late")
        assert base.open(b"2013-01-01 UA 1545 EWR", record) == b"11 minutes late"

The words are those of the Rust library. AESGCM is the bare algorithm, as cryptography has it.
"""

from tablecrypt._tablecrypt import (
    AESGCM,
    DEFAULT_KEY_ALIAS,
    OVERHEAD,
    Connection,
    KeyMetadata,
    LocalKms,
    Service,
    Structure,
    Table,
    TableDescription,
    __version__,
    backends,
    key_memory,
)
from tablecrypt.errors import (
    AccessDenied,
    Closed,
    InvalidName,
    InvalidRequest,
    InvalidTag,
    Io,
    KeyDisabled,
    KeyFileCorrupt,
    KeyNotFound,
    KeyPendingDeletion,
    KeyUnavailable,
    NoRandom,
    NoSuchStructure,
    NoSuchTable,
    OutputTooShort,
    Overlap,
    TablecryptError,
    TableExists,
    TooLong,
    Truncated,
    Unauthentic,
    UnknownKey,
    UnknownVersion,
    WrongContext,
)

__all__ = [
    "AESGCM",
    "DEFAULT_KEY_ALIAS",
    "OVERHEAD",
    "AccessDenied",
    "Closed",
    "Connection",
    "InvalidName",
    "InvalidRequest",
    "InvalidTag",
    "Io",
    "KeyDisabled",
    "KeyFileCorrupt",
    "KeyMetadata",
    "KeyNotFound",
    "KeyPendingDeletion",
    "KeyUnavailable",
    "LocalKms",
    "NoRandom",
    "NoSuchStructure",
    "NoSuchTable",
    "OutputTooShort",
    "Overlap",
    "Service",
    "Structure",
    "Table",
    "TableDescription",
    "TableExists",
    "TablecryptError",
    "TooLong",
    "Truncated",
    "Unauthentic",
    "UnknownKey",
    "UnknownVersion",
    "WrongContext",
    "__version__",
    "backends",
    "key_memory",
]
