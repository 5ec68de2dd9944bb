//! Tablecrypt: what a user gets, and each backend that this CPU has; XAES-256-GCM beside GCM.

use core::time::Duration;

use anyhow::Result;
use tablecrypt_core::{Aes256Gcm, Backend, Key, PREFIX, SealMessage, XNONCE, Xaes256Gcm};

use super::{Cipher, Library, NONCE, Shared, TAG};
use crate::bench::{Memory, Nonces, Subject};
use crate::case::{Case, MESSAGES, Op, SMALL};

#[cfg(not(all(aes_backend = "soft", polyval_backend = "soft")))]
compile_error!("portable would not be portable: build this worker with the rustflags of .cargo/config.toml");

/// The default, then every available backend, the best first.
pub(super) fn all() -> impl Iterator<Item = Box<dyn Subject>> {
    let backends = Backend::ALL.iter().copied().filter(|backend| backend.is_available()).map(Some);
    core::iter::once(None).chain(backends).map(|backend| Box::new(Ours(backend)) as Box<dyn Subject>)
}

/// A backend; None: the one that [`Aes256Gcm::new`] takes.
struct Ours(Option<Backend>);

impl Subject for Ours {
    fn name(&self) -> String {
        self.0.map_or_else(|| "tablecrypt".into(), |backend| format!("tablecrypt:{}", backend.name()))
    }

    fn check(&self, case: &Case, memory: &mut Memory) -> Result<Option<Vec<u8>>> {
        match case.op {
            Op::XaesCold => Cold(self.0).check(&Case { op: Op::Seal, ..*case }, memory),
            Op::XaesWarm => Warm(self.0).check(&Case { op: Op::Seal, ..*case }, memory),
            _ => Plain(self.0).check(case, memory),
        }
    }

    fn time(&self, case: &Case, calls: u64, memory: &mut Memory) -> Result<Option<Duration>> {
        match case.op {
            Op::XaesCold => Cold(self.0).time(&Case { op: Op::Seal, ..*case }, calls, memory),
            Op::XaesWarm => Warm(self.0).time(&Case { op: Op::Seal, ..*case }, calls, memory),
            _ => Plain(self.0).time(case, calls, memory),
        }
    }
}

struct Plain(Option<Backend>);

impl Library for Plain {
    type Key = Key;
    type Cipher = Aes256Gcm;

    fn name(&self) -> String {
        String::new()
    }

    fn key(bytes: &[u8; 32]) -> Key {
        Key::from(*bytes)
    }

    #[inline]
    fn expand(&self, key: &Key) -> Aes256Gcm {
        match self.0 {
            None => Aes256Gcm::new(key),
            Some(backend) => Aes256Gcm::on(backend, key).expect("only available ones are listed"),
        }
    }
}

impl Cipher for Aes256Gcm {
    #[inline]
    fn seal(&mut self, nonce: &[u8; NONCE], aad: &[u8], text: &mut [u8]) -> [u8; TAG] {
        self.seal_in_place(nonce, aad, text).expect("no text is too long")
    }

    #[inline]
    fn open(&mut self, nonce: &[u8; NONCE], aad: &[u8], sealed: &mut [u8]) -> bool {
        let (text, tag) = sealed.split_last_chunk_mut().expect("a tag is there");
        self.open_in_place(nonce, aad, text, tag).is_ok()
    }

    fn seal_batches(
        &mut self,
        calls: u64,
        nonces: &mut Nonces,
        aad: &[u8],
        texts: &mut [[u8; SMALL]; MESSAGES],
        tags: &mut [[u8; TAG]; MESSAGES],
    ) {
        let mut messages = texts.each_mut().map(|text| SealMessage { nonce: [0; NONCE], aad, text, tag: [0; TAG] });
        for _ in 0..calls {
            for message in &mut messages {
                message.nonce = nonces.fresh();
            }
            self.seal_many(&mut messages).expect("no text is too long");
        }
        *tags = messages.map(|message| message.tag);
    }

    fn shared(&self) -> Option<&dyn Shared> {
        Some(self)
    }
}

impl Shared for Aes256Gcm {
    fn seal_shared(&self, nonce: &[u8; NONCE], aad: &[u8], text: &mut [u8]) -> [u8; TAG] {
        self.seal_in_place(nonce, aad, text).expect("no text is too long")
    }
}

/// XAES-256-GCM with its derived key kept.
struct Warm(Option<Backend>);

impl Library for Warm {
    type Key = Key;
    type Cipher = Aes256Gcm;

    fn name(&self) -> String {
        String::new()
    }

    fn key(bytes: &[u8; 32]) -> Key {
        Key::from(*bytes)
    }

    fn expand(&self, key: &Key) -> Aes256Gcm {
        Cold(self.0).expand(key).0.derive(&PREFIX_OF_ALL)
    }
}

/// XAES-256-GCM that derives a key for each message.
struct Cold(Option<Backend>);

struct Xaes(Xaes256Gcm);

impl Library for Cold {
    type Key = Key;
    type Cipher = Xaes;

    fn name(&self) -> String {
        String::new()
    }

    fn key(bytes: &[u8; 32]) -> Key {
        Key::from(*bytes)
    }

    fn expand(&self, key: &Key) -> Xaes {
        Xaes(match self.0 {
            None => Xaes256Gcm::new(key),
            Some(backend) => Xaes256Gcm::on(backend, key).expect("only available ones are listed"),
        })
    }
}

impl Cipher for Xaes {
    #[inline]
    fn seal(&mut self, nonce: &[u8; NONCE], aad: &[u8], text: &mut [u8]) -> [u8; TAG] {
        self.0.seal_in_place(&long(nonce), aad, text).expect("no text is too long")
    }

    #[inline]
    fn open(&mut self, nonce: &[u8; NONCE], aad: &[u8], sealed: &mut [u8]) -> bool {
        let (text, tag) = sealed.split_last_chunk_mut().expect("a tag is there");
        self.0.open_in_place(&long(nonce), aad, text, tag).is_ok()
    }
}

#[inline]
fn long(nonce: &[u8; NONCE]) -> [u8; XNONCE] {
    let mut long = [0; XNONCE];
    long[..PREFIX].copy_from_slice(&PREFIX_OF_ALL);
    long[PREFIX..].copy_from_slice(nonce);
    long
}

const PREFIX_OF_ALL: [u8; PREFIX] = *b"a prefix, 12";
