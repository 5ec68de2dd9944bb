//! The forgeries of a message: all that one changed place, one cut, one addition or one swap makes of it. The tests of
//! the core and those of records share them; ffi/tests/forgeries.h and python/tests/test_forgery.py have the same, and
//! the same counts.
#![allow(dead_code, reason = "each test file uses a part")]

/// What is stored, and what it is bound to.
#[derive(Clone, PartialEq)]
pub(crate) struct Message {
    /// The associated data, or a record's context.
    pub(crate) aad: Vec<u8>,
    /// The nonce, or what a record begins with; the ciphertext; the tag.
    pub(crate) bytes: Vec<u8>,
}

/// The lengths of the texts.
pub(crate) const LENGTHS: [usize; 9] = [0, 1, 15, 16, 17, 64, 255, 256, 1024];
/// The length of the AAD.
pub(crate) const AAD: usize = 20;
const TAG: usize = 16;

/// Calls `ask` with each forgery and what was done, and gives how many there are.
///
/// The ciphertext begins at `head`. A cut leaves `least` bytes or more. `other` is another message of the same length
/// under the same key, of which parts are taken.
pub(crate) fn forge(
    whole: &Message,
    other: &Message,
    head: usize,
    least: usize,
    mut ask: impl FnMut(&str, &Message),
) -> usize {
    let (length, aad) = (whole.bytes.len(), whole.aad.len());
    let end = length - TAG;
    let mut count = 0;
    let mut one = |what: &str, at: usize, change: &dyn Fn(&mut Message)| {
        let mut forged = whole.clone();
        change(&mut forged);
        assert!(forged != *whole, "{what} {at} changes nothing");
        ask(&format!("{what} {at}"), &forged);
        count += 1;
    };
    for at in 0..end {
        one("byte", at, &|forged| forged.bytes[at] ^= 1 << (at % 8));
    }
    for bit in 0..TAG * 8 {
        one("tag bit", bit, &|forged| forged.bytes[end + bit / 8] ^= 1 << (bit % 8));
    }
    for at in 0..aad {
        one("AAD byte", at, &|forged| forged.aad[at] ^= 1 << (at % 8));
        one("AAD cut to", at, &|forged| forged.aad.truncate(at));
    }
    one("AAD longer by", 1, &|forged| forged.aad.push(0));
    one("AAD's last byte before the text", 1, &|forged| {
        let byte = forged.aad.pop().expect("there is AAD");
        forged.bytes.insert(head, byte);
    });
    for to in least..length {
        one("cut to", to, &|forged| forged.bytes.truncate(to));
    }
    for zeros in [1, 16] {
        one("zeros behind the tag", zeros, &|forged| insert(forged, length, zeros));
        one("zeros behind the text", zeros, &|forged| insert(forged, end, zeros));
    }
    one("zeros before the text", 1, &|forged| insert(forged, head, 1));

    one("AAD of another", 0, &|forged| forged.aad.clone_from(&other.aad));
    let mut parts = vec![("head", 0..head), ("tag", end..length)];
    if end > head {
        parts.push(("text", head..end));
    }
    if end > head + 1 {
        parts.push(("half a text", head + (end - head) / 2..end));
    }
    for (part, range) in parts {
        one(part, range.start, &|forged| {
            let (ours, theirs) = (&mut forged.bytes[range.clone()], &other.bytes[range.clone()]);
            // One byte of ciphertext may be the same in both.
            if ours == theirs { ours[0] ^= 1 } else { ours.copy_from_slice(theirs) }
        });
    }
    for block in 1..(end - head) / 16 {
        one("blocks swapped before", block, &|forged| {
            let (left, right) = forged.bytes[head..].split_at_mut(16 * block);
            left[16 * (block - 1)..].swap_with_slice(&mut right[..16]);
        });
    }
    count
}

fn insert(forged: &mut Message, at: usize, zeros: usize) {
    forged.bytes.splice(at..at, core::iter::repeat_n(0, zeros));
}

/// How many [`forge`] makes of a text of this length. It is counted here, so that none is lost there.
pub(crate) const fn expected(head: usize, least: usize, text: usize) -> usize {
    let length = head + text + TAG;
    let blocks = if text < 32 { 0 } else { text / 16 - 1 };
    let (has_text, has_halves) = (text > 0, text > 1);
    head + text + TAG * 8 + 2 * AAD + 2 + (length - least) + 5 + 3 + has_text as usize + has_halves as usize + blocks
}
