//! The C interface: any order of its calls, any handle that is NULL or alive, any pointer into a block of memory, with NULL,
//! overlap and lengths that no object has. Each answer is one that include/tablecrypt.h names for just these arguments, and
//! nothing was written but what it says.

#![no_main]
#![allow(unsafe_code, reason = "calls of the C interface; CONTRIBUTING.md names this file")]

use std::collections::{BTreeSet, HashSet};
use std::ffi::{CStr, CString, c_char};
use std::mem::MaybeUninit;
use std::ptr::{null, null_mut};
use std::sync::LazyLock;

use arbitrary::Arbitrary;
use errors::Errors;
use libfuzzer_sys::fuzz_target;
use tablecrypt_ffi::connection::*;
use tablecrypt_ffi::gcm::*;
use tablecrypt_ffi::local_kms::*;
use tablecrypt_ffi::service::*;
use tablecrypt_ffi::status::*;
use tablecrypt_ffi::structure::*;
use tablecrypt_ffi::table::*;
use tablecrypt_fuzz::arena::{ARENA, Arena, Length, Pointer, Span, overlap};
use tablecrypt_fuzz::planted;

#[path = "c_calls/administration.rs"]
mod administration;
/// What the header names: each answer is held against it.
#[path = "../../ffi/tests/errors/mod.rs"]
mod errors;
#[path = "c_calls/gcm.rs"]
mod gcm;
#[path = "c_calls/questions.rs"]
mod questions;
#[path = "c_calls/records.rs"]
mod records;
#[path = "c_calls/settings.rs"]
mod settings;
#[path = "c_calls/tables.rs"]
mod tables;
#[path = "c_calls/xaes.rs"]
mod xaes;

/// One call, or a write of the program's own between two calls. A handle is a slot; some slots hold NULL.
#[derive(Arbitrary, Debug)]
enum Call {
    Fill(u16, [u8; 16]),
    Sizes(u64),
    Status(i32),
    LastError(Pointer, Length),
    Backends(u8),

    Expand {
        key: Pointer,
        to: Option<u8>,
    },
    ExpandOn {
        backend: u8,
        key: Pointer,
        to: Option<u8>,
    },
    GcmFree(u8),
    Gcm(gcm::Gcm),
    GcmMany {
        gcm: u8,
        seal: bool,
        null: bool,
        too_many: bool,
        messages: Vec<gcm::GcmMessage>,
    },

    OpenService {
        folder: u8,
        to: Option<u8>,
    },
    CreateTable {
        service: u8,
        table: u8,
        locals: Vec<u8>,
        globals: Vec<u8>,
        key: u8,
        null: bool,
    },
    Connect {
        service: u8,
        to: Option<u8>,
    },
    OpenTable {
        connection: u8,
        name: u8,
        to: Option<u8>,
    },
    Structure {
        table: u8,
        by: u8,
        name: u8,
        to: Option<u8>,
    },
    Close(u8),
    Disable {
        folder: u8,
        key: u8,
    },
    Enable {
        folder: u8,
        key: u8,
    },
    Free {
        what: u8,
        slot: u8,
    },

    Records(records::Records),
    InPlace(records::InPlace),
    RecordsMany {
        structure: u8,
        seal: bool,
        null: bool,
        too_many: bool,
        items: Vec<records::RecordItem>,
    },
    /// Seals, changes a bit or none, and opens elsewhere.
    RoundTrip {
        structures: [u8; 2],
        context: u8,
        text: u8,
        bit: Option<u16>,
    },
    Administration(administration::Administration),
}

/// What the program holds.
struct Program {
    arena: Arena,
    folder: tempfile::TempDir,
    services: [*mut Service; SLOTS],
    connections: [*mut Connection; SLOTS],
    tables: [*mut Table; SLOTS],
    structures: [*mut Structure; SLOTS],
    gcms: [*mut Gcm; SLOTS],
    /// Every record that was sealed.
    sealed: HashSet<Vec<u8>>,
}

const SLOTS: usize = 4;

fuzz_target!(|calls: Vec<Call>| {
    let mut program = Program {
        arena: Arena::default(),
        folder: tempfile::tempdir().expect("a folder"),
        services: [null_mut(); SLOTS],
        connections: [null_mut(); SLOTS],
        tables: [null_mut(); SLOTS],
        structures: [null_mut(); SLOTS],
        gcms: [null_mut(); SLOTS],
        sealed: HashSet::new(),
    };
    for call in calls.into_iter().take(32) {
        program.arena.begin();
        program.run(call);
    }
    for slot in 0..SLOTS {
        (0..5).for_each(|what| program.free(what, slot));
    }
});

impl Program {
    fn run(&mut self, call: Call) {
        match call {
            Call::Fill(at, bytes) => self.arena.write(at.into(), &bytes),
            Call::Sizes(length) => sizes(usize::try_from(length).expect("a 64-bit machine")),
            Call::Status(number) => {
                let sentence = text_of(tablecrypt_status_message(number));
                assert!(sentence.to_str().is_ok_and(|text| !text.is_empty()));
            }
            Call::LastError(buffer, capacity) => self.last_error(buffer, capacity),
            Call::Backends(index) => backends(index),
            Call::Expand { key, to } => self.expand(None, key, to),
            Call::ExpandOn { backend, key, to } => self.expand(Some(backend), key, to),
            Call::GcmFree(slot) => self.free(4, slot.into()),
            Call::Gcm(call) => self.gcm(&call),
            Call::GcmMany { gcm, seal, null, too_many, messages } => {
                self.gcm_many(gcm, seal, null, too_many, &messages);
            }
            Call::OpenService { folder, to } => self.open_service(folder, to),
            Call::CreateTable { service, table, locals, globals, key, null } => {
                self.create_table(service, table, &locals, &globals, key, null);
            }
            Call::Connect { service, to } => self.connect(service, to),
            Call::OpenTable { connection, name, to } => self.open_table(connection, name, to),
            Call::Structure { table, by, name, to } => self.structure(table, by, name, to),
            Call::Close(connection) => self.close(connection),
            Call::Disable { folder, key } => self.administer(folder, key, false),
            Call::Enable { folder, key } => self.administer(folder, key, true),
            Call::Free { what, slot } => self.free(what, slot.into()),
            Call::Records(call) => self.records(&call),
            Call::InPlace(call) => self.in_place(&call),
            Call::RecordsMany { structure, seal, null, too_many, items } => {
                self.records_many(structure, seal, null, too_many, &items);
            }
            Call::RoundTrip { structures, context, text, bit } => self.round_trip(structures, context, text, bit),
            Call::Administration(call) => self.administration(call),
        }
    }

    fn last_error(&mut self, buffer: Pointer, capacity: Length) {
        let mut buffer = self.arena.place(buffer, capacity);
        if buffer.is_null() || buffer.is_too_long() {
            // The caller has as many bytes as it says.
            buffer.length = 0;
        }
        // SAFETY: as many bytes of the block, or NULL and none.
        let whole = unsafe { tablecrypt_last_error(buffer.pointer.cast(), buffer.length) };
        let written = buffer.first(whole + 1);
        self.arena.untouched_but(std::slice::from_ref(&written));
        if !written.is_empty() {
            let text = CStr::from_bytes_until_nul(self.arena.now(written)).expect("a NUL within the capacity");
            assert!(text.to_str().is_ok() && text.count_bytes() <= whole);
        }
    }

    /// The handle in a slot, of five kinds, is freed once.
    fn free(&mut self, what: u8, slot: usize) {
        let slot = slot % SLOTS;
        match what % 5 {
            // SAFETY: NULL, or a handle that was given; the slot forgets it.
            0 => unsafe { tablecrypt_service_free(take(&mut self.services[slot])) },
            // SAFETY: as above.
            1 => unsafe { tablecrypt_connection_free(take(&mut self.connections[slot])) },
            // SAFETY: as above.
            2 => unsafe { tablecrypt_table_free(take(&mut self.tables[slot])) },
            // SAFETY: as above.
            3 => unsafe { tablecrypt_structure_free(take(&mut self.structures[slot])) },
            // SAFETY: as above.
            _ => unsafe { tablecrypt_gcm_free(take(&mut self.gcms[slot])) },
        }
    }
}

fn take<T>(handle: &mut *mut T) -> *mut T {
    std::mem::replace(handle, null_mut())
}

/// Gives a handle to a slot, whose former one is freed first; or to nowhere.
fn give<T>(
    slots: &mut [*mut T; SLOTS],
    to: Option<u8>,
    free: unsafe extern "C" fn(*mut T),
    call: impl FnOnce(*mut *mut T) -> Status,
) -> Status {
    let Some(to) = to else { return call(null_mut()) };
    let slot = &mut slots[usize::from(to) % SLOTS];
    // SAFETY: NULL, or a handle that was given; it is overwritten now.
    unsafe { free(*slot) };
    *slot = std::ptr::without_provenance_mut(1);
    let status = call(slot);
    assert_eq!(status == Status::Ok, !slot.is_null(), "{status:?}");
    status
}

fn text_of<'a>(text: *const c_char) -> &'a CStr {
    // SAFETY: the header says that it is static and ends with a NUL.
    unsafe { CStr::from_ptr(text) }
}

fn sizes(length: usize) {
    assert_eq!(tablecrypt_sealed_size(length), length.saturating_add(48));
    assert_eq!(tablecrypt_opened_size(length), length.saturating_sub(48));
    assert_eq!(tablecrypt_abi(), 1);
    assert!(!text_of(tablecrypt_version()).is_empty());
}

fn backends(index: u8) {
    let count = tablecrypt_backend_count();
    let name = tablecrypt_backend_name(index.into());
    assert_eq!(name.is_null(), usize::from(index) >= count);
    // SAFETY: NULL or a static name.
    let available = unsafe { tablecrypt_backend_is_available(name) } == 1;
    assert!(!name.is_null() || !available);
    let portable = !name.is_null() && text_of(name) == c"portable";
    assert!(!portable || available);
}

/// Fails where the header does not name this answer for this function, whatever its arguments are.
fn answered(call: &str, found: Status) {
    static HEADER: LazyLock<Errors> = LazyLock::new(|| Errors::of(include_str!("../../include/tablecrypt.h")));
    let is_named = HEADER.has(&format!("tablecrypt_{call}"), found as i32);
    assert!(is_named, "{call}: {found:?}, which the header does not name for it");
}

/// The statuses that the header gives these arguments; OK if it gives none.
#[derive(Debug, Default)]
struct Expected(BTreeSet<i32>);

impl Expected {
    fn when(mut self, is_so: bool, status: Status) -> Self {
        if is_so {
            self.0.insert(status as i32);
        }
        self
    }

    /// A pointer with a length.
    fn buffer(self, span: &Span) -> Self {
        self.when(span.is_null_and_not_empty(), Status::NullArgument).when(span.is_too_long(), Status::Length)
    }

    fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// Fails where the answer is none of them.
    fn check(&self, found: Status, call: &str) {
        answered(call, found);
        assert!(self.0.contains(&(found as i32)), "{call}: {found:?}, and expected one of {:?}", self.0);
    }
}
