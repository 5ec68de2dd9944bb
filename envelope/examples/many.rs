//! What a record of 64 bytes costs by each call, and what of that is not the core's: nanoseconds a record, the minimum and
//! the median of many rounds. To look at, not to compare machines with; `make bench` is for that.
//!
//! ```sh
//! cargo run --release -p tablecrypt --example many [CALL]
//! ```

use core::error::Error;
use core::hint::black_box;
use std::time::Instant;

use tablecrypt::core::{Aes256Gcm, Key, OpenMessage, SealMessage};
use tablecrypt::{Item, OVERHEAD, Service, TableSpec};

const TEXT: usize = 64;
const RECORD: usize = TEXT + OVERHEAD;
const CONTEXT: &[u8; 22] = b"2013-01-01/UA/1545/EWR";
const MANY: usize = 64;
const ROUNDS: usize = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let service = Service::local(folder.path())?;
    service.create_table(&TableSpec::new("flights"))?;
    let base = service.open_table("flights")?.base();
    let cipher = Aes256Gcm::new(&Key::from([7; 32]));
    println!("{} B, {MANY} records a round, {:?}", TEXT, cipher.backend());

    let aad = [b"tablecry", &CONTEXT[..]].concat();
    let texts = [[0x5a; TEXT]; MANY];
    let (mut places, mut tags, mut next) = (texts, [[0; 16]; MANY], 0_u64);
    let mut nonce = || {
        next += 1;
        let mut nonce = [0; 12];
        nonce[..8].copy_from_slice(&next.to_le_bytes());
        nonce
    };
    time("core: seal_in_place", || {
        for (text, tag) in places.iter_mut().zip(&mut tags) {
            *tag = cipher.seal_in_place(&nonce(), &aad, text)?;
        }
        Ok(())
    })?;
    time("core: seal_many", || {
        let mut messages = places.each_mut().map(|text| SealMessage { nonce: nonce(), aad: &aad, text, tag: [0; 16] });
        cipher.seal_many(&mut messages)?;
        black_box(&messages);
        Ok(())
    })?;
    time("core: open_many, forged", || {
        let mut messages = places.each_mut().map(|text| OpenMessage::new(nonce(), &aad, text, [0; 16]));
        cipher.open_many(&mut messages);
        black_box(&messages);
        Ok(())
    })?;

    let mut records = [[0; RECORD]; MANY];
    time("seal", || {
        for text in &texts {
            black_box(base.seal(CONTEXT, text)?);
        }
        Ok(())
    })?;
    time("seal_into", || {
        for (text, record) in texts.iter().zip(&mut records) {
            base.seal_into(CONTEXT, text, record)?;
        }
        Ok(())
    })?;
    let pairs = texts.each_ref().map(|text| (&CONTEXT[..], &text[..]));
    time("seal_many", || {
        black_box(base.seal_many(&pairs)?);
        Ok(())
    })?;
    time("seal_many_into", || {
        let mut items: Vec<_> =
            texts.iter().zip(&mut records).map(|(text, record)| Item::new(CONTEXT, text, record)).collect();
        base.seal_many_into(&mut items)?;
        black_box(&items);
        Ok(())
    })?;

    let mut opened = [[0; TEXT]; MANY];
    time("open", || {
        for record in &records {
            black_box(base.open(CONTEXT, record)?);
        }
        Ok(())
    })?;
    time("open_into", || {
        for (record, text) in records.iter().zip(&mut opened) {
            base.open_into(CONTEXT, record, text)?;
        }
        Ok(())
    })?;
    let pairs = records.each_ref().map(|record| (&CONTEXT[..], &record[..]));
    time("open_many", || {
        black_box(base.open_many(&pairs)?);
        Ok(())
    })?;
    time("open_many_into", || {
        let mut items: Vec<_> =
            records.iter().zip(&mut opened).map(|(record, text)| Item::new(CONTEXT, record, text)).collect();
        base.open_many_into(&mut items)?;
        black_box(&items);
        Ok(())
    })?;
    assert_eq!(opened, texts);
    Ok(())
}

fn time(what: &str, mut round: impl FnMut() -> Result<(), Box<dyn Error>>) -> Result<(), Box<dyn Error>> {
    if std::env::args().nth(1).is_some_and(|only| only != what) {
        return round();
    }
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        round()?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let of_a_record = |at: usize| times[at].as_secs_f64() * 1e9 / MANY as f64;
    println!("{what:24} {:7.1} {:7.1}", of_a_record(0), of_a_record(ROUNDS / 2));
    Ok(())
}
