//! Python's memory as Rust's slices: the only unsafe code of this crate.
//!
//! A `&[u8]` says that nobody writes these bytes while it lives, and a `&mut [u8]` that nobody else touches them. Python
//! promises neither. This is why it holds here:
//!
//! | memory | who could touch it | why nobody does |
//! | --- | --- | --- |
//! | an input that is `bytes` | nobody: it never changes | so it may be read without the GIL |
//! | a new `bytes` object | nobody: no Python code has seen it yet, or sees it unless it is all written | so it may be written without the GIL |
//! | any other input; every output of the caller's | Python code of another thread | the GIL is held for as long as a slice lives |
//! | an input and an output that overlap | this call itself | refused, or taken as one `&mut` slice: [`write_into`] |
//! | the outputs of a batch | this call itself | refused if one overlaps another, or an input: [`write_many_into`] |
//!
//! A new object's bytes are what CPython's allocator left there: of a foreign allocator, so bytes to Rust, as a C caller's output.
//! They are not zeroed first, as `PyBytes::new_with` does: that would take a tenth of the time of a text of 1 MiB. Nothing reads
//! them before they are written, and an object that is not written whole is never given out.
//!
//! A buffer's exporter neither moves nor frees it before it is released (PEP 3118). The GIL argument needs that nothing
//! here runs Python code while a slice lives: the functions given to [`new_bytes`], [`new_bytes_many`], [`write_into`] and
//! [`write_many_into`] call envelope and core, which know nothing of Python, by operations that never wait for a KMS, which may. It
//! does not hold against native code that writes to a buffer without the GIL at the same time, as it would not for anything else in
//! Python.
//!
//! Weighed and left: to release the GIL over a caller's own buffers too, as hashlib does. A thread that then changes a
//! record while it is opened is not an odd result but undefined behaviour. To copy such buffers first costs memory.

#![allow(unsafe_code)] // CONTRIBUTING.md: buffers of Python objects

use core::cell::RefCell;
use core::ffi::c_char;
use core::fmt;
use core::ops::Range;
use core::{ptr, slice};

use envelope::Item;
use pyo3::exceptions::{PyBufferError, PyMemoryError, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes};

use crate::errors::Failure;

/// From this many bytes on the GIL is released. That costs 50 ns alone, and more if another thread waits for it. Two threads that
/// sealed took, a text, with the GIL and without it: of 4 KiB 0.30 and 0.34 us, of 16 KiB 0.85 and 1.21 us, of 32 KiB 1.55 and 1.64 us,
/// of 64 KiB 2.97 and 2.45 us, of 256 KiB 11.0 and 7.9 us. (Zen 5, vaes512, two cores that others used as well, minimum of 25.) With
/// aesni a text takes four times as long, and it is even at 16 KiB: this stands between the two.
const RELEASE_AT: usize = 32 * 1024;

/// Bytes that a caller gives to be read: any object with a C-contiguous buffer.
#[derive(Debug)]
pub(crate) struct Input<'py>(Memory<'py>);

#[derive(Debug)]
enum Memory<'py> {
    /// Never changes.
    Constant(Bound<'py, PyBytes>),
    /// May change while the GIL is not held.
    Buffer(Buffer),
    Nothing,
}

impl<'py> Input<'py> {
    /// No bytes, as an associated data of None.
    pub(crate) const NOTHING: Self = Self(Memory::Nothing);

    pub(crate) fn len(&self) -> usize {
        match &self.0 {
            Memory::Constant(bytes) => bytes.as_bytes().len(),
            Memory::Buffer(buffer) => buffer.len(),
            Memory::Nothing => 0,
        }
    }

    /// A copy of the bytes, if they are N.
    pub(crate) fn to_array<const N: usize>(&self, _py: Python<'py>, copy: &mut [u8; N]) -> bool {
        let bytes = self.slice();
        let fits = bytes.len() == N;
        if fits {
            copy.copy_from_slice(bytes);
        }
        fits
    }

    /// A copy of the bytes.
    pub(crate) fn to_vec(&self, _py: Python<'py>) -> Vec<u8> {
        self.slice().to_vec()
    }

    /// A copy of the first eight bytes, or of fewer if there are fewer.
    pub(crate) fn first(&self, _py: Python<'py>) -> Vec<u8> {
        self.slice().iter().take(8).copied().collect()
    }

    fn is_constant(&self) -> bool {
        !matches!(self.0, Memory::Buffer(_))
    }

    /// The bytes. Private: unless they are constant they may be read only while the GIL is held and no Python code runs.
    fn slice(&self) -> &[u8] {
        match &self.0 {
            Memory::Constant(bytes) => bytes.as_bytes(),
            // A buffer without bytes may be at NULL.
            Memory::Buffer(buffer) if buffer.len() == 0 => &[],
            Memory::Buffer(buffer) => {
                // SAFETY: `extract` saw that the buffer is C-contiguous, so its bytes are these; it keeps them while it
                // lives, and the returned slice lives no longer. Nobody writes them meanwhile: the module's table.
                unsafe { slice::from_raw_parts(buffer.start(), buffer.len()) }
            }
            Memory::Nothing => &[],
        }
    }

    /// Where the bytes are.
    fn place(&self) -> Range<usize> {
        match &self.0 {
            Memory::Constant(bytes) => place(bytes.as_bytes().as_ptr(), bytes.as_bytes().len()),
            Memory::Buffer(buffer) => place(buffer.start(), buffer.len()),
            Memory::Nothing => 0..0,
        }
    }
}

impl<'py> FromPyObject<'_, 'py> for Input<'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match object.cast::<PyBytes>() {
            Ok(bytes) => Ok(Self(Memory::Constant(bytes.to_owned()))),
            Err(_) => Ok(Self(Memory::Buffer(Buffer::of(&object)?))),
        }
    }
}

/// Memory that a caller gives to be written: any object with a writable C-contiguous buffer.
#[derive(Debug)]
pub(crate) struct Output(Buffer);

impl Output {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The first bytes, at most `length`. Private: nothing else may touch them while the slice lives; the caller holds
    /// the GIL, runs no Python code and has no other slice of them.
    #[expect(clippy::mut_from_ref, reason = "the memory is Python's; what makes the slice unique is said above")]
    fn slice(&self, length: usize) -> &mut [u8] {
        let length = length.min(self.len());
        if length == 0 {
            return &mut [];
        }
        // SAFETY: `extract` saw that the buffer is writable and C-contiguous, so its first bytes are these; it keeps them
        // while it lives, and the returned slice lives no longer. Nobody else touches them meanwhile: see above.
        unsafe { slice::from_raw_parts_mut(self.0.start(), length) }
    }
}

impl FromPyObject<'_, '_> for Output {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let buffer = Buffer::of(&object)?;
        if buffer.readonly() {
            return Err(PyTypeError::new_err("a read-write bytes-like object is required"));
        }
        Ok(Self(buffer))
    }
}

/// The buffer of an object, until it is dropped. Its view is in a box, as with pyo3's, and the box is used again: what writes
/// into a caller's memory takes none of the heap. (Without a box it is 80 bytes that are moved about: 18 ns a call.)
struct Buffer(Option<Box<ffi::Py_buffer>>);

thread_local! {
    /// Views that are not in use, of this thread.
    #[expect(clippy::vec_box, reason = "a view stays where its exporter filled it")]
    static SPARE: RefCell<Vec<Box<ffi::Py_buffer>>> = const { RefCell::new(Vec::new()) };
}

/// As many as the inputs and outputs of a call; those of a batch come and go.
const SPARES: usize = 8;

/// The last index of an array of several dimensions varies first.
const C_ORDER: c_char = b'C' as c_char;

impl Buffer {
    /// Asked for with shape and strides, and looked at here: asked for without, numpy refuses gaps as a ValueError.
    fn of(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        // No thread-local any more: the thread ends.
        let spare = SPARE.try_with(|spare| spare.borrow_mut().pop()).ok().flatten();
        let mut view = spare.unwrap_or_else(|| Box::new(ffi::Py_buffer::new()));
        // SAFETY: the object lives, the GIL is held, and the view is there to be written.
        let status = unsafe { ffi::PyObject_GetBuffer(object.as_ptr(), &raw mut *view, ffi::PyBUF_FULL_RO) };
        if status != 0 {
            return Err(PyErr::fetch(object.py()));
        }
        // SAFETY: it was filled, for the status says so.
        let contiguous = unsafe { ffi::PyBuffer_IsContiguous(&raw const *view, C_ORDER) } != 0;
        let buffer = Self(Some(view));
        if contiguous { Ok(buffer) } else { Err(PyBufferError::new_err("the buffer is not C-contiguous")) }
    }

    fn start(&self) -> *mut u8 {
        self.0.as_ref().map_or(ptr::null_mut(), |view| view.buf.cast())
    }

    fn len(&self) -> usize {
        self.0.as_ref().and_then(|view| usize::try_from(view.len).ok()).unwrap_or(0)
    }

    fn readonly(&self) -> bool {
        self.0.as_ref().is_none_or(|view| view.readonly != 0)
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let Some(mut view) = self.0.take() else { return };
        // SAFETY: `of` got it, into this very view, and it is released here only; with the GIL, which `attach` has already.
        Python::attach(|_| unsafe { ffi::PyBuffer_Release(&raw mut *view) });
        // Where the thread ends the view goes with it.
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < SPARES {
                spare.push(view);
            }
        });
    }
}

/// A new bytes object of this length, which `fill` writes from the inputs, all of it.
pub(crate) fn new_bytes<'py, const N: usize, E>(
    py: Python<'py>,
    inputs: [&Input<'py>; N],
    length: usize,
    fill: impl FnOnce([&[u8]; N], &mut [u8]) -> Result<usize, E> + Send,
) -> PyResult<Bound<'py, PyBytes>>
where
    E: Into<Failure> + Send,
{
    let object = new_object(py, length)?;
    let (out, slices) = (unseen(&object), inputs.map(Input::slice));
    let release = length >= RELEASE_AT && inputs.iter().all(|input| input.is_constant());
    let filled = if release { py.detach(|| fill(slices, out)) } else { fill(slices, out) };
    let written = filled.map_err(Into::into)?;
    assert_eq!(written, length, "no Python code sees what was not written");
    Ok(object)
}

/// A new bytes object an item, of `length(item's second input)`, which `fill` writes from the item's two inputs, all of it; or what
/// it says is wrong with that item.
pub(crate) fn new_bytes_many<'py>(
    py: Python<'py>,
    items: &[(Input<'py>, Input<'py>)],
    length: impl Fn(usize) -> Result<usize, Failure>,
    fill: impl FnOnce(&mut [Item<'_>]) -> envelope::Result<()> + Send,
) -> PyResult<Vec<envelope::Result<Bound<'py, PyBytes>>>> {
    let mut total = 0_usize;
    let mut outs = Vec::with_capacity(items.len());
    for (_, input) in items {
        let length = length(input.len())?;
        total = total.saturating_add(length);
        outs.push(new_object(py, length)?);
    }
    // Taken when the last object exists, so that nothing of Python runs while the slices live.
    let parts = items.iter().zip(&outs);
    let mut parts: Vec<_> =
        parts.map(|((context, input), out)| Item::new(context.slice(), input.slice(), unseen(out))).collect();
    let constant = items.iter().all(|(context, input)| context.is_constant() && input.is_constant());
    let filled = if total >= RELEASE_AT && constant { py.detach(|| fill(&mut parts)) } else { fill(&mut parts) };
    filled.map_err(Failure::from)?;
    let written: Vec<_> = parts.into_iter().map(|part| part.written).collect();
    let answers = outs.into_iter().zip(written).map(|(out, written)| {
        let length = out.as_bytes().len();
        written.map(|written| {
            assert_eq!(written, length, "no Python code sees what was not written");
            out
        })
    });
    Ok(answers.collect())
}

/// A bytes object whose bytes are still to be written: to be seen by nobody before.
fn new_object(py: Python<'_>, length: usize) -> PyResult<Bound<'_, PyBytes>> {
    let length = ffi::Py_ssize_t::try_from(length).map_err(|_| PyMemoryError::new_err(()))?;
    // SAFETY: the GIL is held; NULL says that the bytes are written later.
    let object = unsafe { ffi::PyBytes_FromStringAndSize(ptr::null(), length) };
    // SAFETY: it is a new reference, or NULL and an exception.
    let object = unsafe { Bound::from_owned_ptr_or_err(py, object) }?;
    Ok(object.cast_into::<PyBytes>()?)
}

/// The memory of a bytes object that no Python code has seen yet. Private: it is [`new_object`]'s, and one slice of it is taken.
#[expect(clippy::mut_from_ref, reason = "the memory is Python's; what makes the slice unique is said above")]
fn unseen<'a>(bytes: &'a Bound<'_, PyBytes>) -> &'a mut [u8] {
    let length = bytes.as_bytes().len();
    // SAFETY: `bytes` is a bytes object.
    let start = unsafe { ffi::PyBytes_AsString(bytes.as_ptr()) };
    // SAFETY: these are the object's bytes, initialised as the module says; it lives as long as the slice. Nobody else has it,
    // but for the empty one, which all share and of which the slice has no byte.
    unsafe { slice::from_raw_parts_mut(start.cast(), length) }
}

/// Where [`write_into`] finds the text.
#[derive(Debug)]
pub(crate) enum Text<'a> {
    /// Apart from the output.
    Apart(&'a [u8]),
    /// From the output's first byte on, and behind its end what it has no room for.
    InPlace {
        /// Those bytes of the text that lie behind the output.
        behind: &'a [u8],
    },
}

/// Calls `write` with the inputs, the text and the first `length` bytes of `out`, or fewer if it has fewer. Holds the GIL.
///
/// The text may begin where the output begins; any other overlap of an input with these bytes is refused, untouched.
pub(crate) fn write_into<'py, const N: usize, T>(
    _py: Python<'py>,
    inputs: [&Input<'py>; N],
    text: &Input<'py>,
    out: &Output,
    length: usize,
    write: impl FnOnce([&[u8]; N], Text<'_>, &mut [u8]) -> T,
) -> Result<T, envelope::Error> {
    let written = place(out.0.start(), length.min(out.len()));
    if inputs.iter().any(|input| overlap(&input.place(), &written)) {
        return Err(envelope::Error::Overlap);
    }
    let read = text.place();
    if !overlap(&read, &written) {
        return Ok(write(inputs.map(Input::slice), Text::Apart(text.slice()), out.slice(length)));
    }
    if read.start != written.start {
        return Err(envelope::Error::Overlap);
    }
    let behind = read.len().saturating_sub(written.len());
    let behind = match &text.0 {
        Memory::Buffer(buffer) if behind > 0 => {
            // SAFETY: inside the buffer, since `behind` is shorter than it.
            let start = unsafe { buffer.start().add(written.len()) };
            // SAFETY: as in `Input::slice`; and the bytes lie behind those of `out.slice` below.
            unsafe { slice::from_raw_parts(start, behind) }
        }
        // No output overlaps with a constant.
        _ => &[],
    };
    Ok(write(inputs.map(Input::slice), Text::InPlace { behind }, out.slice(length)))
}

/// Calls `fill` with the items (context, input, output), of each the first `length(input)` bytes of its output, and gives what it
/// says came of each. Holds the GIL.
///
/// An output that is too short, or that overlaps an input or another output, is refused, and nothing is touched.
pub(crate) fn write_many_into<'py>(
    _py: Python<'py>,
    items: &[(Input<'py>, Input<'py>, Output)],
    length: impl Fn(usize) -> Result<usize, Failure>,
    fill: impl FnOnce(&mut [Item<'_>]) -> envelope::Result<()>,
) -> Result<Vec<envelope::Result<usize>>, Failure> {
    let mut lengths = Vec::with_capacity(items.len());
    for (_, input, out) in items {
        let needed = length(input.len())?;
        if out.len() < needed {
            return Err(envelope::Error::OutputTooShort { needed }.into());
        }
        lengths.push(needed);
    }
    let outs = items.iter().zip(&lengths).map(|((_, _, out), length)| place(out.0.start(), *length));
    let inputs = items.iter().flat_map(|(context, input, _)| [context.place(), input.place()]);
    if !are_apart(outs, inputs) {
        return Err(envelope::Error::Overlap.into());
    }
    let parts = items.iter().zip(lengths);
    let mut parts: Vec<_> = parts
        .map(|((context, input, out), length)| Item::new(context.slice(), input.slice(), out.slice(length)))
        .collect();
    fill(&mut parts).map_err(Failure::from)?;
    Ok(parts.into_iter().map(|part| part.written).collect())
}

/// Whether no output overlaps another one or an input.
fn are_apart(outs: impl Iterator<Item = Range<usize>>, mut inputs: impl Iterator<Item = Range<usize>>) -> bool {
    let mut outs: Vec<_> = outs.filter(|out| !out.is_empty()).collect();
    outs.sort_unstable_by_key(|out| out.start);
    if outs.windows(2).any(|pair| overlap(&pair[0], &pair[1])) {
        return false;
    }
    // They are apart, so their ends are in order too: the first that ends behind the input's beginning is the one to look at.
    inputs.all(|input| {
        let next = outs.partition_point(|out| out.end <= input.start);
        outs.get(next).is_none_or(|out| !overlap(out, &input))
    })
}

/// Overwrites a bytearray that held a key. Nothing else is changed.
pub(crate) fn wipe(object: &Bound<'_, PyAny>) {
    if object.is_instance_of::<PyByteArray>()
        && let Ok(bytes) = object.extract::<Output>()
    {
        bytes.slice(bytes.len()).fill(0);
    }
}

fn place(start: *const u8, length: usize) -> Range<usize> {
    start.addr()..start.addr() + length
}

fn overlap(a: &Range<usize>, b: &Range<usize>) -> bool {
    !a.is_empty() && !b.is_empty() && a.start < b.end && b.start < a.end
}
