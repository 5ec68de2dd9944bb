//! Many messages: short ones in groups of eight and of four, which a kernel takes at once; the others one by one.
//!
//! A short message alone waits: for its AES rounds, one after the other, and then for its hash, and fills a part of a wide
//! vector. Several at once fill both. They have to be of one class, which is a kernel's: of as many blocks. They are found
//! wherever they stand, so that sizes may be mixed.

#![cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "no other backend takes four"))]

use core::array::from_fn;

use aead::inout::InOutBuf;

use super::{Expanded, Kernel};
use crate::gcm::{OpenMessage, SealMessage};
use crate::{Aes256Gcm, Nonce, Tag};

/// Messages that share a vector.
pub(super) const GROUP: usize = 4;
/// Groups that are taken at once, where there are so many.
const GROUPS: usize = 2;

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
pub(crate) trait Job<'k> {
    fn length(&self) -> usize;
    fn aad(&self) -> &[u8];
    fn nonce(&self) -> &Nonce;
    fn parts(&mut self) -> Parts<'_>;
    /// Its own key; None: that of the whole batch.
    fn key(&self) -> Option<&'k Expanded> {
        None
    }
}

impl<'k> Job<'k> for SealMessage<'_> {
    #[inline]
    fn length(&self) -> usize {
        self.text.len()
    }

    #[inline]
    fn aad(&self) -> &[u8] {
        self.aad
    }

    #[inline]
    fn nonce(&self) -> &Nonce {
        &self.nonce
    }

    #[inline]
    fn parts(&mut self) -> Parts<'_> {
        Parts { nonce: &self.nonce, aad: self.aad, text: self.text, tag: &mut self.tag }
    }
}

impl<'k> Job<'k> for OpenMessage<'_> {
    #[inline]
    fn length(&self) -> usize {
        self.text.len()
    }

    #[inline]
    fn aad(&self) -> &[u8] {
        self.aad
    }

    #[inline]
    fn nonce(&self) -> &Nonce {
        &self.nonce
    }

    #[inline]
    fn parts(&mut self) -> Parts<'_> {
        Parts { nonce: &self.nonce, aad: self.aad, text: self.text, tag: &mut self.expected }
    }
}

impl<'k, J: Job<'k>> Job<'k> for (&'k Aes256Gcm, J) {
    #[inline]
    fn length(&self) -> usize {
        self.1.length()
    }

    #[inline]
    fn aad(&self) -> &[u8] {
        self.1.aad()
    }

    #[inline]
    fn nonce(&self) -> &Nonce {
        self.1.nonce()
    }

    #[inline]
    fn parts(&mut self) -> Parts<'_> {
        self.1.parts()
    }

    #[inline]
    fn key(&self) -> Option<&'k Expanded> {
        Some(self.0.expanded())
    }
}

/// A kernel that takes several at once.
pub(crate) trait Grouped: Kernel + Sized {
    /// Classes of messages that it takes at once, eight at most; longer ones are as fast alone.
    const CLASSES: usize;

    /// The key, if it was expanded for this kernel.
    fn of(expanded: &Expanded) -> Option<&Self>;

    /// The class of messages of this length; from CLASSES on: alone.
    fn class(length: usize) -> usize;

    /// Encrypts or decrypts the messages at `places`, which are all of one class, and computes their tags. False if it does not
    /// take this class at once; then nothing was done.
    fn groups<'k, const SEAL: bool, J: Job<'k>, const G: usize>(
        &self,
        class: usize,
        jobs: &mut [J],
        places: &[[usize; GROUP]; G],
    ) -> bool;

    /// Clears the registers that a group leaves behind.
    fn clear();
}

/// All messages, each under its own key or else under `key`.
pub(super) fn run<'k, K: Grouped, J: Job<'k>, const SEAL: bool>(key: &'k K, jobs: &mut [J]) {
    let foreign = |job: &J| job.key().is_some_and(|key| K::of(key).is_none());
    if jobs.len() < GROUP || jobs.iter().any(foreign) {
        path!(batch.alone, SEAL, 0);
        return one_by_one::<K, J, SEAL>(key, jobs);
    }
    let mut waiting = [[[0; GROUP]; GROUPS]; CLASSES];
    let mut counts = [0; CLASSES];
    let mut next = 0;
    while let Some(job) = jobs.get(next) {
        let (i, class) = (next, K::class(job.length()));
        let Some(places) = waiting[..K::CLASSES].get_mut(class) else {
            next += 1;
            continue;
        };
        // As many of one class side by side, which most batches are, need not be gathered.
        let side_by_side = jobs[i..].first_chunk::<{ GROUPS * GROUP }>();
        if side_by_side.is_some_and(|jobs| jobs.iter().all(|job| K::class(job.length()) == class)) {
            path!(batch.group, SEAL, 2);
            let places = from_fn(|group| from_fn(|lane| i + GROUP * group + lane));
            groups::<K, J, SEAL, GROUPS>(key, class, jobs, &places);
            next += GROUPS * GROUP;
            continue;
        }
        next += 1;
        let count = &mut counts[class];
        places.as_flattened_mut()[*count] = i;
        *count += 1;
        if *count == GROUPS * GROUP {
            path!(batch.group, SEAL, 1);
            groups::<K, J, SEAL, GROUPS>(key, class, jobs, places);
            *count = 0;
        }
    }
    for (class, (places, count)) in waiting.iter().zip(counts).enumerate() {
        let mut left = &places.as_flattened()[..count];
        if let Some((group, rest)) = left.split_first_chunk::<GROUP>() {
            path!(batch.group, SEAL, 0);
            groups::<K, J, SEAL, 1>(key, class, jobs, &[*group]);
            left = rest;
        }
        for &i in left {
            path!(batch.left, SEAL, left.len());
            one_by_one::<K, J, SEAL>(key, &mut jobs[i..=i]);
        }
    }
    for job in jobs.iter_mut().filter(|job| K::class(job.length()) >= K::CLASSES) {
        path!(batch.long, SEAL, 0);
        one_by_one::<K, J, SEAL>(key, core::slice::from_mut(job));
    }
    K::clear();
}

/// Those at `places`, at once if they are under one key. Each under a key of its own, with alternating rounds, took 22 ns a message
/// where one after the other took 18.
#[inline]
fn groups<'k, K: Grouped, J: Job<'k>, const SEAL: bool, const G: usize>(
    key: &'k K,
    class: usize,
    jobs: &mut [J],
    places: &[[usize; GROUP]; G],
) {
    let own = |i: usize| jobs[i].key().and_then(K::of).unwrap_or(key);
    let first = own(places[0][0]);
    let alike = places.as_flattened().iter().all(|&i| core::ptr::eq(own(i), first));
    if !alike || !first.groups::<SEAL, J, G>(class, jobs, places) {
        for &i in places.as_flattened() {
            one_by_one::<K, J, SEAL>(key, &mut jobs[i..=i]);
        }
    }
}

/// One after the other; for keys of any backend.
#[inline(never)] // not once more at each place
pub(super) fn one_by_one<'k, K: Kernel, J: Job<'k>, const SEAL: bool>(key: &K, jobs: &mut [J]) {
    for job in jobs {
        let own = job.key();
        let parts = job.parts();
        let text = InOutBuf::from(parts.text);
        *parts.tag = match (own, SEAL) {
            (Some(own), true) => own.seal(parts.nonce, parts.aad, text),
            (Some(own), false) => own.open(parts.nonce, parts.aad, text),
            (None, true) => key.seal(parts.nonce, parts.aad, text),
            (None, false) => key.open(parts.nonce, parts.aad, text),
        };
    }
}
