//! The service default key: made when it is missing, once, whoever comes first.
//!
//! ```text
//! DescribeKey(alias) --there--> it
//!   | NotFound
//! CreateKey, CreateAlias --done--> ours
//!                    | AlreadyExists
//!                  DescribeKey(alias) --ours--> ours (an answer was lost, and the SDK asked again)
//!                    | another's
//!                  ScheduleKeyDeletion(ours) --> theirs
//! ```
//!
//! KMS has no transaction over the two calls, so of N processes that come first each may create a key, and the alias
//! decides: one wins, and the others schedule theirs for deletion after 7 days, the shortest time that AWS has. Nothing was
//! ever encrypted under those. Within a process callers share one creation. What is left over after a crash between
//! the calls, or where nobody knows how a call ended, is a key that no alias names, with the tag `created-by: tablecrypt`:
//! never a key that might be in use is deleted.

use core::time::Duration;
use std::sync::{Arc, PoisonError};

use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::types::Tag;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tablecrypt::kms::{KeyMetadata, KmsError, same_key};
use tokio::time::{sleep, timeout};

use crate::calls::{Answer, metadata};
use crate::session::Session;

/// A creation that is under way, and its end for all who wait for it.
pub(crate) type Creation = Shared<BoxFuture<'static, Answer<KeyMetadata>>>;

impl Session {
    /// The key of this alias, which is made if there is none.
    pub(crate) async fn ensure_key(self: Arc<Self>, alias: String, description: String) -> Answer<KeyMetadata> {
        let found = self.describe_key(&alias).await;
        if !matches!(found.result, Err(KmsError::NotFound)) {
            return found;
        }
        // A key that could not get this name would be made for nothing.
        if !alias.starts_with("alias/") {
            return Answer::of(Err(KmsError::Invalid));
        }
        let creation = {
            let mut creations = self.creations.lock().unwrap_or_else(PoisonError::into_inner);
            let begin = || Arc::clone(&self).begin(alias.clone(), description);
            creations.entry(alias.clone()).or_insert_with(begin).clone()
        };
        creation.await
    }

    /// A task of its own: it goes on when whoever began it stops waiting, so that no key is left without its alias.
    fn begin(self: Arc<Self>, alias: String, description: String) -> Creation {
        let task = tokio::spawn(async move {
            let limit = self.limit();
            let made = timeout(limit, self.create_or_find(&alias, &description)).await;
            self.creations.lock().unwrap_or_else(PoisonError::into_inner).remove(&alias);
            made.unwrap_or(Answer::of(Err(KmsError::Throttled)))
        });
        let end = |joined: Result<_, _>| joined.unwrap_or(Answer::of(Err(KmsError::Internal)));
        task.map(end).boxed().shared()
    }

    async fn create_or_find(&self, alias: &str, description: &str) -> Answer<KeyMetadata> {
        let mut pause = PAUSE;
        loop {
            let found = self.describe_key(alias).await;
            if !matches!(found.result, Err(KmsError::NotFound)) {
                return found;
            }
            let made = self.create(alias, description).await;
            // AWS creates 5 keys a second; meanwhile somebody else may have made this one.
            if !matches!(made.result, Err(KmsError::Throttled)) {
                return made;
            }
            sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
            pause *= 2;
        }
    }

    async fn create(&self, alias: &str, description: &str) -> Answer<KeyMetadata> {
        let client = self.client().await;
        let tags = [("created-by", "tablecrypt")].into_iter();
        let tags = tags.chain(self.settings.tags.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let tags: Result<Vec<_>, _> =
            tags.map(|(name, value)| Tag::builder().tag_key(name).tag_value(value).build()).collect();
        let Ok(tags) = tags else { return Answer::of(Err(KmsError::Invalid)) };
        let request = client.create_key().description(description).set_tags(Some(tags)).customize();
        // Tried once: a second try after a lost answer would make a second key.
        let once = aws_sdk_kms::config::Config::builder().retry_config(RetryConfig::disabled());
        let created = Answer::sorted("CreateKey", request.config_override(once).send().await)
            .and_then(|output| output.key_metadata.ok_or(KmsError::Internal).and_then(metadata));
        let key = match created.result {
            Ok(key) => key,
            Err(_) => return created,
        };
        let sent = client.create_alias().alias_name(alias).target_key_id(&key.id).send().await;
        let taken = sent.as_ref().err().and_then(|error| error.as_service_error());
        if taken.is_some_and(|error| error.is_already_exists_exception()) {
            return self.give_way(alias, key).await;
        }
        let named = Answer::sorted("CreateAlias", sent);
        match &named.result {
            Ok(_) => {}
            // Nobody knows whether the alias is there, so the key stays.
            Err(KmsError::Internal | KmsError::Throttled | KmsError::Unreachable) => {
                tracing::warn!(key = key.arn, alias, "a KMS key may be left without its alias");
            }
            Err(_) => self.schedule_deletion(&key).await,
        }
        named.and_then(|_| Ok(key))
    }

    /// Somebody else has the alias; or it is ours, and the answer that said so was lost.
    async fn give_way(&self, alias: &str, ours: KeyMetadata) -> Answer<KeyMetadata> {
        let mut pause = PAUSE;
        let holder = loop {
            let holder = self.describe_key(alias).await;
            // A new alias is not seen everywhere at once.
            if !matches!(holder.result, Err(KmsError::NotFound)) {
                break holder;
            }
            sleep(pause).await;
            pause *= 2;
        };
        match &holder.result {
            Ok(theirs) if !same_key(&theirs.arn, &ours.arn) => self.schedule_deletion(&ours).await,
            Ok(_) => {}
            Err(_) => tracing::warn!(key = ours.arn, alias, "a KMS key is left without an alias"),
        }
        holder
    }

    async fn schedule_deletion(&self, key: &KeyMetadata) {
        let request = self.client().await.schedule_key_deletion().key_id(&key.id).pending_window_in_days(DAYS);
        if Answer::sorted("ScheduleKeyDeletion", request.send().await).result.is_err() {
            tracing::warn!(key = key.arn, "a KMS key is left without an alias, and not scheduled for deletion");
        }
    }
}

const PAUSE: Duration = Duration::from_millis(100);
const DAYS: i32 = 7;
