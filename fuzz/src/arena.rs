//! The memory of a C program that calls the library: one block, with pointers into it that are NULL, overlap or are too
//! long, and what the library has to say of them.

use std::ops::Range;

use arbitrary::Arbitrary;

/// How long the block is.
pub const ARENA: usize = 2048;

/// A block whose bytes are known before a call, so that what the call wrote is known after it.
pub struct Arena {
    bytes: Box<[u8]>,
    before: Vec<u8>,
}

impl Default for Arena {
    fn default() -> Self {
        let bytes: Vec<u8> = (0..ARENA).map(|at| at.to_le_bytes()[0] ^ 0x5a).collect();
        Self { before: bytes.clone(), bytes: bytes.into() }
    }
}

impl Arena {
    /// Where a pointer leads, for a call that begins now.
    pub fn place(&mut self, pointer: Pointer, length: Length) -> Span {
        let start = match pointer {
            Pointer::Null => None,
            Pointer::Sixteens(at) => Some(usize::from(at) * 16 % ARENA),
            Pointer::At(at) => Some(usize::from(at) % ARENA),
        };
        let room = ARENA - start.unwrap_or(0);
        let length = match length {
            Length::Short(length) => usize::from(length).min(room),
            Length::Long(length) => (usize::from(length) % ARENA).min(room),
            Length::TooLong(0) => usize::MAX,
            Length::TooLong(less) => isize::MAX as usize + usize::from(less),
        };
        self.span(start, length)
    }

    /// A place of a length that the header fixes.
    pub fn fixed(&mut self, pointer: Pointer, length: usize) -> Span {
        let span = self.place(pointer, Length::Short(0));
        let start = span.range.map(|range| range.start.min(ARENA - length));
        self.span(start, length)
    }

    fn span(&mut self, start: Option<usize>, length: usize) -> Span {
        let pointer = start.map_or(std::ptr::null_mut(), |start| self.bytes[start..].as_mut_ptr());
        Span { pointer, length, range: start.map(|start| start..start.saturating_add(length)) }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn write(&mut self, at: usize, bytes: &[u8]) {
        let at = at % ARENA;
        let count = bytes.len().min(ARENA - at);
        self.bytes[at..at + count].copy_from_slice(&bytes[..count]);
    }

    /// Says that a call begins.
    pub fn begin(&mut self) {
        self.before.copy_from_slice(&self.bytes);
    }

    pub fn before(&self, span: &Span) -> Vec<u8> {
        self.before[span.range.clone().unwrap_or(0..0)].to_vec()
    }

    pub fn now(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[range]
    }

    /// Fails where a call wrote elsewhere than in these ranges.
    pub fn untouched_but(&self, ranges: &[Range<usize>]) {
        for (at, (now, before)) in self.bytes.iter().zip(&self.before).enumerate() {
            assert!(now == before || ranges.iter().any(|range| range.contains(&at)), "byte {at} was written");
        }
    }
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Pointer {
    Null,
    Sixteens(u8),
    At(u16),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Length {
    Short(u8),
    Long(u16),
    /// More than PTRDIFF_MAX.
    TooLong(u8),
}

/// A pointer and its length as a call gets them.
#[derive(Clone, Debug)]
pub struct Span {
    pub pointer: *mut u8,
    pub length: usize,
    range: Option<Range<usize>>,
}

impl Span {
    /// Where the first `length` bytes are in the block; nowhere for NULL.
    pub fn first(&self, length: usize) -> Range<usize> {
        self.range.as_ref().map_or(0..0, |range| range.start..range.start.saturating_add(length.min(self.length)))
    }

    pub fn range(&self) -> Range<usize> {
        self.first(self.length)
    }

    pub fn is_null(&self) -> bool {
        self.pointer.is_null()
    }

    pub fn is_null_and_not_empty(&self) -> bool {
        self.is_null() && self.length > 0
    }

    /// Whether no object has this length here. NULL is judged first.
    pub fn is_too_long(&self) -> bool {
        !self.is_null() && self.length > isize::MAX as usize
    }
}

/// Whether two ranges share a byte.
pub fn overlap(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start.max(b.start) < a.end.min(b.end)
}
