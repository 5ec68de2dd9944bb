//! What the tests of the core share: the list of backends that run here, and the vector files.
#![allow(dead_code, reason = "each test file uses a part")]

pub(crate) mod forgeries;

use std::io::Write;

use tablecrypt_core::Backend;

/// The backends that this CPU has; prints which ran and which were skipped. Where portable takes minutes, as in an
/// emulator, TABLECRYPT_TEST_BACKENDS=vaes512,aesni leaves the others out.
pub(crate) fn backends(test: &str) -> Vec<Backend> {
    let (mut here, missing): (Vec<_>, Vec<_>) =
        Backend::ALL.iter().copied().partition(|backend| backend.is_available());
    assert!(here.contains(&Backend::Portable));
    let mut left_out = String::new();
    if let Ok(asked) = std::env::var("TABLECRYPT_TEST_BACKENDS") {
        let asked: Vec<_> = asked.split(',').map(named).collect();
        let (kept, others): (Vec<_>, Vec<_>) = here.into_iter().partition(|backend| asked.contains(backend));
        here = kept;
        left_out = format!("; left out: {}", names(&others));
    }
    assert!(!here.is_empty(), "a test that runs nowhere shows nothing");
    say(&format!("{test}: ran on {}; not on this CPU: {}{left_out}", names(&here), names(&missing)));
    here
}

/// Prints a line straight to stderr, which the test harness does not capture: what was skipped, what was counted.
pub(crate) fn say(line: &str) {
    std::io::stderr().write_all(format!("{line}\n").as_bytes()).expect("stderr takes a line");
}

fn named(name: &str) -> Backend {
    let found = Backend::ALL.iter().copied().find(|backend| backend.name() == name);
    found.unwrap_or_else(|| panic!("TABLECRYPT_TEST_BACKENDS: no backend is called {name:?}"))
}

fn names(list: &[Backend]) -> String {
    let names: Vec<_> = list.iter().map(|backend| backend.name()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// One case of a vector file.
#[derive(Default)]
pub(crate) struct Case {
    pub(crate) key: Vec<u8>,
    pub(crate) nonce: Vec<u8>,
    pub(crate) aad: Vec<u8>,
    pub(crate) text: Vec<u8>,
    pub(crate) ciphertext: Vec<u8>,
    pub(crate) tag: Vec<u8>,
}

/// The cases of a file, each of which ends with its tag.
pub(crate) fn cases(file: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut case = Case::default();
    for (name, value) in values(file) {
        let value = hex::decode(value).unwrap();
        match name {
            "key" => case.key = value,
            "nonce" => case.nonce = value,
            "aad" => case.aad = value,
            "text" => case.text = value,
            "ciphertext" => case.ciphertext = value,
            "tag" => {
                case.tag = value;
                cases.push(core::mem::take(&mut case));
            }
            _ => {}
        }
    }
    cases
}

/// The `name = value` lines of a file.
pub(crate) fn values(file: &str) -> impl Iterator<Item = (&str, &str)> {
    file.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(n, v)| (n.trim(), v.trim()))
}

/// A stream of bytes that is the same in every run (xorshift64*); not random, and not meant to be.
pub(crate) struct Bytes(pub u64);

impl Bytes {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn take(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next().to_le_bytes()[7]).collect()
    }
}
