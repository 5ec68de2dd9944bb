//! A process that has keys, uses them and drops them, and stops in between to be looked into: `wiping` starts it.
//!
//! It learns keys from its standard input alone, without a buffer, and prints nothing of them. At each stage it prints the
//! stage's name and waits for a byte.
//!
//! `victim words <backend>` is the exception: it prints the words of an expanded key, for `wiping` to know what to search.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use anyhow::{Context, Result, bail};
use tablecrypt_core::{Aes256Gcm, Backend, Key, OpenMessage, SealMessage, Xaes256Gcm};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut wire = Wire::new()?;
    match *words.as_slice() {
        ["backends"] => {
            let here = Backend::ALL.iter().filter(|backend| backend.is_available());
            println!("{}", here.map(|backend| backend.name()).collect::<Vec<_>>().join(" "));
            Ok(())
        }
        ["words", backend] => print_words(named(backend)?, &mut wire),
        ["gcm", backend] => gcm(named(backend)?, &mut wire),
        ["xaes", backend] => xaes(named(backend)?, &mut wire),
        _ => bail!("usage: victim backends | words, gcm or xaes <backend>"),
    }
}

fn named(name: &str) -> Result<Backend> {
    Backend::ALL.iter().copied().find(|backend| backend.name() == name).context("no such backend")
}

/// What it hears from `wiping` and tells it.
pub(crate) struct Wire(File);

impl Wire {
    fn new() -> Result<Self> {
        // A file has no buffer in this process, where a key would be left.
        Ok(Self(File::from(std::io::stdin().as_fd().try_clone_to_owned()?)))
    }

    /// A key, read where it will stand.
    pub(crate) fn key(&mut self) -> std::io::Result<Key> {
        Key::fill_with(|bytes| self.0.read_exact(bytes))
    }

    /// Says where it is, and waits.
    pub(crate) fn stage(&mut self, line: &str) -> Result<()> {
        println!("{line}");
        std::io::stdout().flush()?;
        Ok(self.0.read_exact(&mut [0])?)
    }
}

#[inline(never)]
fn gcm(backend: Backend, wire: &mut Wire) -> Result<()> {
    live_gcm(backend, wire)?;
    wire.stage("dropped")
}

#[inline(never)]
fn live_gcm(backend: Backend, wire: &mut Wire) -> Result<()> {
    // Not moved out of its Result, nor the cipher out of its Option: what a caller moves is the caller's to wipe.
    let key = wire.key();
    let key = key.as_ref().ok().context("no key came")?;
    let cipher = Aes256Gcm::on(backend, key);
    let cipher = cipher.as_ref().context("not on this CPU")?;
    use_it(cipher);
    wire.stage("alive")
}

#[inline(never)]
fn xaes(backend: Backend, wire: &mut Wire) -> Result<()> {
    live_xaes(backend, wire)?;
    wire.stage("dropped")
}

#[inline(never)]
fn live_xaes(backend: Backend, wire: &mut Wire) -> Result<()> {
    let key = wire.key();
    let key = key.as_ref().ok().context("no key came")?;
    let xaes = Xaes256Gcm::on(backend, key);
    let xaes = xaes.as_ref().context("not on this CPU")?;
    let session = xaes.derive(&PREFIX);
    use_it(&session);
    let mut text = [3; 100];
    let tag = xaes.seal_in_place(&[9; 24], b"", &mut text)?;
    xaes.open_in_place(&[9; 24], b"", &mut text, &tag)?;
    wire.stage("alive")
}

/// The prefix that `wiping` derives a key for, too.
pub(crate) const PREFIX: [u8; 12] = [0x77; 12];

/// Every shape of call: short, long, forged, in batches.
fn use_it(cipher: &Aes256Gcm) {
    for length in [0, 5, 16, 33, 64, 100, 129, 300, 600, 2000, 70_000] {
        let mut text = vec![3; length];
        let tag = cipher.seal_in_place(&[1; 12], b"aad", &mut text).expect("short");
        cipher.open_in_place(&[1; 12], b"aad", &mut text.clone(), &tag).expect("sealed here");
        cipher.open_in_place(&[1; 12], b"aad", &mut text, &[0; 16]).expect_err("forged");
        // Eight at once, four, and one that is left; AADs that are whole blocks, and not.
        for aad in [&b"aad"[..], &[7; 16]] {
            let mut texts = vec![vec![3; length]; 13];
            let mut messages: Vec<_> = texts
                .iter_mut()
                .zip(1..)
                .map(|(text, i)| SealMessage { nonce: [i; 12], aad, text, tag: [0; 16] })
                .collect();
            cipher.seal_many(&mut messages).expect("short");
            let tags: Vec<_> = messages.iter().map(|message| message.tag).collect();
            let mut messages: Vec<_> = texts
                .iter_mut()
                .zip(1..)
                .zip(tags)
                .map(|((text, i), tag)| OpenMessage::new([i; 12], aad, text, tag))
                .collect();
            cipher.open_many(&mut messages);
        }
    }
}

/// The words of eight bytes that an expanded key keeps, those that differ from another key's: in hexadecimal, one a line.
fn print_words(backend: Backend, wire: &mut Wire) -> Result<()> {
    let key = wire.key()?;
    // What the place holds besides a key, such as what is left of the stack, is the same from the second time on.
    words(backend, &key)?;
    let (ours, others, again) = (words(backend, &key)?, words(backend, &Key::from([0x3c; 32]))?, words(backend, &key)?);
    for ((ours, other), again) in ours.iter().zip(&others).zip(&again) {
        if ours != other && ours == again {
            println!("{}", hex::encode(ours));
        }
    }
    Ok(())
}

/// The bytes of an expanded key, as the operating system shows them.
fn words(backend: Backend, key: &Key) -> Result<Vec<[u8; 8]>> {
    let cipher = Aes256Gcm::on(backend, key);
    let cipher = cipher.as_ref().context("not on this CPU")?;
    use_it(cipher); // so that it has all powers of H that it may have
    let mut bytes = vec![0; size_of::<Aes256Gcm>()];
    File::open("/proc/self/mem")?.read_exact_at(&mut bytes, core::ptr::from_ref(cipher).addr() as u64)?;
    Ok(bytes.as_chunks().0.to_vec())
}
