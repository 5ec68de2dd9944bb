//! Edits of a file of JSON: as JSON, which is still JSON afterwards, and as bytes.

use arbitrary::Arbitrary;
use serde_json::{Value, json};

/// One edit of a value somewhere in a document: at each step down it chooses a child.
#[derive(Arbitrary, Debug)]
pub struct Edit {
    steps: Vec<u8>,
    what: What,
}

#[derive(Arbitrary, Debug)]
enum What {
    Remove(u8),
    Repeat(u8),
    Swap(u8, u8),
    Rename(u8, String),
    Add(String),
    Null,
    Bool(bool),
    Number(i64),
    Unsigned(u64),
    Real(f64),
    Text(String),
    /// A text that a reader of ours might take wrongly.
    Known(u8),
    /// A change of one character.
    Letter(u16, u8),
    /// Shorter, or longer than any field.
    Length(u16),
    Nest(u8),
    Empty(bool),
}

const KNOWN: [&str; 17] = [
    "",
    "base",
    "local:",
    "local:x",
    "global:x",
    "global:\u{fc}",
    "1969-12-31T23:59:59Z",
    "1970-01-01T00:00:00Z",
    "9999-12-31T23:59:60.999999999Z",
    "10000-01-01T00:00:00Z",
    "2026-11-25T00:00:00+00:00",
    "Disabled",
    "PendingDeletion",
    "00000000-0000-4000-8000-000000000000",
    "arn:tablecrypt:kms:local:000000000000:key/",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "\0",
];

impl Edit {
    pub fn apply(&self, document: &mut Value) {
        let mut value = document;
        for step in self.steps.iter().take(6) {
            let children = match value {
                Value::Array(values) => values.len(),
                Value::Object(members) => members.len(),
                _ => 0,
            };
            if children == 0 {
                break;
            }
            let index = usize::from(*step) % children;
            value = match value {
                Value::Array(values) => &mut values[index],
                Value::Object(members) => members.values_mut().nth(index).expect("as many members"),
                _ => unreachable!("it has children"),
            };
        }
        self.what.apply(value);
    }
}

impl What {
    fn apply(&self, value: &mut Value) {
        match (self, &mut *value) {
            (Self::Remove(index), Value::Array(values)) if !values.is_empty() => {
                values.remove(usize::from(*index) % values.len());
            }
            (Self::Remove(index), Value::Object(members)) if !members.is_empty() => {
                let name = members.keys().nth(usize::from(*index) % members.len()).expect("a member").clone();
                members.shift_remove(&name);
            }
            (Self::Repeat(index), Value::Array(values)) if !values.is_empty() => {
                values.push(values[usize::from(*index) % values.len()].clone());
            }
            (Self::Swap(a, b), Value::Array(values)) if !values.is_empty() => {
                let count = values.len();
                values.swap(usize::from(*a) % count, usize::from(*b) % count);
            }
            (Self::Rename(index, to), Value::Object(members)) if !members.is_empty() => {
                let name = members.keys().nth(usize::from(*index) % members.len()).expect("a member").clone();
                let moved = members.shift_remove(&name).expect("a member");
                members.insert(to.clone(), moved);
            }
            (Self::Add(name), Value::Object(members)) => _ = members.insert(name.clone(), json!([])),
            (Self::Letter(at, with), Value::String(text)) if !text.is_empty() => {
                let mut letters: Vec<char> = text.chars().collect();
                let at = usize::from(*at) % letters.len();
                letters[at] = char::from(*with);
                *text = letters.into_iter().collect();
            }
            (Self::Length(length), Value::String(text)) => {
                *text = text.chars().chain(std::iter::repeat('A')).take(usize::from(*length) % 5000).collect();
            }
            (Self::Length(length), Value::Array(values)) if !values.is_empty() => {
                let filler = values[0].clone();
                values.resize(usize::from(*length) % 300, filler);
            }
            (Self::Bool(bool), value) => *value = json!(bool),
            (Self::Number(number), value) => *value = json!(number),
            (Self::Unsigned(number), value) => *value = json!(number),
            (Self::Real(number), value) => *value = json!(number),
            (Self::Text(text), value) => *value = json!(text),
            (Self::Known(index), value) => *value = json!(KNOWN[usize::from(*index) % KNOWN.len()]),
            (Self::Nest(depth), value) => {
                let inner = value.take();
                *value = (0..*depth % 160)
                    .fold(inner, |inner, level| if level % 2 == 0 { json!([inner]) } else { json!({"a": inner}) });
            }
            (Self::Empty(array), value) => *value = if *array { json!([]) } else { json!({}) },
            (_, value) => *value = Value::Null,
        }
    }
}

/// What is longer grows no more: time, too, is to be bounded by the file and not by the edits.
const LONGEST: usize = 1 << 16;

/// One edit of the bytes, which need not be JSON afterwards.
#[derive(Arbitrary, Debug)]
pub enum ByteEdit {
    Set(u16, u8),
    Cut(u16),
    Drop(u16, u16),
    Insert(u16, Vec<u8>),
    Repeat(u16, u16),
}

impl ByteEdit {
    pub fn apply(&self, bytes: &mut Vec<u8>) {
        let length = bytes.len();
        if length > LONGEST {
            return;
        }
        let at = |at: &u16| usize::from(*at) % (length + 1);
        match self {
            Self::Set(place, byte) if length > 0 => bytes[usize::from(*place) % length] = *byte,
            Self::Cut(end) => bytes.truncate(at(end)),
            Self::Drop(start, count) => {
                let start = at(start);
                bytes.drain(start..(start + usize::from(*count)).min(length));
            }
            Self::Insert(place, more) => _ = bytes.splice(at(place)..at(place), more.iter().copied()),
            Self::Repeat(start, count) => {
                let start = at(start);
                let part = bytes[start..(start + usize::from(*count)).min(length)].to_vec();
                bytes.splice(start..start, part);
            }
            Self::Set(..) => {}
        }
    }
}
