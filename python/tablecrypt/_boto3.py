"""A boto3 client of KMS as tablecrypt's KMS: its session, credentials, endpoint and retries, as they are.

boto3 is not imported: a client is known by what it can do. What botocore raises is sorted once, as the Rust client's errors are
(kms-aws/src/sort.rs):

    what came                                                         what it is
    no connection, no answer in time, no credentials, no region       may pass: KeyUnavailable
    an answer that is none of KMS's                                   may pass: KmsFailed
    a code of KMS                                                     by the tables at the end

A definite no locks a table at once, so only KMS itself can say it: by a code that is known, or a status that blames the caller.

A forked child must not share its parent's connections, so it drops those that it inherited before its first call. A client that
another thread of the parent was using at the instant of the fork may still be in a state that no child can use; where processes
are forked from threads, give Service a function that makes a client.
"""

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tablecrypt import errors
from tablecrypt._tablecrypt import KeyMetadata, _key_in_region, _same_key, note_request

__all__ = ["adapt"]


def adapt(kms: Any) -> Any:
    """The KMS that this object is: a client, a function that makes one, or a KMS already."""
    if is_client(kms):
        return Boto3Kms(kms, None)
    if callable(kms) and not hasattr(kms, "generate_data_key"):
        return Boto3Kms(None, kms)
    return kms


def is_client(kms: Any) -> bool:
    model = getattr(getattr(kms, "meta", None), "service_model", None)
    return getattr(model, "service_name", None) == "kms" and callable(getattr(kms, "generate_data_key", None))


class Boto3Kms:
    def __init__(self, client: Any, make: Callable[[], Any] | None) -> None:
        self._client = client
        self._make = make
        self._made_in = os.getpid()
        # What a process has: a forked child begins with its own.
        self._processes: dict[int, _Process] = {}

    def ensure_key(self, alias: str, description: str, /) -> KeyMetadata:
        """As kms-aws/src/default_key.rs: of N processes that come first each may make a key, and the alias decides."""
        process = self._process()
        try:
            return self.describe_key(alias)
        except errors.KeyNotFound:
            pass
        if not alias.startswith("alias/"):
            # A key that could not get this name would be made for nothing.
            raise errors.InvalidRequest("a default key that is to be created is named by an alias: alias/ and a name")
        # Threads of one process share one creation.
        with process.creating:
            pause = 0.1
            until = time.monotonic() + 30
            while True:
                try:
                    return self.describe_key(alias)
                except errors.KeyNotFound:
                    pass
                try:
                    return self._create(process.client, alias, description)
                except errors.Throttled:
                    # AWS creates 5 keys a second; meanwhile somebody else may have made this one.
                    if time.monotonic() > until:
                        raise
                time.sleep(pause * (0.5 + random.random()))
                pause *= 2

    def describe_key(self, key: str, /) -> KeyMetadata:
        client = self._process().client
        with answers():
            return metadata(noted(client.describe_key(KeyId=self._place(client, key)))["KeyMetadata"])

    def generate_data_key(self, key: str, context: dict[str, str], /) -> tuple[str, bytes, bytes]:
        client = self._process().client
        with answers():
            answer = noted(
                client.generate_data_key(KeyId=self._place(client, key), KeySpec="AES_256", EncryptionContext=context)
            )
            return answer["KeyId"], answer.pop("Plaintext"), answer["CiphertextBlob"]

    def decrypt(self, key: str, wrapped: bytes, context: dict[str, str], /) -> bytes:
        client = self._process().client
        with answers():
            answer = noted(
                client.decrypt(KeyId=self._place(client, key), CiphertextBlob=wrapped, EncryptionContext=context)
            )
            plaintext: bytes = answer.pop("Plaintext")
            answered: str = answer["KeyId"]
        if is_key_arn(key) and not _same_key(key, answered):
            raise errors.InvalidRequest("another KMS key than the one that was asked has answered")
        return plaintext

    def re_encrypt(self, key: str, wrapped: bytes, context: dict[str, str], to: str, /) -> tuple[str, bytes]:
        client = self._process().client
        with answers():
            answer = noted(
                client.re_encrypt(
                    CiphertextBlob=wrapped,
                    SourceKeyId=self._place(client, key),
                    SourceEncryptionContext=context,
                    DestinationKeyId=self._place(client, to),
                    DestinationEncryptionContext=context,
                )
            )
            return answer["KeyId"], answer["CiphertextBlob"]

    def _create(self, client: Any, alias: str, description: str) -> KeyMetadata:
        with answers():
            tags = [{"TagKey": "created-by", "TagValue": "tablecrypt"}]
            key = noted(client.create_key(Description=description, Tags=tags))["KeyMetadata"]
        try:
            with answers():
                noted(client.create_alias(AliasName=alias, TargetKeyId=key["KeyId"]))
        except _AliasTaken:
            return self._give_way(client, alias, key)
        except (errors.AccessDenied, errors.InvalidRequest, errors.KeyNotFound):
            self._schedule_deletion(client, key)
            raise
        # Else nobody knows whether the alias is there, so the key stays.
        return metadata(key)

    def _give_way(self, client: Any, alias: str, ours: dict[str, Any]) -> KeyMetadata:
        """Somebody else has the alias; or it is ours, and the answer that said so was lost."""
        pause = 0.1
        while True:
            try:
                holder = self.describe_key(alias)
                break
            except errors.KeyNotFound:
                # A new alias is not seen everywhere at once.
                if pause > 5:
                    raise
            time.sleep(pause)
            pause *= 2
        if not _same_key(holder.arn, ours["Arn"]):
            self._schedule_deletion(client, ours)
        return holder

    def _schedule_deletion(self, client: Any, key: dict[str, Any]) -> None:
        try:
            with answers():
                noted(client.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7))
        except errors.TablecryptError:
            # Left over: a key that no alias names, with the tag created-by.
            pass

    def _place(self, client: Any, key: str) -> str:
        return _key_in_region(key, client.meta.region_name or "")

    def _process(self) -> "_Process":
        pid = os.getpid()
        process = self._processes.get(pid)
        if process is None:
            client = self._client if self._make is None else self._make()
            if not is_client(client):
                raise TypeError(f"the function gave no boto3 client of KMS but a {type(client).__name__}")
            if self._make is None and pid != self._made_in and hasattr(client, "close"):
                client.close()
            process = self._processes.setdefault(pid, _Process(client))
        return process


class _Process:
    def __init__(self, client: Any) -> None:
        self.client = client
        self.creating = threading.Lock()


class _AliasTaken(errors.TablecryptError):
    pass


def noted(answer: dict[str, Any]) -> dict[str, Any]:
    request = answer.get("ResponseMetadata", {}).get("RequestId")
    if request:
        note_request(request)
    return answer


@contextmanager
def answers() -> Iterator[None]:
    """Sorts what botocore raises, once."""
    try:
        yield
    except (KeyError, TypeError) as error:
        # It has not what an answer has.
        raise errors.KmsFailed(f"the answer is none of KMS's: {error!r}") from None
    except Exception as error:
        sorted_ = sort(error)
        if sorted_ is None:
            raise
        raise sorted_ from error


def sort(error: Exception) -> Exception | None:
    response = getattr(error, "response", None)
    if isinstance(response, dict) and isinstance(response.get("Error"), dict):
        metadata = response.get("ResponseMetadata") or {}
        if metadata.get("RequestId"):
            note_request(str(metadata["RequestId"]))
        status = metadata.get("HTTPStatusCode") or 0
        code = response["Error"].get("Code")
        return by_code(str(code) if code else "", str(response["Error"].get("Message") or ""), int(status))(
            f"KMS answered {code or status}"
        )
    names = {kind.__name__ for kind in type(error).__mro__}
    if not any(kind.__module__.partition(".")[0] == "botocore" for kind in type(error).__mro__):
        return None
    if "ParamValidationError" in names:
        return errors.InvalidRequest(f"botocore refused the request: {type(error).__name__}")
    if "ResponseParserError" in names:
        return errors.KmsFailed("the answer is none of KMS's")
    # No connection, no name, no answer in time, no credentials, no region: nobody was asked.
    return errors.KeyUnavailable(f"KMS was not reached: {type(error).__name__}")


def by_code(code: str, message: str, status: int) -> type[errors.TablecryptError]:
    # A code that is a status is botocore's word for an answer without one, such as a proxy's.
    if not code or code.isdigit():
        return errors.KmsFailed
    if code == "KMSInvalidStateException":
        return by_state(message)
    for kind, codes in CODES.items():
        if code in codes:
            return kind
    if status >= 500:
        return errors.KmsFailed
    if status == 429:
        return errors.Throttled
    if status == 403:
        return errors.AccessDenied
    # InvalidCiphertextException, IncorrectKeyException, ValidationException, InvalidKeyUsageException ...
    return errors.InvalidRequest


def by_state(message: str) -> type[errors.TablecryptError]:
    """KMS says the state of a key in words only. What is not known is a definite no, until an administrator acts."""
    message = message.lower()
    if any(words in message for words in ("pending deletion", "pendingdeletion", "pending replica deletion")):
        return errors.KeyPendingDeletion
    if any(words in message for words in ("unavailable", "creating", "updating")):
        return errors.KmsFailed
    return errors.KeyDisabled


def metadata(answer: dict[str, Any]) -> KeyMetadata:
    state = answer.get("KeyState")
    if state == "PendingReplicaDeletion":
        state = "PendingDeletion"
    if state not in ("Enabled", "PendingDeletion"):
        state = "Disabled"
    return KeyMetadata(answer["Arn"], answer["KeyId"], state, answer.get("Description") or "")


def is_key_arn(key: str) -> bool:
    return key.startswith("arn:") and ":key/" in key


CODES: dict[type[errors.TablecryptError], frozenset[str]] = {
    errors.Throttled: frozenset(
        (
            "LimitExceededException",
            "RequestLimitExceeded",
            "SlowDown",
            "ThrottledException",
            "Throttling",
            "ThrottlingException",
            "TooManyRequestsException",
        )
    ),
    errors.KmsFailed: frozenset(
        (
            "DependencyTimeoutException",
            "InternalError",
            "InternalFailure",
            "InternalServerError",
            "KMSInternalException",
            "KeyUnavailableException",
            "RequestTimeout",
            "RequestTimeoutException",
            "ServiceUnavailable",
            "ServiceUnavailableException",
        )
    ),
    errors.AccessDenied: frozenset(
        (
            "AccessDenied",
            "AccessDeniedException",
            "ExpiredToken",
            "ExpiredTokenException",
            "IncompleteSignature",
            "InvalidClientTokenId",
            "InvalidSignatureException",
            "MissingAuthenticationToken",
            "MissingAuthenticationTokenException",
            "NotAuthorized",
            "OptInRequired",
            "RequestExpired",
            "SignatureDoesNotMatch",
            "UnrecognizedClientException",
        )
    ),
    errors.KeyDisabled: frozenset(("DisabledException",)),
    errors.KeyNotFound: frozenset(("NotFoundException",)),
    _AliasTaken: frozenset(("AlreadyExistsException",)),
}
