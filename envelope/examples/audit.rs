//! Verifies an audit log: its files in order, heads that are known from elsewhere, and the file of its key (64 hexadecimal
//! digits) if its lines are bound under one. Says how many lines it has, and its head, to be kept; or the first flaw.
//!
//! ```sh
//! cargo run -p tablecrypt --example audit -- FILE... [--known NUMBER:HEX]... [--key FILE]
//! ```

use core::error::Error;
use std::env;
use std::fs;
use std::process::ExitCode;

use tablecrypt::KeyBox;
use tablecrypt::audit::{Head, verify};
use tablecrypt::core::Key;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let (mut files, mut known, mut key) = (Vec::new(), Vec::<Head>::new(), None);
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--known" => known.push(arguments.next().ok_or("--known NUMBER:HEX")?.parse()?),
            "--key" => key = Some(read_key(&arguments.next().ok_or("--key FILE")?)?),
            _ => files.push(argument),
        }
    }
    match verify(&files, key.as_ref().and_then(KeyBox::get), &known) {
        Ok(verified) => {
            println!("{} lines, as they were written; {} were cut by a crash", verified.lines, verified.cut);
            if let Some(head) = verified.head {
                println!("head {head}");
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(flaw) => {
            eprintln!("{flaw}");
            Ok(ExitCode::FAILURE)
        }
    }
}

fn read_key(path: &str) -> Result<KeyBox<Key>, Box<dyn Error>> {
    KeyBox::fill(Key::zeroed(), |key| {
        hex::decode_to_slice(fs::read_to_string(path)?.trim(), key.expose_mut()).map_err(Into::into)
    })
}
