//! The published answers: NIST's CAVP and Wycheproof, on every backend of this CPU, by every way to call the core.
//!
//! `admin/setup vectors` fetches them, and `admin/vectors` names their folder in TABLECRYPT_VECTORS. Without that name
//! nothing runs here, and the tests say so; with it a file that is missing or short is a failure. The chunks alone may be
//! left out, by TABLECRYPT_VECTORS_WITHOUT: in an emulator that has to read their 35 MB.
//!
//! Two things need saying. **Short tags**: CAVP has tags from 4 bytes on, and this library none but of 16. There the
//! published tag must be, or must not be, the beginning of the computed one; and what is opened has the published tag
//! with the end of the computed one behind it. **No text**: a message that must be refused has none. Its text is what
//! sealing its ciphertext gives, for a counter mode is its own inverse; so its true tag is known, and opens it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::fs;
use std::path::Path;

use common::{backends, say, values};
use tablecrypt_core::{Aes256Gcm, Error, InOutBuf, Key, Nonce, OpenMessage, SealMessage, TAG, Tag, hazmat};

/// The files: how many messages open, and how many must be refused.
///
/// The first four are the 15,993 cases of both suites that have a key of 256 bits. The fifth has the chunks of 22 of
/// Wycheproof's 35 streams, each a message; of the other 13 none has a chunk that AES-GCM could be asked about.
const FILES: [(&str, usize, usize); 5] = [
    ("cavp-decrypt", 3956, 3919),
    ("cavp-encrypt", 7875, 0),
    ("wycheproof-gcm", 76, 29),
    ("wycheproof-gmac", 30, 108),
    (CHUNKS, 542, 11),
];
const CHUNKS: &str = "wycheproof-chunks";
/// Of them those with a nonce of 12 bytes, which every way takes.
const PLAIN: usize = 5938;
/// The rest, which hazmat alone takes; two of them have an empty nonce.
const OTHERS: usize = 10_608;

#[test]
fn every_published_answer_holds_by_every_way() {
    let Some(cases) = published("every_published_answer_holds_by_every_way") else { return };
    let backends = backends("every_published_answer_holds_by_every_way");
    let mut answers = 0;
    for &backend in &backends {
        for case in &cases {
            let cipher = Aes256Gcm::on(backend, &Key::from(case.key)).unwrap();
            for way in ways(case) {
                check(way, &cipher, case).unwrap_or_else(|wrong| {
                    panic!("{}, {}, {}: {wrong}", backend.name(), way.name, case.title);
                });
                answers += 1;
            }
        }
    }
    let plain = cases.len() - OTHERS;
    assert_eq!(answers, (plain * WAYS.len() + OTHERS) * backends.len());
    say(&format!(
        "published answers from Rust: {} messages, {} backends, {} ways: {answers} hold",
        cases.len(),
        backends.len(),
        WAYS.len()
    ));
}

/// The control of the test above: whatever is changed in a case, its check fails.
#[test]
fn a_changed_answer_is_noticed() {
    let Some(cases) = published("a_changed_answer_is_noticed") else { return };
    let backends = backends("a_changed_answer_is_noticed");
    let mut noticed = 0;
    for &backend in &backends {
        for (i, case) in cases.iter().enumerate() {
            let cipher = Aes256Gcm::on(backend, &Key::from(case.key)).unwrap();
            let ways = ways(case);
            let way = &ways[i % ways.len()];
            let changed = changed(case, i);
            assert!(check(way, &cipher, &changed).is_err(), "{}, {}, {}", backend.name(), way.name, case.title);
            noticed += 1;
        }
    }
    assert_eq!(noticed, cases.len() * backends.len());
    say(&format!("published answers from Rust: {noticed} changed ones noticed"));
}

/// A case with one bit of its answer changed; one that must be refused is said to open.
fn changed(case: &Case, i: usize) -> Case {
    let mut changed = case.clone();
    let has_bytes = !case.ciphertext.is_empty();
    match (&mut changed.text, i % 3) {
        (None, _) => changed.text = Some(vec![0; case.ciphertext.len()]),
        (Some(text), 0) if has_bytes => flip(text, i),
        (Some(_), 1) if has_bytes => flip(&mut changed.ciphertext, i),
        (Some(_), _) => flip(&mut changed.tag, i),
    }
    changed
}

fn flip(bytes: &mut [u8], i: usize) {
    let length = bytes.len();
    bytes[i % length] ^= 1 << (i % 8);
}

/// Whether the core answers as published; if not, what it says instead.
fn check(way: &Way, cipher: &Aes256Gcm, case: &Case) -> Result<(), &'static str> {
    if case.nonce.is_empty() {
        return refuses_empty_nonce(cipher, case);
    }
    let text = match &case.text {
        Some(text) => text.clone(),
        None => (way.seal)(cipher, case, &case.ciphertext).0,
    };
    let (sealed, computed) = (way.seal)(cipher, case, &text);
    ensure(sealed == case.ciphertext, "another ciphertext")?;
    ensure(computed.starts_with(&case.tag) == case.text.is_some(), "another tag, or that of a forgery")?;
    let mut tag = computed;
    tag[..case.tag.len()].copy_from_slice(&case.tag);
    if case.text.is_none() {
        let (answer, out) = (way.open)(cipher, case, &tag);
        ensure(answer == Err(Error::Unauthentic), "a forgery opens")?;
        ensure(out.iter().all(|byte| *byte == 0), "a forgery's output is not cleared")?;
    }
    let (answer, out) = (way.open)(cipher, case, &computed);
    ensure(answer == Ok(()) && out == text, "it does not open to its text")
}

/// GCM has no empty nonce; Wycheproof asks.
fn refuses_empty_nonce(cipher: &Aes256Gcm, case: &Case) -> Result<(), &'static str> {
    let mut text = case.ciphertext.clone();
    let sealed = hazmat::seal_any_nonce(cipher, b"", &case.aad, &mut text);
    ensure(sealed == Err(Error::TooLong), "an empty nonce seals")?;
    let opened = hazmat::open_any_nonce(cipher, b"", &case.aad, &mut text, &case.tag[..].try_into().unwrap());
    ensure(opened == Err(Error::TooLong) && text == case.ciphertext, "an empty nonce opens")?;
    ensure(case.text.is_none(), "an empty nonce is refused")
}

fn ensure(holds: bool, wrong: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(wrong) }
}

/// A way to call the core.
struct Way {
    name: &'static str,
    /// Seals a text under a case's nonce and AAD.
    seal: fn(&Aes256Gcm, &Case, &[u8]) -> Sealed,
    /// Opens a case's ciphertext with this tag.
    open: fn(&Aes256Gcm, &Case, &Tag) -> Opened,
}

/// A ciphertext and its tag.
type Sealed = (Vec<u8>, Tag);
/// The answer, and what stands in the output.
type Opened = (Result<(), Error>, Vec<u8>);

/// Those that take the case's nonce.
fn ways(case: &Case) -> &'static [Way] {
    if case.nonce.len() == 12 { &WAYS } else { &WAYS[WAYS.len() - 1..] }
}

/// The four of `Aes256Gcm`, its batches, and hazmat.
const WAYS: [Way; 6] = [
    Way {
        name: "attached",
        seal: |cipher, case, text| {
            let mut out = vec![0xa5; text.len() + TAG];
            cipher.seal(case.nonce(), &case.aad, text, &mut out).unwrap();
            let tag = *out.last_chunk().unwrap();
            out.truncate(text.len());
            (out, tag)
        },
        open: |cipher, case, tag| {
            let mut out = vec![0xa5; case.ciphertext.len()];
            let sealed = [&case.ciphertext[..], tag].concat();
            (cipher.open(case.nonce(), &case.aad, &sealed, &mut out), out)
        },
    },
    Way {
        name: "detached",
        seal: |cipher, case, text| {
            let mut out = vec![0xa5; text.len()];
            let tag = cipher.seal_detached(case.nonce(), &case.aad, text, &mut out).unwrap();
            (out, tag)
        },
        open: |cipher, case, tag| {
            let mut out = vec![0xa5; case.ciphertext.len()];
            (cipher.open_detached(case.nonce(), &case.aad, &case.ciphertext, tag, &mut out), out)
        },
    },
    Way {
        name: "in place",
        seal: |cipher, case, text| {
            let mut out = text.to_vec();
            let tag = cipher.seal_in_place(case.nonce(), &case.aad, &mut out).unwrap();
            (out, tag)
        },
        open: |cipher, case, tag| {
            let mut out = case.ciphertext.clone();
            (cipher.open_in_place(case.nonce(), &case.aad, &mut out, tag), out)
        },
    },
    Way {
        name: "inout",
        seal: |cipher, case, text| {
            let mut out = vec![0xa5; text.len()];
            let inout = InOutBuf::new(text, &mut out).unwrap();
            let tag = cipher.seal_inout(case.nonce(), &case.aad, inout).unwrap();
            (out, tag)
        },
        open: |cipher, case, tag| {
            let mut out = vec![0xa5; case.ciphertext.len()];
            let inout = InOutBuf::new(&case.ciphertext, &mut out).unwrap();
            (cipher.open_inout(case.nonce(), &case.aad, inout, tag), out)
        },
    },
    Way { name: "batch", seal: seal_batch, open: open_batch },
    Way {
        name: "hazmat",
        seal: |cipher, case, text| {
            let mut out = text.to_vec();
            let tag = hazmat::seal_any_nonce(cipher, &case.nonce, &case.aad, &mut out).unwrap();
            (out, tag)
        },
        open: |cipher, case, tag| {
            let mut out = case.ciphertext.clone();
            (hazmat::open_any_nonce(cipher, &case.nonce, &case.aad, &mut out, tag), out)
        },
    },
];

/// The same message so many times: a group that is interleaved, and one alone.
const BATCH: usize = 5;

fn seal_batch(cipher: &Aes256Gcm, case: &Case, text: &[u8]) -> Sealed {
    let mut texts = vec![text.to_vec(); BATCH];
    let message = |text| SealMessage { nonce: *case.nonce(), aad: &case.aad, text, tag: [0; TAG] };
    let mut messages: Vec<_> = texts.iter_mut().map(|text| message(text)).collect();
    cipher.seal_many(&mut messages).unwrap();
    let tag = messages[0].tag;
    assert!(messages.iter().all(|message| message.tag == tag));
    assert!(texts.iter().all(|text| *text == texts[0]));
    (texts.swap_remove(0), tag)
}

fn open_batch(cipher: &Aes256Gcm, case: &Case, tag: &Tag) -> Opened {
    let mut texts = vec![case.ciphertext.clone(); BATCH];
    let message = |text| OpenMessage::new(*case.nonce(), &case.aad, text, *tag);
    let mut messages: Vec<_> = texts.iter_mut().map(|text| message(text)).collect();
    cipher.open_many(&mut messages);
    let verdict = messages[0].verdict;
    assert!(messages.iter().all(|message| message.verdict == verdict));
    assert!(texts.iter().all(|text| *text == texts[0]));
    (verdict, texts.swap_remove(0))
}

/// A published message.
#[derive(Clone, Default)]
struct Case {
    /// Its file, and where it stands there.
    title: String,
    key: [u8; 32],
    nonce: Vec<u8>,
    aad: Vec<u8>,
    /// None: it must be refused.
    text: Option<Vec<u8>>,
    ciphertext: Vec<u8>,
    /// 4 to 16 bytes.
    tag: Vec<u8>,
}

impl Case {
    fn nonce(&self) -> &Nonce {
        self.nonce[..].try_into().unwrap()
    }
}

/// All of them; None, and a line that says so, where no folder is named.
fn published(test: &str) -> Option<Vec<Case>> {
    let Some(folder) = std::env::var_os("TABLECRYPT_VECTORS") else {
        say(&format!("{test}: SKIPPED, TABLECRYPT_VECTORS names no folder; admin/vectors runs it"));
        return None;
    };
    let without = std::env::var("TABLECRYPT_VECTORS_WITHOUT").ok();
    let (mut all, mut left_out) = (Vec::new(), 0);
    for (name, opened, refused) in FILES {
        if without.as_deref() == Some(name) {
            assert_eq!(name, CHUNKS, "nothing else is left out");
            say(&format!("{test}: {name} left out"));
            left_out = opened + refused;
            continue;
        }
        let path = Path::new(&folder).join(format!("{name}.txt"));
        let cases =
            read(name, &fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
        let open = cases.iter().filter(|case| case.text.is_some()).count();
        assert_eq!((open, cases.len() - open), (opened, refused), "{name} is short, or not what it was");
        all.extend(cases);
    }
    assert_eq!(all.iter().filter(|case| case.nonce.len() == 12).count(), PLAIN - left_out);
    assert_eq!(all.len(), PLAIN - left_out + OTHERS);
    Some(all)
}

fn read(name: &str, file: &str) -> Vec<Case> {
    let (mut cases, mut case) = (Vec::new(), Case::default());
    for (field, value) in values(file) {
        let bytes = || hex::decode(value).unwrap();
        match field {
            "case" => case.title = format!("{name} {value}"),
            "key" => case.key = bytes().try_into().unwrap(),
            "nonce" => case.nonce = bytes(),
            "aad" => case.aad = bytes(),
            "text" => case.text = Some(bytes()),
            "ciphertext" => case.ciphertext = bytes(),
            "tag" => cases.push(Case { tag: bytes(), ..core::mem::take(&mut case) }),
            field => panic!("{name}: a case has no {field}"),
        }
    }
    cases
}
