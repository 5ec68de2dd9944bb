//! What whoever administers tables does to their keys and locks; and the calls of questions.rs, settings.rs and xaes.rs.

use tablecrypt_ffi::changes::*;

use super::settings::Setting;
use super::tables::{KMS, Kind, name, settle};
use super::*;

#[derive(Arbitrary, Debug)]
pub(super) enum Administration {
    Change {
        service: u8,
        table: u8,
        change: Change,
    },
    Lock {
        what: u8,
        slot: u8,
        unlock: bool,
    },
    Describe {
        table: u8,
        by: Option<u8>,
    },
    Lists {
        service: u8,
        table: u8,
    },
    Metrics {
        service: u8,
        size: Option<u16>,
    },
    DefaultKey {
        service: u8,
        buffer: (Pointer, Length),
        length: Option<Pointer>,
    },
    ConnectAs {
        service: u8,
        principal: u8,
        to: Option<u8>,
    },
    OpenWith {
        folder: u8,
        settings: Vec<Setting>,
        null: bool,
        to: Option<u8>,
    },
    GenerationOf {
        record: (Pointer, Length),
        number: Pointer,
    },
    Xaes {
        key: Pointer,
        nonce: Pointer,
        aad: (Pointer, Length),
        text: (Pointer, Length),
        flip: Option<u8>,
    },
    Hazmat {
        gcm: u8,
        nonce: (Pointer, Length),
        aad: (Pointer, Length),
        text: (Pointer, Length),
        tag: Pointer,
        seal: bool,
    },
}

#[derive(Arbitrary, Debug)]
pub(super) enum Change {
    Add(u8),
    Drop(u8),
    Delete,
    Rotate(Option<u8>),
    Retire(u8),
    Rewrap { from: Option<u8>, to: u8, plan: bool },
    Switch { keys: Vec<u8>, null: bool },
    AddKey(u8),
    RemoveKey(u8),
}

impl Change {
    fn function(&self) -> &'static str {
        match self {
            Self::Add(_) => "service_add_structure",
            Self::Drop(_) => "service_drop_structure",
            Self::Delete => "service_delete_table",
            Self::Rotate(_) => "service_rotate",
            Self::Retire(_) => "service_retire_generation",
            Self::Rewrap { plan: false, .. } => "service_rewrap",
            Self::Rewrap { plan: true, .. } => "service_plan_rewrap",
            Self::Switch { .. } => "service_switch_key",
            Self::AddKey(_) => "service_add_kms_key",
            Self::RemoveKey(_) => "service_remove_kms_key",
        }
    }
}

/// What a key file may answer that is there no more, or is another's by now.
pub(super) const STORE: [Status; 4] = [Status::NoSuchTable, Status::KeyFileCorrupt, Status::WrongContext, Status::Io];

impl Program {
    pub(super) fn administration(&mut self, call: Administration) {
        match call {
            Administration::Change { service, table, change } => self.change(service, table, &change),
            Administration::Lock { what, slot, unlock } => self.lock(what, slot.into(), unlock),
            Administration::Describe { table, by } => self.describe(table, by),
            Administration::Lists { service, table } => self.lists(service, table),
            Administration::Metrics { service, size } => self.metrics(service, size),
            Administration::DefaultKey { service, buffer, length } => self.default_key(service, buffer, length),
            Administration::ConnectAs { service, principal, to } => self.connect_as(service, principal, to),
            Administration::OpenWith { folder, settings, null, to } => self.open_with(folder, &settings, null, to),
            Administration::GenerationOf { record, number } => self.generation_of(record, number),
            Administration::Xaes { key, nonce, aad, text, flip } => self.xaes(key, nonce, aad, text, flip),
            Administration::Hazmat { gcm, nonce, aad, text, tag, seal } => {
                self.hazmat(gcm, nonce, aad, text, tag, seal);
            }
        }
    }

    fn change(&mut self, service: u8, table: u8, change: &Change) {
        let service = self.services[usize::from(service) % SLOTS];
        let (table, kind) = name(table);
        let expected = Expected::default().when(service.is_null(), Status::NullArgument).new_name(kind);
        let given = |index: &u8, or: &'static CStr| {
            let (text, kind) = name(*index);
            if kind == Kind::Name && index.is_multiple_of(2) { (or.as_ptr(), Kind::Name) } else { (text, kind) }
        };
        let key = |index: &u8| given(index, c"alias/tablecrypt/default");
        let structure = |index: &u8| given(index, c"global:b");
        let (expected, status, more): (Expected, Status, &[Status]) = match change {
            Change::Add(index) => {
                let (name, kind) = structure(index);
                // SAFETY: NULL or a handle; NULL or strings.
                let status = unsafe { tablecrypt_service_add_structure(service, table, name) };
                (expected.name(kind), status, &[Status::StructureExists])
            }
            Change::Drop(index) => {
                let (name, kind) = structure(index);
                // SAFETY: as above.
                let status = unsafe { tablecrypt_service_drop_structure(service, table, name) };
                (expected.name(kind), status, &[Status::Indispensable])
            }
            Change::Delete => {
                // SAFETY: as above.
                (expected, unsafe { tablecrypt_service_delete_table(service, table) }, &[])
            }
            Change::Rotate(index) => {
                let (name, kind) = index.as_ref().map_or((null(), Kind::Name), structure);
                let kind = if kind == Kind::Null { Kind::Name } else { kind }; // NULL is all of them
                // SAFETY: as above.
                (expected.name(kind), unsafe { tablecrypt_service_rotate(service, table, name) }, &[])
            }
            Change::Retire(number) => {
                // SAFETY: as above.
                let status = unsafe { tablecrypt_service_retire_generation(service, table, u32::from(*number)) };
                (expected, status, &[Status::GenerationInUse, Status::UnknownKey])
            }
            Change::Rewrap { from, to, plan } => {
                let (from, from_kind) = from.as_ref().map_or((null(), Kind::Name), key);
                let from_kind = if from_kind == Kind::Null { Kind::Name } else { from_kind };
                let (to, to_kind) = key(to);
                let call = if *plan { tablecrypt_service_plan_rewrap } else { tablecrypt_service_rewrap };
                // SAFETY: as above.
                let status = unsafe { call(service, table, from, to) };
                (expected.name(from_kind).name(to_kind), status, &[Status::NoSuchKmsKey, Status::AlreadyUnderKmsKey])
            }
            Change::Switch { keys, null } => {
                let (keys, kinds): (Vec<_>, Vec<_>) = keys.iter().take(3).map(key).unzip();
                let pointer = if *null { std::ptr::null() } else { keys.as_ptr() };
                let mut expected = expected.when(*null && !keys.is_empty(), Status::NullArgument);
                for kind in kinds {
                    expected = expected.name(kind);
                }
                // SAFETY: as above; NULL or as many strings.
                let status = unsafe { tablecrypt_service_switch_key(service, table, pointer, keys.len()) };
                (expected, status, &[Status::Indispensable, Status::AlreadyUnderKmsKey])
            }
            Change::AddKey(index) => {
                let (key, kind) = key(index);
                // SAFETY: as above.
                (expected.name(kind), unsafe { tablecrypt_service_add_kms_key(service, table, key) }, &[])
            }
            Change::RemoveKey(index) => {
                let (key, kind) = key(index);
                // SAFETY: as above.
                let status = unsafe { tablecrypt_service_remove_kms_key(service, table, key) };
                (expected.name(kind), status, &[Status::NoSuchKmsKey, Status::Indispensable])
            }
        };
        let call = change.function();
        answered(call, status);
        let state = [&KMS[..], &STORE, &[Status::NoSuchStructure, Status::InvalidName], more].concat();
        // One fault of the arguments may be found after the store had its say of another.
        if status == Status::Ok || !state.contains(&status) {
            settle(&expected, status, &state, call);
        }
    }

    fn lock(&mut self, what: u8, slot: usize, unlock: bool) {
        let slot = slot % SLOTS;
        let (service, connection, table) = (self.services[slot], self.connections[slot], self.tables[slot]);
        let (call, is_null, status) = match (what % 3, unlock) {
            // SAFETY: NULL or a handle.
            (0, false) => ("service_lock", service.is_null(), unsafe { tablecrypt_service_lock(service) }),
            // SAFETY: as above.
            (0, true) => ("service_unlock", service.is_null(), unsafe { tablecrypt_service_unlock(service) }),
            // SAFETY: as above.
            (1, false) => ("connection_lock", connection.is_null(), unsafe { tablecrypt_connection_lock(connection) }),
            (1, true) => {
                // SAFETY: as above.
                ("connection_unlock", connection.is_null(), unsafe { tablecrypt_connection_unlock(connection) })
            }
            // SAFETY: as above.
            (_, false) => ("table_lock", table.is_null(), unsafe { tablecrypt_table_lock(table) }),
            // SAFETY: as above.
            (_, true) => ("table_unlock", table.is_null(), unsafe { tablecrypt_table_unlock(table) }),
        };
        settle(&Expected::default().when(is_null, Status::NullArgument), status, &[], call);
        if what % 3 == 2 && !unlock {
            // SAFETY: NULL or a handle.
            assert_eq!(unsafe { tablecrypt_table_permitted_for(table) }, 0);
        }
    }

    fn connect_as(&mut self, service: u8, principal: u8, to: Option<u8>) {
        let service = self.services[usize::from(service) % SLOTS];
        let (principal, kind) = name(principal);
        let expected = Expected::default().when(service.is_null() || to.is_none(), Status::NullArgument).name(kind);
        let status = give(&mut self.connections, to, tablecrypt_connection_free, |connection| {
            // SAFETY: NULL or a handle; NULL or a string; NULL or a slot.
            unsafe { tablecrypt_service_connect_as(service, principal, connection) }
        });
        settle(&expected, status, &[], "service_connect_as");
    }
}

/// What a handle is before it is given: a place that may not be looked at.
pub(super) fn without_a_place<T>() -> *mut T {
    std::ptr::without_provenance_mut(1)
}
