//! What a KMS key is called: an id, an alias, or an ARN with a region, which a multi-Region key has one of in each.
//!
//! ```text
//! arn:aws:kms:eu-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab
//!             '-------' region           '-- a multi-Region key: the same key in every region that has its replica
//! ```
//!
//! Reference: AWS KMS Developer Guide, "Multi-Region keys", and "Key ARN" in "Key identifiers".

/// Whether two names are the same KMS key, as far as names can say: equal, or ARNs of one multi-Region key in two regions.
///
/// An alias is no name of this kind: whom it names can change.
#[must_use]
pub fn same_key(one: &str, other: &str) -> bool {
    one == other
        || match (MultiRegion::parse(one), MultiRegion::parse(other)) {
            (Some(one), Some(other)) => (one.before, one.after) == (other.before, other.after),
            _ => false,
        }
}

/// The name of this key in that region: of a multi-Region key its ARN there, of every other the name as it is.
#[must_use]
pub fn key_in_region(key: &str, region: &str) -> String {
    match MultiRegion::parse(key) {
        Some(MultiRegion { before, after }) => format!("{before}{region}{after}"),
        None => key.to_owned(),
    }
}

/// The ARN of a multi-Region key, without its region.
struct MultiRegion<'a> {
    before: &'a str,
    after: &'a str,
}

impl<'a> MultiRegion<'a> {
    fn parse(arn: &'a str) -> Option<Self> {
        // arn : partition : kms : region : account : key/mrk-...
        let colons: Vec<usize> = arn.match_indices(':').map(|(at, _)| at).collect();
        let &[partition, service, region, account, key] = &colons[..] else { return None };
        let fits = &arn[..partition] == "arn"
            && &arn[service + 1..region] == "kms"
            && account > region + 1
            && arn[key + 1..].starts_with("key/mrk-");
        fits.then(|| Self { before: &arn[..=region], after: &arn[account..] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MULTI: &str = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab";
    const SINGLE: &str = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

    #[test]
    fn multi_region_key_is_the_same_in_every_region_and_no_other_key_is() {
        for (key, same) in [(MULTI, true), (SINGLE, false)] {
            let there = key.replace("us-east-1", "eu-west-1");
            assert!(same_key(key, key));
            assert_eq!(same_key(key, &there), same, "{key}");
            assert_eq!(key_in_region(key, "eu-west-1"), if same { &there } else { key });
        }
        let others = [
            MULTI.replace("111122223333", "444455556666"), // another account
            MULTI.replace("arn:aws:", "arn:aws-cn:"),      // another partition
            MULTI.replace("12ab34", "12ab35"),             // another key
            MULTI.replace("key/mrk-", "alias/mrk-"),       // an alias of that name
            MULTI.replace(":kms:", ":s3:"),
            MULTI.replace("us-east-1", ""),
            format!("{MULTI}:1"),
            MULTI[4..].to_owned(),
            "mrk-1234abcd12ab34cd56ef1234567890ab".to_owned(), // the id alone has no region, and no account
        ];
        for other in &others {
            assert!(!same_key(MULTI, other), "{other}");
        }
    }
}
