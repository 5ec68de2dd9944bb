"""boto3 at the other end: it opens what our Rust client wrapped, and the other way round; and our server is one to it.

admin/kms runs moto and `tablecrypt kms serve`, and names them in the environment.
"""

import base64
import hashlib
import hmac
import os
import subprocess
import urllib.error
import urllib.request
import uuid

import boto3
import botocore.config
import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

URLS = {"ours": os.environ["TABLECRYPT_KMS_URL"], "moto": os.environ["TABLECRYPT_MOTO_URL"]}
ROOT_KEY = os.environ["TABLECRYPT_ROOT_KEY"]
AWS = {"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
CONTEXT = {"tablecrypt:table": "flights", "tablecrypt:subscriber": "default"}


@pytest.fixture(params=["ours", "moto"])
def who(request):
    return request.param


@pytest.fixture
def kms(who):
    return client(who)


@pytest.fixture
def ours():
    return client("ours")


def client(who):
    config = botocore.config.Config(retries={"max_attempts": 0})
    return boto3.client("kms", endpoint_url=URLS[who], region_name="eu-west-1", aws_access_key_id="test",
                        aws_secret_access_key="test", config=config)


def rust(who, *words):
    environment = {**os.environ, **AWS, "AWS_ENDPOINT_URL_KMS": URLS[who]}
    done = subprocess.run([ROOT_KEY, *words], env=environment, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout.split(), done.stderr


def digest(key):
    return hashlib.sha256(key).hexdigest()


def refusal(call, **fields):
    with pytest.raises(ClientError) as refused:
        call(**fields)
    assert refused.value.response["ResponseMetadata"]["RequestId"]
    return refused.value.response["Error"]["Code"]


def test_boto3_opens_the_root_key_that_rust_wrapped_with_the_same_context_alone(who, kms):
    key = kms.create_key()["KeyMetadata"]["Arn"]
    status, (arn, wrapped, expected), _ = rust(who, "generate", key, "flights")
    assert (status, arn) == (0, key)
    wrapped = base64.b64decode(wrapped)
    assert digest(kms.decrypt(CiphertextBlob=wrapped, EncryptionContext=CONTEXT)["Plaintext"]) == expected
    for wrong in ({**CONTEXT, "tablecrypt:table": "planes"}, {}):
        assert refusal(kms.decrypt, CiphertextBlob=wrapped, EncryptionContext=wrong) == "InvalidCiphertextException"
    print(f"kms: boto3 opened what rust wrapped at {who}")


def test_rust_opens_the_root_key_that_boto3_wrapped_with_the_same_context_alone(who, kms):
    key = kms.create_key()["KeyMetadata"]["Arn"]
    made = kms.generate_data_key(KeyId=key, KeySpec="AES_256", EncryptionContext=CONTEXT)
    wrapped = base64.b64encode(made["CiphertextBlob"]).decode()
    assert rust(who, "open", key, "flights", wrapped)[:2] == (0, [digest(made["Plaintext"])])
    status, told, why = rust(who, "open", key, "planes", wrapped)
    assert (status, told) == (1, []) and "Invalid" in why
    print(f"kms: rust opened what boto3 wrapped at {who}")


def test_boto3_opens_the_root_key_of_a_table_and_the_key_file_is_authentic_under_it(who, kms, tmp_path):
    key = kms.create_key()["KeyMetadata"]["Arn"]
    assert rust(who, "create", str(tmp_path), "flights", key)[:2] == (0, [key])
    file = (tmp_path / "tables" / "flights" / "keys.json").read_bytes()
    wrapped = [base64.b64decode(word) for word in file.decode().split('"') if len(word) > 100][0]
    root = kms.decrypt(CiphertextBlob=wrapped, EncryptionContext=CONTEXT)["Plaintext"]
    # docs/FORMAT.md, "Key file".
    authenticated, _, rest = file.rpartition(b',\n  "mac": "')
    mac = rest.split(b'"')[0].decode()

    def of(root):
        made = HKDFExpand(hashes.SHA256(), 32, b"tablecrypt v1 key file").derive(root)
        return hmac.new(made, authenticated, hashlib.sha256).digest()

    assert mac in (of(root).hex(), base64.b64encode(of(root)).decode())
    other = bytes([root[0] ^ 1]) + root[1:]
    assert mac not in (of(other).hex(), base64.b64encode(of(other)).decode())


def test_keys_have_the_states_of_aws_and_refusals_their_names(ours):
    key = ours.create_key(Description="of boto3", Tags=[{"TagKey": "a", "TagValue": "b"}])["KeyMetadata"]
    arn = key["Arn"]
    assert (key["KeyState"], key["Description"], key["Enabled"]) == ("Enabled", "of boto3", True)
    wrapped = ours.generate_data_key_without_plaintext(KeyId=arn, NumberOfBytes=32, EncryptionContext=CONTEXT)
    wrapped = {"CiphertextBlob": wrapped["CiphertextBlob"], "EncryptionContext": CONTEXT}
    assert len(ours.decrypt(**wrapped)["Plaintext"]) == 32

    ours.disable_key(KeyId=arn)
    assert ours.describe_key(KeyId=arn)["KeyMetadata"]["KeyState"] == "Disabled"
    assert refusal(ours.decrypt, **wrapped) == "DisabledException"
    assert refusal(ours.generate_data_key, KeyId=arn, KeySpec="AES_256") == "DisabledException"
    scheduled = ours.schedule_key_deletion(KeyId=arn, PendingWindowInDays=7)
    assert scheduled["KeyState"] == "PendingDeletion" and scheduled["DeletionDate"].year >= 2026
    assert refusal(ours.decrypt, **wrapped) == "KMSInvalidStateException"
    assert refusal(ours.enable_key, KeyId=arn) == "KMSInvalidStateException"
    assert refusal(ours.schedule_key_deletion, KeyId=arn) == "KMSInvalidStateException"
    ours.cancel_key_deletion(KeyId=arn)
    assert refusal(ours.cancel_key_deletion, KeyId=arn) == "KMSInvalidStateException"
    assert refusal(ours.decrypt, **wrapped) == "DisabledException"
    ours.enable_key(KeyId=arn)
    ours.decrypt(**wrapped)

    other = ours.create_key()["KeyMetadata"]["Arn"]
    assert refusal(ours.decrypt, KeyId=other, **wrapped) == "IncorrectKeyException"
    assert refusal(ours.decrypt, CiphertextBlob=b"garbage") == "InvalidCiphertextException"
    assert refusal(ours.describe_key, KeyId="alias/nobody") == "NotFoundException"
    assert refusal(ours.schedule_key_deletion, KeyId=arn, PendingWindowInDays=31) in ("ValidationException",)
    assert refusal(ours.generate_data_key, KeyId=arn, KeySpec="AES_128") == "ValidationException"
    assert refusal(ours.get_key_policy, KeyId=arn, PolicyName="default") == "UnknownOperationException"
    assert refusal(ours.create_key, KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY") == "UnsupportedOperationException"

    moved = ours.re_encrypt(CiphertextBlob=wrapped["CiphertextBlob"], SourceEncryptionContext=CONTEXT,
                            DestinationEncryptionContext=CONTEXT, DestinationKeyId=other)
    assert (moved["SourceKeyId"], moved["KeyId"]) == (arn, other)
    opened = ours.decrypt(CiphertextBlob=moved["CiphertextBlob"], EncryptionContext=CONTEXT, KeyId=other)
    assert opened["Plaintext"] == ours.decrypt(**wrapped)["Plaintext"]


def test_aliases_name_keys(ours):
    alias = f"alias/boto3-{uuid.uuid4()}"
    key = ours.create_key()["KeyMetadata"]
    ours.create_alias(AliasName=alias, TargetKeyId=key["KeyId"])
    assert refusal(ours.create_alias, AliasName=alias, TargetKeyId=key["KeyId"]) == "AlreadyExistsException"
    assert refusal(ours.create_alias, AliasName="alias/aws/mine", TargetKeyId=key["KeyId"]) == "InvalidAliasNameException"
    [named] = ours.list_aliases(KeyId=key["KeyId"])["Aliases"]
    assert (named["AliasName"], named["TargetKeyId"]) == (alias, key["KeyId"])
    for name in (alias, named["AliasArn"], key["Arn"], key["KeyId"]):
        assert ours.describe_key(KeyId=name)["KeyMetadata"]["Arn"] == key["Arn"]
    assert key["Arn"] in [found["KeyArn"] for page in ours.get_paginator("list_keys").paginate() for found in page["Keys"]]
    ours.delete_alias(AliasName=alias)
    assert refusal(ours.describe_key, KeyId=alias) == "NotFoundException"


@pytest.mark.parametrize(("words", "name"), [
    ("throttle", "ThrottlingException"),
    ("internal", "KMSInternalException"),
    ("denied", "AccessDeniedException"),
    ("disabled", "DisabledException"),
    ("error=KeyUnavailableException operation=ListKeys", "KeyUnavailableException"),
])
def test_faults_are_aws_errors_to_boto3(ours, fault, words, name):
    fault(words)
    assert refusal(ours.list_keys) == name
    fault("none")
    ours.list_keys()


def test_fault_switch_says_what_it_is_set_to_and_refuses_what_it_does_not_know(ours, fault):
    assert fault("throttle operation=Decrypt times=2") == "error=ThrottlingException operation=Decrypt times=2"
    ours.list_keys()
    with pytest.raises(urllib.error.HTTPError) as refused:
        fault("explode")
    assert refused.value.code == 400
    fault("refuse")
    with pytest.raises(Exception, match="Could not connect"):
        ours.list_keys()


def post(headers):
    request = urllib.request.Request(URLS["ours"], data=b"{}", headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def test_unsigned_requests_and_those_that_a_web_page_could_send_are_refused():
    signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=test", "X-Amz-Target": "TrentService.ListKeys"}
    assert post(signed)[0] == 200, "the control: nobody looks at the signature"
    for without, name in ((["Authorization"], "MissingAuthenticationToken"), (["X-Amz-Target"], "UnknownOperation")):
        status, body = post({field: value for field, value in signed.items() if field not in without})
        assert status == 400 and name in body
    status, body = post({**signed, "Host": "evil.example"})
    assert status == 400 and "AccessDenied" in body
