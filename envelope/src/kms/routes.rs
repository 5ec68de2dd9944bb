//! Several services behind one: a region's keys are that region's.

use core::fmt;
use std::sync::Arc;

use tablecrypt_core::Key;
use tablecrypt_os::KeyBox;

use super::{EncryptionContext, GeneratedKey, KeyMetadata, Kms, KmsError};

/// A [`Kms`] that passes each call on to the one whose key it is of, by the beginning of the key's ARN. With it a table can
/// be under KMS keys of two regions, or of two providers.
pub struct Routes {
    home: Arc<dyn Kms>,
    others: Vec<(String, Arc<dyn Kms>)>,
}

impl Routes {
    /// All calls go to `home`, and aliases and bare ids always do.
    #[must_use]
    pub fn new(home: Arc<dyn Kms>) -> Self {
        Self { home, others: Vec::new() }
    }

    /// Keys whose ARN begins so, such as `arn:aws:kms:eu-west-1:`, are this one's. The longest beginning that fits counts.
    #[must_use]
    pub fn route(mut self, arn: impl Into<String>, kms: Arc<dyn Kms>) -> Self {
        self.others.push((arn.into(), kms));
        self.others.sort_by_key(|(arn, _)| core::cmp::Reverse(arn.len()));
        self
    }

    fn of(&self, key: &str) -> &dyn Kms {
        let found = self.others.iter().find(|(arn, _)| key.starts_with(arn.as_str()));
        found.map_or(&*self.home, |(_, kms)| &**kms)
    }
}

impl Kms for Routes {
    fn ensure_key(&self, alias: &str, description: &str) -> Result<KeyMetadata, KmsError> {
        self.of(alias).ensure_key(alias, description)
    }

    fn describe_key(&self, key: &str) -> Result<KeyMetadata, KmsError> {
        self.of(key).describe_key(key)
    }

    fn generate_data_key(&self, key: &str, context: &EncryptionContext) -> Result<GeneratedKey, KmsError> {
        self.of(key).generate_data_key(key, context)
    }

    fn decrypt(&self, key: &str, wrapped: &[u8], context: &EncryptionContext) -> Result<KeyBox<Key>, KmsError> {
        self.of(key).decrypt(key, wrapped, context)
    }

    /// Only within one service: another one's key is [`KmsError::NotFound`] there.
    fn re_encrypt(
        &self,
        from: &str,
        wrapped: &[u8],
        context: &EncryptionContext,
        to: &str,
    ) -> Result<(String, Vec<u8>), KmsError> {
        self.of(from).re_encrypt(from, wrapped, context, to)
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entry(&self.home).entries(self.others.iter().map(|(_, kms)| kms)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::LocalKms;
    use super::*;

    #[test]
    fn calls_go_to_the_service_whose_key_it_is_and_the_longest_beginning_counts() {
        let folder = tempfile::tempdir().unwrap();
        let open = |name: &str| Arc::new(LocalKms::open(folder.path().join(name)).unwrap());
        let [home, away, other] = ["home", "away", "other"].map(open);
        let (a, b) = (away.create_key("").unwrap().arn, other.create_key("").unwrap().arn);
        let routes = Routes::new(home.clone()).route("arn:", other.clone()).route(a.as_str(), away.clone());
        assert_eq!(routes.describe_key(&a).unwrap().arn, a);
        assert_eq!(routes.describe_key(&b).unwrap().arn, b);
        let made = routes.ensure_key("alias/default", "").unwrap().id;
        assert_eq!(routes.describe_key(&made).unwrap(), home.list_keys().unwrap()[0]);
        let context = EncryptionContext::of_table("flights", "default");
        let key = routes.generate_data_key(&a, &context).unwrap();
        assert!(routes.decrypt(&a, &key.wrapped, &context).is_ok());
        assert!(routes.re_encrypt(&a, &key.wrapped, &context, &a).is_ok());
        let crossed = routes.re_encrypt(&a, &key.wrapped, &context, &b);
        assert!(matches!(crossed, Err(KmsError::NotFound)));
    }
}
