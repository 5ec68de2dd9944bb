//! Forgeries of a record, by every way to open it: each is refused with the error that docs/FORMAT.md gives it. An output
//! is cleared, or was not touched, and what stands around it never is.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;
#[path = "../../core/tests/common/forgeries.rs"]
mod forgeries;

use std::io::Write;

use common::world_with_flights;
use forgeries::{AAD, LENGTHS, Message, expected, forge};
use tablecrypt::{Error, Item, OVERHEAD, Result, Structure};

/// Where the text begins.
const HEAD: usize = 32;
/// What stands around an output, and in it until something is written.
const FENCE: u8 = 0xa5;

#[test]
fn every_forgery_of_a_record_is_refused_by_every_way_and_its_output_cleared() {
    let table = world_with_flights().service.open_table("flights").unwrap();
    let structures = [table.base(), table.local("by-delay").unwrap(), table.global("by-tail").unwrap()];
    let (mut forgeries, mut refused) = (0, 0);
    for (i, structure) in structures.iter().enumerate() {
        for length in LENGTHS {
            let (whole, text) = record(structure, length, 1);
            let (other, _) = record(structure, length, 2);
            let all_open = || {
                for way in &WAYS {
                    let (answer, out) = open(way, structure, &whole);
                    assert!(answer.is_ok() && out == text, "{} opens the whole one", way.name);
                    assert!(refuses(way, structure, &whole).is_err(), "{}: the control is no forgery", way.name);
                }
            };
            all_open();
            let count = forge(&whole, &other, HEAD, 0, |what, forged| {
                for way in &WAYS {
                    refuses(way, structure, forged).unwrap_or_else(|wrong| {
                        panic!("structure {i}, {}, {length} bytes, {what}: {wrong}", way.name);
                    });
                    refused += 1;
                }
            });
            assert_eq!(count, expected(HEAD, 0, length));
            forgeries += count;
            all_open();
        }
    }
    assert_eq!(refused, forgeries * WAYS.len());
    say(&format!(
        "forgeries of records from Rust: {} of {} messages, {} structures, {} ways: {refused} refused and cleared",
        forgeries / structures.len(),
        LENGTHS.len(),
        structures.len(),
        WAYS.len()
    ));
}

#[test]
fn every_flipped_bit_of_a_record_or_its_context_is_refused() {
    let base = world_with_flights().service.open_table("flights").unwrap().base();
    let mut refused = 0;
    for length in LENGTHS {
        let (mut forged, _) = record(&base, length, 1);
        let bytes = forged.bytes.len();
        for bit in 0..8 * (bytes + AAD) {
            let way = &WAYS[(bit + bit / 8) % WAYS.len()];
            flip(&mut forged, bit);
            refuses(way, &base, &forged).unwrap_or_else(|wrong| {
                panic!("{}, {length} bytes, bit {bit}: {wrong}", way.name);
            });
            flip(&mut forged, bit);
            refused += 1;
        }
        assert!(open(&WAYS[0], &base, &forged).0.is_ok(), "the control opens");
    }
    assert_eq!(refused, 8 * LENGTHS.iter().map(|length| OVERHEAD + length + AAD).sum::<usize>());
    say(&format!("flipped bits of records from Rust: {refused} of {} messages refused and cleared", LENGTHS.len()));
}

/// Prints a line straight to stderr, which the test harness does not capture.
fn say(line: &str) {
    std::io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// Counts through the record, then its context.
fn flip(message: &mut Message, bit: usize) {
    let length = message.bytes.len();
    let byte = message.bytes.get_mut(bit / 8).unwrap_or_else(|| &mut message.aad[bit / 8 - length]);
    *byte ^= 1 << (bit % 8);
}

/// A record with its context, and its text.
fn record(structure: &Structure, length: usize, salt: usize) -> (Message, Vec<u8>) {
    let bytes =
        |length: usize, step: usize| -> Vec<u8> { (0..length).map(|i| (i * step + salt).to_le_bytes()[0]).collect() };
    let (aad, text) = (bytes(AAD, 5), bytes(length, 7));
    (Message { bytes: structure.seal(&aad, &text).unwrap(), aad }, text)
}

/// Whether the record is refused as it must be; if not, what is wrong.
fn refuses(way: &Way, structure: &Structure, forged: &Message) -> Result<(), String> {
    let (answer, out) = open(way, structure, forged);
    let refusal = refusal(&forged.bytes, &structure.seal(b"", b"").unwrap()[4..8]);
    let found = match answer {
        Ok(()) => "opens",
        Err(Error::Truncated) => "Truncated",
        Err(Error::Unauthentic) => "Unauthentic",
        Err(Error::UnknownKey { .. }) => "UnknownKey",
        Err(Error::UnknownVersion { .. }) => "UnknownVersion",
        Err(error) => return Err(error.to_string()),
    };
    if found != refusal {
        return Err(format!("{found}, not {refusal}"));
    }
    let left = if refusal == "Unauthentic" && !way.gives_new { 0 } else { FENCE };
    if out.iter().any(|byte| *byte != left) {
        return Err(format!("{found}, and its output is not all {left:#x}"));
    }
    Ok(())
}

/// What docs/FORMAT.md says of a record that is no record of this data key.
fn refusal(record: &[u8], number: &[u8]) -> &'static str {
    match record {
        [version, ..] if *version != 1 => "UnknownVersion",
        short if short.len() < OVERHEAD => "Truncated",
        [_, zeros @ .., _, _, _, _] if zeros[..3] != [0; 3] => "UnknownVersion",
        [_, _, _, _, rest @ ..] if !rest.starts_with(number) => "UnknownKey",
        _ => "Unauthentic",
    }
}

/// The answer, and what stands in the output, between fences that must survive.
fn open(way: &Way, structure: &Structure, message: &Message) -> (Result<()>, Vec<u8>) {
    const WIDE: usize = 64;
    let length = message.bytes.len().saturating_sub(OVERHEAD);
    let mut room = vec![FENCE; WIDE + length + WIDE];
    let answer = (way.open)(structure, message, &mut room[WIDE..WIDE + length]);
    let (left, rest) = room.split_at(WIDE);
    let (out, right) = rest.split_at(length);
    assert!([left, right].concat().iter().all(|byte| *byte == FENCE), "{} writes beside its output", way.name);
    (answer, out.to_vec())
}

struct Way {
    name: &'static str,
    /// Whether its text is a new one, so that where it fails there is none.
    gives_new: bool,
    open: fn(&Structure, &Message, &mut [u8]) -> Result<()>,
}

const WAYS: [Way; 5] = [
    Way {
        name: "open",
        gives_new: true,
        open: |structure, message, out| {
            structure.open(&message.aad, &message.bytes).map(|text| out.copy_from_slice(&text))
        },
    },
    Way {
        name: "open_into",
        gives_new: false,
        open: |structure, message, out| structure.open_into(&message.aad, &message.bytes, out).map(drop),
    },
    Way { name: "open_in_place", gives_new: false, open: open_in_place },
    Way {
        name: "open_many",
        gives_new: true,
        open: |structure, message, out| {
            let good = structure.seal(b"others", b"text").unwrap();
            let items = [(&b"others"[..], &good[..]), (&message.aad, &message.bytes), (b"others", &good)];
            let mut answers = structure.open_many(&items)?;
            let answer = answers.remove(1);
            assert!(answers.iter().all(|good| matches!(good, Ok(text) if text == b"text")), "a neighbour opens");
            answer.map(|text| out.copy_from_slice(&text))
        },
    },
    Way {
        name: "open_many_into",
        gives_new: false,
        open: |structure, message, out| {
            let good = structure.seal(b"others", b"text").unwrap();
            let mut texts = [[0; 4]; 2];
            let [left, right] = &mut texts;
            let mut items = [
                Item::new(b"others", &good, left),
                Item::new(&message.aad, &message.bytes, out),
                Item::new(b"others", &good, right),
            ];
            structure.open_many_into(&mut items)?;
            let [left, forged, right] = items;
            assert!(left.written.is_ok() && right.written.is_ok(), "a neighbour opens");
            let answer = forged.written.map(drop);
            assert_eq!(texts, [*b"text"; 2]);
            answer
        },
    },
];

/// Gives what stands where the text stands, unless the record was refused before it was opened: then all of it is as it
/// was.
fn open_in_place(structure: &Structure, message: &Message, out: &mut [u8]) -> Result<()> {
    let mut record = message.bytes.clone();
    let answer = structure.open_in_place(&message.aad, &mut record).map(drop);
    if matches!(answer, Ok(()) | Err(Error::Unauthentic)) {
        let end = HEAD + out.len();
        assert_eq!(record[..HEAD], message.bytes[..HEAD], "open_in_place writes before the text");
        assert_eq!(record[end..], message.bytes[end..], "open_in_place writes behind the text");
        out.copy_from_slice(&record[HEAD..end]);
    } else {
        assert_eq!(record, message.bytes, "open_in_place writes into what it does not open");
    }
    answer
}
