"""What a key management service is to tablecrypt: five calls. Any object that has them is one.

Each may block, is called without any lock of tablecrypt's, and from several threads at once: from those that open tables, and
from tablecrypt's own, which refresh keys in the background. It says no by raising one of tablecrypt's exceptions: AccessDenied,
KeyDisabled, KeyNotFound, KeyPendingDeletion, WrongContext, InvalidRequest. Those are final, and lock a table at once. Throttled,
KmsFailed, KeyUnavailable, OSErrors such as ConnectionError, and every other exception may pass: the keys that a table has are
used until their deadline. What is raised is logged (logger "tablecrypt"), and is the __cause__ of what the caller gets.
"""

from typing import Protocol

from tablecrypt._tablecrypt import KeyMetadata

__all__ = ["Kms"]


class Kms(Protocol):
    """A key management service. A key is 32 bytes; a bytearray that is returned as one is wiped."""

    def ensure_key(self, alias: str, description: str, /) -> KeyMetadata:
        """The key that the alias names, made with this description when there is none. Callers that come at once get one key."""
        ...

    def describe_key(self, key: str, /) -> KeyMetadata:
        """What the service says of a key, by its id, ARN or alias."""
        ...

    def generate_data_key(self, key: str, context: dict[str, str], /) -> tuple[str, bytes | bytearray, bytes]:
        """A new random key, bound to the context: the ARN of the KMS key that wrapped it, the key in clear, the key wrapped."""
        ...

    def decrypt(self, key: str, wrapped: bytes, context: dict[str, str], /) -> bytes | bytearray:
        """Unwraps what the KMS key wrapped with this context."""
        ...

    def re_encrypt(self, key: str, wrapped: bytes, context: dict[str, str], to: str, /) -> tuple[str, bytes]:
        """Wraps again, under `to`, what `key` wrapped, inside the service: the ARN of `to`, and the key wrapped."""
        ...


# Where callers find it.
Kms.__module__ = "tablecrypt"
