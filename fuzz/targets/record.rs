//! Records: arbitrary bytes never open, and what was sealed opens unless anything of it was changed; the error is the one
//! that docs/FORMAT.md promises, the same from every call, and the output is cleared or untouched.

#![no_main]

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use tablecrypt::{Error, Item, OVERHEAD, Service, Structure, TableSpec};
use tablecrypt_fuzz::{CANARY, Few, Place, Text, is_clear, planted};

#[derive(Arbitrary, Debug)]
struct Input {
    from: u8,
    to: u8,
    context: Few,
    other_context: Option<Few>,
    text: Text,
    other_text: Text,
    way_to_seal: u8,
    shift: u8,
    room: u8,
    changes: Vec<Change>,
    foreign: Vec<u8>,
}

/// What happens to a record between two calls.
#[derive(Arbitrary, Debug)]
enum Change {
    Flip(u16),
    Set(u16, u8),
    Cut(u16),
    Tail(u16),
    Append(Few),
    Insert(u16, Few),
    Version(u8),
    Number(u32),
    /// A part of another record of the same structure: its head, nonce, text or tag.
    Splice(u8),
    Zero(u16, u8),
}

/// The structures of two tables, and the numbers of their data keys: FORMAT.md says that they are unique within a table.
static STRUCTURES: LazyLock<Vec<Structure>> = LazyLock::new(|| {
    // Kept as long as the process, and then removed with the folder of admin/fuzz.
    let folder = tempfile::tempdir().expect("a folder").keep();
    let service = Service::local(folder).expect("a service");
    let mut structures = Vec::new();
    for name in ["a", "b"] {
        service.create_table(&TableSpec::new(name).local("x").global("y")).expect("a new table");
        let table = service.open_table(name).expect("a table");
        structures.extend([table.base(), table.local("x").expect("x"), table.global("y").expect("y")]);
    }
    structures
});

fuzz_target!(|input: Input| {
    let structures = &*STRUCTURES;
    let (from, to) = (usize::from(input.from) % structures.len(), usize::from(input.to) % structures.len());
    let Few(context) = &input.context;

    let record = seal(&structures[from], &input, &input.text.0);
    let other = seal(&structures[from], &input, &input.other_text.0);
    let mut changed = record.clone();
    for change in &input.changes {
        apply(change, &mut changed, &other);
    }
    let asked = input.other_context.as_ref().unwrap_or(&input.context);
    let mine = from == to && asked.0 == *context;
    let text = if mine && changed == record {
        Some(&input.text.0)
    } else if mine && changed == other {
        Some(&input.other_text.0)
    } else {
        None
    };
    open(&structures[to], to, &asked.0, &changed, text, &input);
    // Bytes that nobody sealed.
    open(&structures[to], to, context, &input.foreign, None, &input);
});

fn seal(structure: &Structure, input: &Input, text: &[u8]) -> Vec<u8> {
    let Few(context) = &input.context;
    let record = match input.way_to_seal % 4 {
        0 => structure.seal(context, text).expect("a record"),
        1 => {
            let mut record = Place::blank(input.shift, text.len() + OVERHEAD);
            assert_eq!(structure.seal_into(context, text, record.get_mut()).expect("a record"), text.len() + OVERHEAD);
            record.get().to_vec()
        }
        2 => {
            let mut record = Place::new(input.shift, &[&[0; 32], text, &[0; 16]].concat());
            structure.seal_in_place(context, record.get_mut()).expect("a record");
            record.get().to_vec()
        }
        _ => structure.seal_many(&[(context, text), (b"another", b"one")]).expect("records").swap_remove(0),
    };
    assert_eq!(record.len(), text.len() + OVERHEAD);
    record
}

fn apply(change: &Change, record: &mut Vec<u8>, other: &[u8]) {
    let length = record.len();
    let at = |at: &u16| usize::from(*at) % (length + 1);
    match change {
        Change::Flip(bit) if length > 0 => record[usize::from(*bit) / 8 % length] ^= 1 << (bit % 8),
        Change::Set(place, byte) if length > 0 => record[usize::from(*place) % length] = *byte,
        Change::Cut(place) => record.truncate(at(place)),
        Change::Tail(place) => _ = record.drain(..at(place)),
        Change::Append(Few(bytes)) => record.extend_from_slice(bytes),
        Change::Insert(place, Few(bytes)) => _ = record.splice(at(place)..at(place), bytes.iter().copied()),
        Change::Version(version) if length > 0 => record[0] = *version,
        Change::Number(number) if length >= 8 => record[4..8].copy_from_slice(&number.to_be_bytes()),
        Change::Splice(part) if length >= OVERHEAD => {
            let (tag, theirs) = (length - 16, other.len() - 16);
            match part % 4 {
                0 => record[..8].copy_from_slice(&other[..8]),
                1 => record[8..32].copy_from_slice(&other[8..32]),
                2 => _ = record.splice(32..tag, other[32..theirs].iter().copied()),
                _ => record[tag..].copy_from_slice(&other[theirs..]),
            }
        }
        Change::Zero(place, count) => {
            let start = at(place);
            record[start..].iter_mut().take(usize::from(*count)).for_each(|byte| *byte = 0);
        }
        _ => {}
    }
}

/// What a call has to say of bytes that are no record of this structure: the order of docs/FORMAT.md.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Refusal {
    Truncated,
    Unauthentic,
    UnknownKey(u32),
    UnknownVersion(u32),
}

impl Refusal {
    fn expected(structure: usize, record: &[u8]) -> Self {
        match record {
            [version @ (0 | 2..), ..] => Self::UnknownVersion(u32::from(*version)),
            _ if record.len() < OVERHEAD => Self::Truncated,
            _ => {
                let word = |at: usize| u32::from_be_bytes(record[at..at + 4].try_into().expect("four bytes"));
                if word(0) != 1 << 24 {
                    return Self::UnknownVersion(word(0));
                }
                // Table by table, a structure's first data key has the number of its place.
                let number = u32::try_from(structure % 3).expect("a small number") + 1;
                if word(4) == number { Self::Unauthentic } else { Self::UnknownKey(word(4)) }
            }
        }
    }

    fn found(error: &Error) -> Self {
        match error {
            Error::Truncated => Self::Truncated,
            Error::Unauthentic => Self::Unauthentic,
            Error::UnknownKey { number } => Self::UnknownKey(*number),
            Error::UnknownVersion { version } => Self::UnknownVersion(*version),
            other => panic!("not an answer to a record: {other:?}"),
        }
    }
}

/// Opens by every call; all have to give the text, or to refuse in the same way.
fn open(structure: &Structure, place: usize, context: &[u8], record: &[u8], text: Option<&Vec<u8>>, input: &Input) {
    let refusal = Refusal::expected(place, record);
    let needed = record.len().saturating_sub(OVERHEAD);
    let check = |answer: Result<&[u8], &Error>, call: &str| match (answer, text) {
        (Ok(found), Some(text)) => assert!(found == text, "{call}: another text"),
        (Err(error), None) => assert_eq!(Refusal::found(error), refusal, "{call}"),
        (Ok(_), None) => panic!("{call}: opened what was not sealed"),
        (Err(error), Some(_)) => panic!("{call}: {error:?} for what was sealed"),
    };

    let answer = structure.open(context, record);
    if planted() && text.is_none() && record.len() >= OVERHEAD && record[0] == 1 && record[record.len() - 1] == 0xff {
        panic!("planted: a tag whose last byte is 0xff is taken");
    }
    check(answer.as_deref(), "open");

    let mut out = Place::blank(input.shift, needed + usize::from(input.room));
    let answer = structure.open_into(context, record, out.get_mut());
    let (written, beyond) = out.get().split_at(needed);
    check(answer.as_ref().map(|count| &written[..*count]), "open_into");
    settled(written, refusal, text.is_some(), "open_into");
    assert!(beyond.iter().all(|byte| *byte == CANARY), "open_into: written past the text");
    if needed > 0 {
        let short = usize::from(input.room) % needed;
        let mut out = Place::blank(input.shift, short);
        let answer = structure.open_into(context, record, out.get_mut());
        assert!(matches!(answer, Err(Error::OutputTooShort { needed: said }) if said == needed), "{answer:?}");
        assert!(out.get().iter().all(|byte| *byte == CANARY), "written, and too short");
    }

    let mut place = Place::new(input.shift, record);
    let answer = structure.open_in_place(context, place.get_mut()).map(|text| text.to_vec());
    check(answer.as_deref(), "open_in_place");
    if let Err(error) = &answer {
        let mut expected = record.to_vec();
        if Refusal::found(error) == Refusal::Unauthentic {
            expected[32..record.len() - 16].fill(0);
        }
        assert!(place.get() == expected, "open_in_place: more was written than the text cleared");
    }

    let good = structure.seal(b"beside", b"a good one").expect("a record");
    let items = [(&b"beside"[..], &good[..]), (context, record), (b"beside", &good)];
    let answers = structure.open_many(&items).expect("unlocked keys");
    check(answers[1].as_deref(), "open_many");
    let mut outs = [Place::blank(0, 10), Place::blank(input.shift, needed), Place::blank(1, 10)];
    let mut batch: Vec<Item<'_>> =
        items.iter().zip(&mut outs).map(|((context, record), out)| Item::new(context, record, out.get_mut())).collect();
    structure.open_many_into(&mut batch).expect("unlocked keys");
    let [first, answer, last] =
        <[_; 3]>::try_from(batch.into_iter().map(|item| item.written).collect::<Vec<_>>()).expect("three answers");
    check(answer.as_ref().map(|count| &outs[1].get()[..*count]), "open_many_into");
    settled(outs[1].get(), refusal, text.is_some(), "open_many_into");
    for (beside, out) in
        [(&answers[0], &first, &outs[0]), (&answers[2], &last, &outs[2])].map(|(a, b, out)| ((a, b), out))
    {
        assert!(matches!(beside, (Ok(text), Ok(10)) if text == b"a good one"), "a bad record spoiled a good one");
        assert!(out.get() == b"a good one");
    }
}

/// What an output holds after a refusal: zeros if it was written to, else what it was.
fn settled(out: &[u8], refusal: Refusal, opened: bool, call: &str) {
    if !opened && refusal == Refusal::Unauthentic {
        assert!(is_clear(out), "{call}: not cleared");
    } else if !opened {
        assert!(out.iter().all(|byte| *byte == CANARY), "{call}: written, and refused before");
    }
}
