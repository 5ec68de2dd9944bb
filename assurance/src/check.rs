//! One message under one of our keys: what comes out, what stands around it, and what is left where it must not open.

use core::fmt;
use core::str::FromStr;

use anyhow::{Error, Result, anyhow, bail, ensure};
use tablecrypt_core::{Aes256Gcm, Backend, Error as Refusal, Nonce, Tag, hazmat};

/// A message, and what it must become.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    /// Twelve bytes, or others for [`Way::AnyNonce`].
    pub nonce: &'a [u8],
    /// Its associated data.
    pub aad: &'a [u8],
    /// Its text.
    pub text: &'a [u8],
    /// Its ciphertext.
    pub sealed: &'a [u8],
    /// Its tag.
    pub tag: Tag,
}

/// The call that seals or opens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// From one buffer to another.
    Apart,
    /// Where it stands.
    InPlace,
    /// From one buffer to another, with the tag behind the ciphertext.
    Attached,
    /// Where it stands, with a nonce of any length.
    AnyNonce,
}

/// Those that take a nonce of 96 bits.
pub const WAYS: [Way; 3] = [Way::Apart, Way::InPlace, Way::Attached];

/// A fault that is put into the output of this CPU's best backend for texts of one length, to show that it would be found.
#[derive(Clone, Copy, Debug)]
pub struct Plant {
    what: Fault,
    length: usize,
}

/// What is put in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// A bit of a sealed text.
    Seal,
    /// A bit of a tag.
    Tag,
    /// A bit of an opened text.
    Open,
    /// A byte of what a forgery must have cleared.
    Clear,
    /// A byte behind a sealed text.
    Past,
    /// A bit of a text that was sealed in a batch.
    SealMany,
    /// A bit of a text that was opened in a batch.
    OpenMany,
}

impl Plant {
    /// Whether this output gets it.
    #[must_use]
    pub fn hits(plant: Option<Self>, what: Fault, backend: Backend, length: usize) -> bool {
        plant.is_some_and(|plant| plant.what == what && plant.length == length && backend == Backend::best())
    }
}

impl FromStr for Plant {
    type Err = Error;

    /// `seal:97`: the fault, and the length of the text.
    fn from_str(said: &str) -> Result<Self> {
        let (what, length) = said.split_once(':').ok_or_else(|| anyhow!("expected seal:97 or the like"))?;
        let what = match what {
            "seal" => Fault::Seal,
            "tag" => Fault::Tag,
            "open" => Fault::Open,
            "clear" => Fault::Clear,
            "past" => Fault::Past,
            "seal-many" => Fault::SealMany,
            "open-many" => Fault::OpenMany,
            _ => bail!("no such fault: {what}"),
        };
        Ok(Self { what, length: length.parse()? })
    }
}

/// Runs messages, in memory that it keeps.
pub struct Checker {
    input: Place,
    output: Place,
    plant: Option<Plant>,
}

impl Checker {
    /// For texts up to this length.
    #[must_use]
    pub fn new(longest: usize, plant: Option<Plant>) -> Self {
        Self { input: Place::new(longest), output: Place::new(longest), plant }
    }

    /// Seals; the ciphertext and the tag must be the message's. Input and output stand `shifts` bytes from a multiple of 64.
    pub fn seal(&mut self, ours: &Aes256Gcm, way: Way, shifts: (usize, usize), message: &Message<'_>) -> Result<()> {
        let (aad, length) = (message.aad, message.text.len());
        let input = self.input.hold(shifts.0, message.text);
        let sealed = match way {
            Way::Apart => {
                let out = self.output.clear(shifts.1, length);
                ours.seal_detached(short(message.nonce), aad, input, out)
            }
            Way::Attached => {
                let out = self.output.clear(shifts.1, length + 16);
                ours.seal(short(message.nonce), aad, input, out).map(|()| *out.last_chunk().expect("16 bytes"))
            }
            Way::InPlace => ours.seal_in_place(short(message.nonce), aad, self.output.hold(shifts.1, message.text)),
            Way::AnyNonce => hazmat::seal_any_nonce(ours, message.nonce, aad, self.output.hold(shifts.1, message.text)),
        };
        let mut tag = sealed.map_err(|error| failure(ours, "seal", way, message, error))?;
        self.plant(ours, &[Fault::Seal, Fault::Past], length);
        if Plant::hits(self.plant, Fault::Tag, ours.backend(), length) {
            tag[15] ^= 1;
        }
        let found = &self.output.held()[..length];
        ensure!(found == message.sealed, failure(ours, "seal", way, message, first_difference(found, message.sealed)));
        ensure!(tag == message.tag, failure(ours, "seal", way, message, format_args!("tag {tag:02x?}")));
        ensure!(self.output.fences_stand(), failure(ours, "seal", way, message, "it wrote past its output"));
        Ok(())
    }

    /// Opens; the text must be the message's.
    pub fn open(&mut self, ours: &Aes256Gcm, way: Way, shifts: (usize, usize), message: &Message<'_>) -> Result<()> {
        let answer = self.call_open(ours, way, shifts, message, &message.tag);
        answer.map_err(|error| failure(ours, "open", way, message, error))?;
        self.plant(ours, &[Fault::Open], message.text.len());
        let found = self.output.held();
        ensure!(found == message.text, failure(ours, "open", way, message, first_difference(found, message.text)));
        ensure!(self.output.fences_stand(), failure(ours, "open", way, message, "it wrote past its output"));
        Ok(())
    }

    /// Opens with one bit of the tag changed; it must be refused and the output cleared.
    pub fn refuse(
        &mut self,
        ours: &Aes256Gcm,
        way: Way,
        shifts: (usize, usize),
        message: &Message<'_>,
        bit: usize,
    ) -> Result<()> {
        let mut tag = message.tag;
        tag[bit / 8 % 16] ^= 1 << (bit % 8);
        let answer = self.call_open(ours, way, shifts, message, &tag);
        let forged = format_args!("with bit {} of its tag changed: {answer:?}", bit % 128);
        ensure!(answer == Err(Refusal::Unauthentic), failure(ours, "open", way, message, forged));
        self.plant(ours, &[Fault::Clear], message.text.len());
        let cleared = self.output.held().iter().all(|byte| *byte == 0);
        ensure!(cleared, failure(ours, "open", way, message, "a forgery's output was not cleared"));
        ensure!(self.output.fences_stand(), failure(ours, "open", way, message, "it wrote past its output"));
        Ok(())
    }

    fn call_open(
        &mut self,
        ours: &Aes256Gcm,
        way: Way,
        shifts: (usize, usize),
        message: &Message<'_>,
        tag: &Tag,
    ) -> Result<(), Refusal> {
        let (aad, length) = (message.aad, message.text.len());
        match way {
            Way::Apart => {
                let input = self.input.hold(shifts.0, message.sealed);
                let out = self.output.clear(shifts.1, length);
                ours.open_detached(short(message.nonce), aad, input, tag, out)
            }
            Way::Attached => {
                let input = self.input.clear(shifts.0, length + 16);
                input[..length].copy_from_slice(message.sealed);
                input[length..].copy_from_slice(tag);
                ours.open(short(message.nonce), aad, input, self.output.clear(shifts.1, length))
            }
            Way::InPlace => {
                ours.open_in_place(short(message.nonce), aad, self.output.hold(shifts.1, message.sealed), tag)
            }
            Way::AnyNonce => {
                hazmat::open_any_nonce(ours, message.nonce, aad, self.output.hold(shifts.1, message.sealed), tag)
            }
        }
    }

    fn plant(&mut self, ours: &Aes256Gcm, faults: &[Fault], length: usize) {
        for fault in faults {
            if Plant::hits(self.plant, *fault, ours.backend(), length) {
                self.output.spoil(*fault);
            }
        }
    }
}

/// A line that names the backend, the call and the message.
pub fn failure(ours: &Aes256Gcm, call: &str, way: Way, message: &Message<'_>, what: impl fmt::Display) -> Error {
    let (backend, text, aad) = (ours.backend().name(), message.text.len(), message.aad.len());
    anyhow!("{backend}: {call}, {way:?}: text {text}, AAD {aad}, nonce {:02x?}: {what}", message.nonce)
}

fn first_difference(found: &[u8], expected: &[u8]) -> String {
    let at = found.iter().zip(expected).position(|(a, b)| a != b).unwrap_or(expected.len());
    format!("byte {at} differs, and {} do", found.iter().zip(expected).filter(|(a, b)| a != b).count())
}

fn short(nonce: &[u8]) -> &Nonce {
    nonce.try_into().expect("a nonce of twelve bytes")
}

/// What stands around an output.
const FENCE: u8 = 0xa5;
const WIDE: usize = 64;

/// Memory for a text at any distance from a multiple of 64, between fences.
struct Place {
    memory: Vec<u8>,
    /// The first multiple of 64 with room for a fence before it.
    base: usize,
    start: usize,
    length: usize,
}

impl Place {
    fn new(longest: usize) -> Self {
        let memory = vec![0; longest + 16 + 5 * WIDE];
        let base = WIDE + memory.as_ptr().align_offset(64);
        Self { memory, base, start: base, length: 0 }
    }

    /// Puts `bytes` at `shift`.
    fn hold(&mut self, shift: usize, bytes: &[u8]) -> &mut [u8] {
        let place = self.fence(shift, bytes.len());
        place.copy_from_slice(bytes);
        place
    }

    /// Makes place for `length` bytes at `shift`, which are not zero.
    fn clear(&mut self, shift: usize, length: usize) -> &mut [u8] {
        let place = self.fence(shift, length);
        place.fill(FENCE);
        place
    }

    fn fence(&mut self, shift: usize, length: usize) -> &mut [u8] {
        (self.start, self.length) = (self.base + shift % 64, length);
        let end = self.start + length;
        self.memory[self.start - WIDE..self.start].fill(FENCE);
        self.memory[end..end + WIDE].fill(FENCE);
        &mut self.memory[self.start..end]
    }

    fn held(&self) -> &[u8] {
        &self.memory[self.start..][..self.length]
    }

    fn fences_stand(&self) -> bool {
        let end = self.start + self.length;
        let (before, after) = (&self.memory[self.start - WIDE..self.start], &self.memory[end..end + WIDE]);
        before == [FENCE; WIDE] && after == [FENCE; WIDE]
    }

    fn spoil(&mut self, fault: Fault) {
        let at = match fault {
            Fault::Past => self.start + self.length,
            _ => self.start + self.length / 2,
        };
        self.memory[at] ^= 1;
    }
}
