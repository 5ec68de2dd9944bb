//! Many messages: short ones in groups of four, which a kernel takes at once; the others one by one.
//!
//! A short message alone waits: for its AES rounds, one after the other, and then for its hash, and fills a part of a wide
//! vector. Four at once fill both. They have to be of one class, which is a kernel's: of as many blocks. They are found wherever
//! they stand, so that sizes may be mixed.

#![cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "no other backend takes four"))]

use aead::inout::InOutBuf;

use super::{Expanded, Kernel};
use crate::gcm::{OpenMessage, SealMessage};
use crate::{Aes256Gcm, Nonce, Tag};

/// Messages that are taken at once.
pub(super) const GROUP: usize = 4;

/// The most classes that a kernel has.
const CLASSES: usize = 8;

/// One message as a kernel sees it; `tag` is for the tag that it computes.
pub(crate) struct Parts<'a> {
    pub(super) nonce: &'a Nonce,
    pub(super) aad: &'a [u8],
    pub(super) text: &'a mut [u8],
    pub(super) tag: &'a mut Tag,
}

/// A message of a batch, with or without a key of its own.
pub(crate) trait Job {
    fn length(&self) -> usize;
    fn parts(&mut self) -> Parts<'_>;
    /// Its own key; None: that of the whole batch.
    fn split(&mut self) -> (Option<&Expanded>, Parts<'_>) {
        (None, self.parts())
    }
    fn key(&self) -> Option<&Expanded> {
        None
    }
}

impl Job for SealMessage<'_> {
    fn length(&self) -> usize {
        self.text.len()
    }

    fn parts(&mut self) -> Parts<'_> {
        Parts { nonce: &self.nonce, aad: self.aad, text: self.text, tag: &mut self.tag }
    }
}

impl Job for OpenMessage<'_> {
    fn length(&self) -> usize {
        self.text.len()
    }

    fn parts(&mut self) -> Parts<'_> {
        Parts { nonce: &self.nonce, aad: self.aad, text: self.text, tag: &mut self.expected }
    }
}

impl<J: Job> Job for (&Aes256Gcm, J) {
    fn length(&self) -> usize {
        self.1.length()
    }

    fn parts(&mut self) -> Parts<'_> {
        self.1.parts()
    }

    fn split(&mut self) -> (Option<&Expanded>, Parts<'_>) {
        (Some(self.0.expanded()), self.1.parts())
    }

    fn key(&self) -> Option<&Expanded> {
        Some(self.0.expanded())
    }
}

/// A kernel that takes four at once.
pub(crate) trait Grouped: Kernel + Sized {
    /// Classes of messages that it takes at once, eight at most; longer ones are as fast alone.
    const CLASSES: usize;

    /// The key, if it was expanded for this kernel.
    fn of(expanded: &Expanded) -> Option<&Self>;

    /// The class of messages of this length; from CLASSES on: alone.
    fn class(length: usize) -> usize;

    /// Encrypts or decrypts four messages of one class, each under its key, and computes their tags.
    fn group<const SEAL: bool>(class: usize, keys: [&Self; GROUP], jobs: &mut [Parts<'_>; GROUP]);

    /// Clears the registers that a group leaves behind.
    fn clear();
}

/// All messages, each under its own key or else under `key`.
pub(super) fn run<K: Grouped, J: Job, const SEAL: bool>(key: &K, jobs: &mut [J]) {
    let foreign = |job: &J| job.key().is_some_and(|key| K::of(key).is_none());
    if jobs.len() < GROUP || jobs.iter().any(foreign) {
        path!(batch.alone, SEAL, 0);
        return one_by_one::<K, J, SEAL>(key, jobs);
    }
    let mut waiting = [[0; GROUP]; CLASSES];
    let mut counts = [0; CLASSES];
    for i in 0..jobs.len() {
        let class = K::class(jobs[i].length());
        let Some(group) = waiting[..K::CLASSES].get_mut(class) else { continue };
        group[counts[class]] = i;
        counts[class] += 1;
        if counts[class] == GROUP {
            path!(batch.group, SEAL, 0);
            let [a, b, c, d] =
                jobs.get_disjoint_mut(*group).expect("four places, all different").map(|job| keyed(key, job));
            K::group::<SEAL>(class, [a.0, b.0, c.0, d.0], &mut [a.1, b.1, c.1, d.1]);
            counts[class] = 0;
        }
    }
    for (group, count) in waiting.iter().zip(counts) {
        for &i in &group[..count] {
            path!(batch.left, SEAL, count);
            one_by_one::<K, J, SEAL>(key, &mut jobs[i..=i]);
        }
    }
    for job in jobs.iter_mut().filter(|job| K::class(job.length()) >= K::CLASSES) {
        path!(batch.long, SEAL, 0);
        one_by_one::<K, J, SEAL>(key, core::slice::from_mut(job));
    }
    K::clear();
}

#[inline]
fn keyed<'a, K: Grouped, J: Job>(key: &'a K, job: &'a mut J) -> (&'a K, Parts<'a>) {
    let (own, parts) = job.split();
    (own.and_then(K::of).unwrap_or(key), parts)
}

/// One after the other; for keys of any backend.
#[inline(never)] // not once more at each place
pub(super) fn one_by_one<K: Kernel, J: Job, const SEAL: bool>(key: &K, jobs: &mut [J]) {
    for job in jobs {
        let (own, parts) = job.split();
        let text = InOutBuf::from(parts.text);
        *parts.tag = match (own, SEAL) {
            (Some(own), true) => own.seal(parts.nonce, parts.aad, text),
            (Some(own), false) => own.open(parts.nonce, parts.aad, text),
            (None, true) => key.seal(parts.nonce, parts.aad, text),
            (None, false) => key.open(parts.nonce, parts.aad, text),
        };
    }
}
