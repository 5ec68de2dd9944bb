//! Seals one message so and so often: `arm-count <armv8 | aes-gcm> <bytes> <calls>`. What two runs differ in, divided by
//! what they did more, is what one block or one call costs: `admin/test-arm` counts the instructions.
//!
//! Every run compares its last result with the other's, which it does once, so that what is counted is right.

use std::hint::black_box;
use std::process::ExitCode;

use aes_gcm::aead::{AeadInOut, KeyInit};
use tablecrypt_core::{Aes256Gcm, Backend, Key};

const KEY: [u8; 32] = [7; 32];
const NONCE: [u8; 12] = [1; 12];
const AAD: [u8; 16] = [2; 16];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [who, bytes, calls] = arguments.as_slice() else { return usage() };
    let (Ok(bytes), Ok(calls)) = (bytes.parse::<usize>(), calls.parse::<usize>()) else { return usage() };
    let Some(ours) = Aes256Gcm::on(Backend::Armv8, &Key::from(KEY)) else {
        eprintln!("this CPU has no armv8");
        return ExitCode::FAILURE;
    };
    let rival = aes_gcm::Aes256Gcm::new(&KEY.into());
    let seal_ours = |text: &mut [u8]| ours.seal_in_place(&NONCE, &AAD, text).expect("the text is short");
    let seal_rival = |text: &mut [u8]| -> [u8; 16] {
        rival.encrypt_inout_detached(&NONCE.into(), &AAD, text.into()).expect("the text is short").into()
    };
    let text = vec![3; bytes];
    let (mut one, mut other) = (text.clone(), text.clone());
    let tags = (seal_ours(&mut one), seal_rival(&mut other));
    assert!(tags.0 == tags.1 && one == other, "armv8 and aes-gcm agree");

    let mut out = text;
    for _ in 0..calls {
        match who.as_str() {
            "armv8" => drop(black_box(seal_ours(black_box(&mut out)))),
            "aes-gcm" => drop(black_box(seal_rival(black_box(&mut out)))),
            "armv8-key" => drop(black_box(Aes256Gcm::on(Backend::Armv8, black_box(&Key::from(KEY))))),
            "aes-gcm-key" => drop(black_box(aes_gcm::Aes256Gcm::new(black_box(&KEY.into())))),
            _ => return usage(),
        }
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("usage: arm-count <armv8 | aes-gcm | armv8-key | aes-gcm-key> <bytes> <calls>");
    ExitCode::FAILURE
}
