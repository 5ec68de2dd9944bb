//! Services, tables and structures: names and folders.

use super::administration::STORE;
use super::*;

/// Names as a program may write them, with what the header says of each: NULL, not UTF-8, no name, or a name.
const NAMES: [(Option<&CStr>, Kind); 11] = [
    (None, Kind::Null),
    (Some(c"a"), Kind::Name),
    (Some(c"b"), Kind::Name),
    (Some(c"b"), Kind::Name),
    (Some(c""), Kind::NoName),
    (Some(c".."), Kind::NoName),
    (Some(c"a/b"), Kind::NoName),
    (Some(c"\xff"), Kind::NotUtf8),
    (Some(c"\xc3\xbc"), Kind::NoName),
    (Some(c"alias/tablecrypt/default"), Kind::NoName),
    (Some(c"base"), Kind::Name),
];

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Null,
    Name,
    NoName,
    NotUtf8,
}

pub(super) fn name(index: u8) -> (*const c_char, Kind) {
    let (text, kind) = NAMES[usize::from(index) % NAMES.len()];
    (text.map_or(null(), CStr::as_ptr), kind)
}

impl Expected {
    pub(super) fn name(self, kind: Kind) -> Self {
        self.when(kind == Kind::Null, Status::NullArgument).when(kind == Kind::NotUtf8, Status::InvalidUtf8)
    }

    pub(super) fn new_name(self, kind: Kind) -> Self {
        self.name(kind).when(kind == Kind::NoName, Status::InvalidName)
    }
}

/// What a KMS key's state may answer, and what a store may.
pub(super) const KMS: [Status; 5] = [
    Status::KeyDisabled,
    Status::KeyNotFound,
    Status::KeyPendingDeletion,
    Status::KeyUnavailable,
    Status::AccessDenied,
];

impl Program {
    /// A folder of the program's, or what is none; and whether a service opens there.
    pub(super) fn path(&self, index: u8) -> (Option<CString>, bool) {
        let under = |name: &str| CString::new(self.folder.path().join(name).to_str().expect("UTF-8")).expect("no NUL");
        match index % 6 {
            0 => (None, false),
            1 => (Some(c"".to_owned()), false),
            2 => (Some(c"/dev/null/x".to_owned()), false),
            3 => (Some(under("other")), true),
            _ => (Some(under("data")), true),
        }
    }

    pub(super) fn open_service(&mut self, folder: u8, to: Option<u8>) {
        let (path, opens) = self.path(folder);
        let pointer = path.as_ref().map_or(null(), |path| path.as_ptr());
        let expected = Expected::default()
            .when(to.is_none() || path.is_none(), Status::NullArgument)
            .when(path.is_some() && !opens, Status::Io);
        let status = give(&mut self.services, to, tablecrypt_service_free, |service| {
            // SAFETY: NULL or a string; NULL or a slot.
            unsafe { tablecrypt_service_open_local(pointer, service) }
        });
        settle(&expected, status, &[], "service_open_local");
    }

    pub(super) fn create_table(
        &mut self,
        service: u8,
        table: u8,
        locals: &[u8],
        globals: &[u8],
        key: u8,
        null_lists: bool,
    ) {
        let service = self.services[usize::from(service) % SLOTS];
        let list = |names: &[u8]| names.iter().take(4).map(|index| name(*index)).unzip::<_, _, Vec<_>, Vec<_>>();
        let ((locals, local_kinds), (globals, global_kinds)) = (list(locals), list(globals));
        let (table, kind) = name(table);
        // A key that is none: the id of nothing, and not UTF-8.
        let (key, key_kind) = if key < 128 { (null(), Kind::Name) } else { name(key) };
        let pointers = if null_lists { [null(); 2] } else { [locals.as_ptr(), globals.as_ptr()] };
        let mut expected = Expected::default()
            .when(service.is_null(), Status::NullArgument)
            .when(null_lists && !(locals.is_empty() && globals.is_empty()), Status::NullArgument)
            .new_name(kind)
            .when(key_kind == Kind::NotUtf8, Status::InvalidUtf8);
        for (names, kinds) in [(&locals, &local_kinds), (&globals, &global_kinds)] {
            for (index, kind) in kinds.iter().enumerate() {
                let twice = kinds[..index].contains(&Kind::Name) && {
                    let text = |pointer: *const c_char| (!pointer.is_null()).then(|| text_of(pointer));
                    names[..index].iter().any(|other| text(*other) == text(names[index]))
                };
                expected = expected.new_name(*kind).when(twice && *kind == Kind::Name, Status::InvalidName);
            }
        }
        // SAFETY: NULL or a handle; strings that end with a NUL; NULL or as many of them as the counts say.
        let status = unsafe {
            tablecrypt_service_create_table(service, table, pointers[0], locals.len(), pointers[1], globals.len(), key)
        };
        // Where the key is none of ours, or disabled, and where the table is there: the file system knows.
        // And where the default key is no alias: a service may have been opened with that.
        let state = [&KMS[..], &[Status::TableExists, Status::Io, Status::KmsRequestInvalid]].concat();
        settle(&expected, status, &state, "service_create_table");
    }

    pub(super) fn connect(&mut self, service: u8, to: Option<u8>) {
        let service = self.services[usize::from(service) % SLOTS];
        let expected = Expected::default().when(service.is_null() || to.is_none(), Status::NullArgument);
        let status = give(&mut self.connections, to, tablecrypt_connection_free, |connection| {
            // SAFETY: NULL or a handle; NULL or a slot.
            unsafe { tablecrypt_service_connect(service, connection) }
        });
        settle(&expected, status, &[], "service_connect");
    }

    pub(super) fn open_table(&mut self, connection: u8, table: u8, to: Option<u8>) {
        let connection = self.connections[usize::from(connection) % SLOTS];
        let (table, kind) = name(table);
        let expected =
            Expected::default().when(connection.is_null() || to.is_none(), Status::NullArgument).new_name(kind);
        let status = give(&mut self.tables, to, tablecrypt_table_free, |handle| {
            // SAFETY: NULL or a handle; NULL or a string; NULL or a slot.
            unsafe { tablecrypt_connection_open_table(connection, table, handle) }
        });
        let state = [&KMS[..], &STORE, &[Status::Closed, Status::Locked]].concat();
        settle(&expected, status, &state, "connection_open_table");
    }

    pub(super) fn structure(&mut self, table: u8, by: u8, structure: u8, to: Option<u8>) {
        let table = self.tables[usize::from(table) % SLOTS];
        let (name, kind) = name(structure);
        let by = by % 4;
        let mut expected = Expected::default().when(table.is_null() || to.is_none(), Status::NullArgument);
        if by > 0 {
            expected = expected.name(kind);
        }
        let status = give(&mut self.structures, to, tablecrypt_structure_free, |handle| match by {
            // SAFETY: NULL or a handle; NULL or a slot.
            0 => unsafe { tablecrypt_table_base(table, handle) },
            // SAFETY: NULL or a handle; NULL or a string; NULL or a slot.
            1 => unsafe { tablecrypt_table_local(table, name, handle) },
            // SAFETY: as above.
            2 => unsafe { tablecrypt_table_global(table, name, handle) },
            // SAFETY: as above.
            _ => unsafe { tablecrypt_table_structure(table, name, handle) },
        });
        let more: &[Status] = match by {
            0 => &[],
            3 => &[Status::NoSuchStructure, Status::InvalidName],
            _ => &[Status::NoSuchStructure],
        };
        let call = ["table_base", "table_local", "table_global", "table_structure"][usize::from(by)];
        settle(&expected, status, more, call);
    }

    pub(super) fn close(&mut self, connection: u8) {
        let connection = self.connections[usize::from(connection) % SLOTS];
        // SAFETY: NULL or a handle.
        let status = unsafe { tablecrypt_connection_close(connection) };
        let expected = Expected::default().when(connection.is_null(), Status::NullArgument);
        settle(&expected, status, &[], "connection_close");
    }

    pub(super) fn administer(&mut self, folder: u8, key: u8, enable: bool) {
        let (path, opens) = self.path(folder);
        let pointer = path.as_ref().map_or(null(), |path| path.as_ptr());
        let (key, kind) = if key < 128 { (null(), Kind::Name) } else { name(key) };
        let call = if enable { tablecrypt_local_kms_enable_key } else { tablecrypt_local_kms_disable_key };
        // SAFETY: NULL or strings.
        let status = unsafe { call(pointer, key) };
        let expected = Expected::default()
            .when(path.is_none(), Status::NullArgument)
            .when(kind == Kind::NotUtf8, Status::InvalidUtf8)
            .when(path.is_some() && !opens, Status::Io);
        settle(
            &expected,
            status,
            &[Status::KeyNotFound],
            if enable { "local_kms_enable_key" } else { "local_kms_disable_key" },
        );
    }
}

/// The answer is one of those that the arguments have; where they have none it is OK, or what the state may add.
pub(super) fn settle(expected: &Expected, found: Status, state: &[Status], call: &str) {
    if expected.is_none() {
        answered(call, found);
        assert!(found == Status::Ok || state.contains(&found), "{call}: {found:?}");
    } else {
        expected.check(found, call);
    }
}
