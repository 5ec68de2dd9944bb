"""LocalKms, as its administrator sees it."""

from datetime import UTC, datetime, timedelta

import pytest

import tablecrypt


def test_a_key_has_the_states_of_aws(kms):
    key = kms.create_key("for a test")
    assert (key.state, key.description) == ("Enabled", "for a test")
    assert kms.describe_key(key.id) == kms.describe_key(key.arn) == key
    kms.disable_key(key.id)
    assert kms.describe_key(key.id).state == "Disabled"
    kms.enable_key(key.arn)
    assert kms.describe_key(key.id).state == "Enabled"
    date = kms.schedule_key_deletion(key.id, 7)
    assert timedelta(days=6) < date - datetime.now(UTC) <= timedelta(days=7)
    assert kms.describe_key(key.id).state == "PendingDeletion"
    for call in [kms.enable_key, kms.disable_key, kms.schedule_key_deletion]:
        with pytest.raises(tablecrypt.KeyPendingDeletion):
            call(key.id)
    kms.cancel_key_deletion(key.id)
    assert kms.describe_key(key.id).state == "Disabled"
    assert [known.arn for known in kms.list_keys()] == [key.arn]
    assert repr(key) == f"KeyMetadata(arn={key.arn!r}, state='Enabled')".replace("'", '"')


def test_the_default_key_is_made_once(service, kms):
    assert kms.list_keys() == []
    arn = service.default_key()
    assert service.default_key() == kms.describe_key(tablecrypt.DEFAULT_KEY_ALIAS).arn == arn
    assert len(kms.list_keys()) == 1


def test_what_cannot_be_done_is_refused(kms):
    key = kms.create_key()
    for days in [0, 6, 31]:
        with pytest.raises(tablecrypt.InvalidRequest):
            kms.schedule_key_deletion(key.id, days)
    with pytest.raises(ValueError):
        kms.cancel_key_deletion(key.id)
    for call in [kms.describe_key, kms.enable_key, kms.disable_key, kms.schedule_key_deletion, kms.cancel_key_deletion]:
        for name in ["nobody", "", "alias/nobody", "../keys"]:
            with pytest.raises(tablecrypt.KeyNotFound):
                call(name)
        with pytest.raises(TypeError):
            call(b"nobody")
    with pytest.raises(OverflowError):
        kms.schedule_key_deletion(key.id, -1)
    assert kms.describe_key(key.id).state == "Enabled"
