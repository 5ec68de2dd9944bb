//! Runs everything that handles a secret with the secrets marked undefined, under valgrind's memcheck.
//!
//! Memcheck follows undefined bits through registers and memory, and complains when a branch, a conditional move or an
//! address depends on one (Langley's ctgrind). Secret are the key, the text, and the tag that a key computes. What a call gives
//! away is public and defined again afterwards: ciphertext, tag, verdict. Memcheck counts its complaints, and each case is
//! judged by that count.
//!
//! The verdict of open is a branch on a secret by its nature, one for the whole tag: `scan/verdict.supp` lets pass a branch of
//! the function `verdict` itself, and nothing that it calls or inlines. A comparison that ends early branches elsewhere.
//!
//! `ctgrind [early-exit]`: with the argument the control of a tag comparison alone.

use std::process::ExitCode;

use crabgrind::memcheck::{MemState, mark_memory};
use crabgrind::valgrind::{RunningMode, count_errors, running_mode};
use tablecrypt_constant_time::leaks;
use tablecrypt_core::{
    Aes256Gcm, Backend, Key, OpenMessage, SealMessage, XNonce, Xaes256Gcm, hazmat, open_many, seal_many,
};

const KEY: [u8; 32] = [0x5a; 32];
const NONCE: [u8; 12] = [1; 12];
const AAD: &[u8] = &[2; 300];

fn main() -> ExitCode {
    if running_mode() == RunningMode::Native {
        eprintln!("ctgrind: run it under valgrind, with admin/ctgrind");
        return ExitCode::FAILURE;
    }
    let mut count = Count::default();
    count.controls();
    let here: Vec<_> = Backend::ALL.iter().copied().filter(|backend| backend.is_available()).collect();
    for &backend in &here {
        let make = |key: &Key| Aes256Gcm::on(backend, key).expect("it is available");
        count.backend(backend.name(), make, |key| Xaes256Gcm::on(backend, key).expect("it is available"));
    }
    count.backend("the best", Aes256Gcm::new, Xaes256Gcm::new);
    let names: Vec<_> = here.iter().map(|backend| backend.name()).collect();
    let Count { cases, leaks, controls } = count;
    println!(
        "ctgrind: {cases} cases on {} and the best of them, {leaks} leak; {controls} controls caught",
        names.join(", ")
    );
    ExitCode::from(u8::from(leaks > 0 || controls != CONTROLS || cases == 0))
}

const CONTROLS: usize = 3;

#[derive(Default)]
struct Count {
    cases: usize,
    leaks: usize,
    controls: usize,
}

impl Count {
    /// What has to be found, or nothing here shows anything.
    fn controls(&mut self) {
        let mut secret = [3_u8; 16];
        hide(&mut secret);
        let found = [
            complaints(|| leaks::branch(secret[0])),
            complaints(|| leaks::look_up(secret[1])),
            complaints(|| leaks::early_exit(&secret, &[3; 16])),
        ];
        println!("controls, complaints: branch {}, look-up {}, early exit {}", found[0], found[1], found[2]);
        self.controls = found.iter().filter(|&&count| count > 0).count();
    }

    /// Every operation on keys that these two make.
    fn backend(&mut self, name: &str, make: impl Fn(&Key) -> Aes256Gcm, make_xaes: impl Fn(&Key) -> Xaes256Gcm) {
        let mut ciphers = Vec::new();
        self.case(name, "expand", 0, || ciphers.push(make(&secret_key())));
        self.case(name, "drop", 0, || drop(ciphers));
        let cipher = make(&secret_key());
        for length in lengths() {
            for aad in [&AAD[..0], &AAD[..16], &AAD[..length % 300]] {
                self.message(name, &cipher, aad, length);
            }
        }
        // A first long message makes powers of H in its key: once with every way to come there.
        for length in [112, 600, 5000] {
            let fresh = make(&secret_key());
            self.message(name, &fresh, AAD, length);
        }
        for length in lengths().filter(|length| length % 7 == 0) {
            self.any_nonce(name, &cipher, length);
            self.batch(name, &cipher, &make(&secret_key()), length);
        }
        let mut xaes = None;
        self.case(name, "xaes expand", 0, || xaes = Some(make_xaes(&secret_key())));
        let xaes = xaes.expect("it was just made");
        for length in [0, 1, 16, 100, 1000] {
            self.xaes(name, &xaes, length);
        }
        self.case(name, "xaes drop", 0, || drop(xaes));
    }

    fn message(&mut self, name: &str, cipher: &Aes256Gcm, aad: &[u8], length: usize) {
        let (mut text, mut tag) = (vec![7; length], [0; 16]);
        hide(&mut text);
        self.case(name, "seal", length, || tag = cipher.seal_in_place(&NONCE, aad, &mut text).expect("short"));
        show(&mut text);
        show(&mut tag);
        // Apart: another path through the buffers.
        let mut other = vec![0; length];
        self.case(name, "open apart", length, || {
            judge(cipher.open_detached(&NONCE, aad, &text, &tag, &mut other).is_ok(), true);
        });
        show(&mut other);
        assert!(other.iter().all(|byte| *byte == 7), "{name}: opened what was sealed");
        let mut forged = tag;
        forged[length % 16] ^= 0x10;
        self.case(name, "open forged", length, || {
            judge(cipher.open_in_place(&NONCE, aad, &mut text, &forged).is_ok(), false);
        });
    }

    fn any_nonce(&mut self, name: &str, cipher: &Aes256Gcm, length: usize) {
        let (nonce, mut text, mut tag) = ([9; 40], vec![7; length], [0; 16]);
        hide(&mut text);
        self.case(name, "seal, long nonce", length, || {
            tag = hazmat::seal_any_nonce(cipher, &nonce[..length % 40 + 1], AAD, &mut text).expect("short");
        });
        show(&mut text);
        show(&mut tag);
        self.case(name, "open, long nonce", length, || {
            let opened = hazmat::open_any_nonce(cipher, &nonce[..length % 40 + 1], AAD, &mut text, &tag);
            judge(opened.is_ok(), true);
        });
    }

    /// Nine messages of three lengths, so that some are interleaved where a backend does so; under one key and under two.
    fn batch(&mut self, name: &str, cipher: &Aes256Gcm, other: &Aes256Gcm, length: usize) {
        let mut texts: Vec<Vec<u8>> = (0..9).map(|i| vec![7; length + [0, 1, 40][i % 3]]).collect();
        let mut tags = [[0; 16]; 9];
        for two_keys in [false, true] {
            texts.iter_mut().for_each(|text| hide(text));
            let mut batch: Vec<_> = texts
                .iter_mut()
                .zip(1..)
                .map(|(text, i)| SealMessage { nonce: [i; 12], aad: &AAD[..16], text, tag: [0; 16] })
                .collect();
            self.case(name, "seal_many", length, || {
                if two_keys {
                    let mut keyed: Vec<_> =
                        batch.drain(..).enumerate().map(|(i, message)| ([cipher, other][i % 2], message)).collect();
                    seal_many(&mut keyed).expect("short");
                    batch = keyed.into_iter().map(|(_, message)| message).collect();
                } else {
                    cipher.seal_many(&mut batch).expect("short");
                }
            });
            for (message, tag) in batch.into_iter().zip(&mut tags) {
                *tag = message.tag;
                show(tag);
            }
            texts.iter_mut().for_each(|text| show(text));
            let mut batch: Vec<_> = texts
                .iter_mut()
                .zip(1..)
                .zip(&tags)
                .map(|((text, i), tag)| OpenMessage::new([i; 12], &AAD[..16], text, *tag))
                .collect();
            self.case(name, "open_many", length, || {
                if two_keys {
                    let mut keyed: Vec<_> =
                        batch.drain(..).enumerate().map(|(i, message)| ([cipher, other][i % 2], message)).collect();
                    open_many(&mut keyed);
                    batch = keyed.into_iter().map(|(_, message)| message).collect();
                } else {
                    cipher.open_many(&mut batch);
                }
            });
            for mut message in batch {
                show_value(&mut message.verdict);
                assert!(message.verdict.is_ok(), "{name}: opened what was sealed");
            }
        }
    }

    fn xaes(&mut self, name: &str, xaes: &Xaes256Gcm, length: usize) {
        let nonce: XNonce = [5; 24];
        let (mut text, mut tag) = (vec![7; length], [0; 16]);
        hide(&mut text);
        self.case(name, "xaes seal", length, || tag = xaes.seal_in_place(&nonce, AAD, &mut text).expect("short"));
        show(&mut text);
        show(&mut tag);
        self.case(name, "xaes open", length, || {
            judge(xaes.open_in_place(&nonce, AAD, &mut text, &tag).is_ok(), true);
        });
    }

    fn case(&mut self, backend: &str, operation: &str, length: usize, run: impl FnOnce()) {
        let complaints = complaints(run);
        self.cases += 1;
        if complaints > 0 {
            self.leaks += 1;
            println!("LEAK: {backend}, {operation}, {length} bytes: {complaints} complaints");
        }
    }
}

/// Every length to 130, which is all shapes of the narrow backends, then the borders of steps and some long ones.
fn lengths() -> impl Iterator<Item = usize> {
    (0..=130).chain([143, 144, 145, 255, 256, 257, 271, 384, 385, 511, 512, 513, 777, 1024, 1500, 2048, 4095, 8192])
}

/// What memcheck says against a piece of work.
fn complaints<T>(run: impl FnOnce() -> T) -> usize {
    let before = count_errors();
    let mut result = run();
    show_value(&mut result);
    count_errors() - before
}

/// A verdict is public: it comes defined or not, and is compared.
fn judge(mut verdict: bool, expected: bool) {
    show_value(&mut verdict);
    assert_eq!(verdict, expected);
}

fn secret_key() -> Key {
    let mut bytes = KEY;
    hide(&mut bytes);
    Key::from(bytes)
}

/// From here on a secret.
fn hide(bytes: &mut [u8]) {
    mark(bytes, MemState::Undefined);
}

/// From here on public.
fn show(bytes: &mut [u8]) {
    mark(bytes, MemState::Defined);
}

fn show_value<T>(value: &mut T) {
    mark_memory(core::ptr::from_mut(value).cast(), size_of::<T>(), MemState::Defined).expect("valgrind runs");
}

fn mark(bytes: &mut [u8], state: MemState) {
    mark_memory(bytes.as_mut_ptr().cast(), bytes.len(), state).expect("valgrind runs");
    // The compiler must not assume the bytes that it knew.
    core::hint::black_box(bytes);
}
