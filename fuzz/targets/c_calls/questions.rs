//! What can be asked of tables, records and services: descriptions, lists, metrics.

use tablecrypt_ffi::description::*;
use tablecrypt_ffi::generation::*;
use tablecrypt_ffi::metrics::*;

use super::administration::{STORE, without_a_place};
use super::tables::{name, settle};
use super::*;

impl Program {
    /// By a table's handle, or by its name and a service.
    pub(super) fn describe(&mut self, table: u8, by: Option<u8>) {
        let mut description = without_a_place();
        let (expected, status) = if let Some(service) = by {
            let service = self.services[usize::from(service) % SLOTS];
            let (table, kind) = name(table);
            // SAFETY: NULL or a handle; NULL or a string; a local variable.
            let status = unsafe { tablecrypt_service_describe_table(service, table, &raw mut description) };
            (Expected::default().when(service.is_null(), Status::NullArgument).new_name(kind), status)
        } else {
            let table = self.tables[usize::from(table) % SLOTS];
            // SAFETY: NULL or a handle; a local variable.
            let status = unsafe { tablecrypt_table_describe(table, &raw mut description) };
            (Expected::default().when(table.is_null(), Status::NullArgument), status)
        };
        settle(&expected, status, &STORE, if by.is_some() { "service_describe_table" } else { "table_describe" });
        assert_eq!(status == Status::Ok, !description.is_null());
        // SAFETY: NULL or a handle.
        let structures = unsafe { tablecrypt_description_structure_count(description) };
        // SAFETY: as above.
        let keys = unsafe { tablecrypt_description_kms_key_count(description) };
        assert_eq!((structures > 0, keys > 0), (status == Status::Ok, status == Status::Ok));
        for index in 0..=structures.max(keys) {
            // SAFETY: as above; any index.
            let structure = unsafe { tablecrypt_description_structure(description, index) };
            // SAFETY: as above.
            let key = unsafe { tablecrypt_description_kms_key(description, index) };
            assert_eq!((structure.is_null(), key.is_null()), (index >= structures, index >= keys));
            assert!(index > 0 || structure.is_null() || text_of(structure) == c"base");
        }
        // SAFETY: as above.
        let id = unsafe { tablecrypt_description_table_id(description) };
        assert!(id.is_null() || text_of(id).count_bytes() == 32);
        // SAFETY: it was given, or NULL, and is forgotten.
        unsafe { tablecrypt_description_free(description) };
    }

    /// The tables of a service, and the generations of one.
    pub(super) fn lists(&mut self, service: u8, table: u8) {
        let service = self.services[usize::from(service) % SLOTS];
        let (table, kind) = name(table);
        let expected = || Expected::default().when(service.is_null(), Status::NullArgument);

        let mut names = without_a_place();
        // SAFETY: NULL or a handle; a local variable.
        let status = unsafe { tablecrypt_service_tables(service, &raw mut names) };
        settle(&expected(), status, &[Status::Io], "service_tables");
        // SAFETY: NULL or a handle.
        let count = unsafe { tablecrypt_names_count(names) };
        for index in 0..=count {
            // SAFETY: as above; any index.
            assert_eq!(unsafe { tablecrypt_names_at(names, index) }.is_null(), index == count);
        }
        // SAFETY: it was given, or NULL, and is forgotten.
        unsafe { tablecrypt_names_free(names) };

        let mut generations = without_a_place();
        // SAFETY: NULL or a handle; NULL or a string; a local variable.
        let status = unsafe { tablecrypt_service_generations(service, table, &raw mut generations) };
        settle(&expected().new_name(kind), status, &STORE, "service_generations");
        // SAFETY: NULL or a handle.
        let count = unsafe { tablecrypt_generations_count(generations) };
        assert_eq!(count > 0, status == Status::Ok);
        for index in 0..=count {
            let mut found = Generation {
                size: size_of::<Generation>(),
                structure: null(),
                created: 0,
                seals_from: 0,
                number: 0,
                seals: -1,
            };
            // SAFETY: as above; any index; a local variable of the size that it says.
            let status = unsafe { tablecrypt_generations_at(generations, index, &raw mut found) };
            let expected = Expected::default()
                .when(generations.is_null(), Status::NullArgument)
                .when(index == count, Status::Length);
            settle(&expected, status, &[], "generations_at");
            assert_eq!(status == Status::Ok, matches!(found.seals, 0 | 1) && !found.structure.is_null());
        }
        // SAFETY: it was given, or NULL, and is forgotten.
        unsafe { tablecrypt_generations_free(generations) };
    }

    /// With room for as many bytes as the caller says it has, and not one more.
    pub(super) fn metrics(&mut self, service: u8, size: Option<u16>) {
        let service = self.services[usize::from(service) % SLOTS];
        let whole = size_of::<Metrics>();
        let says = size.map_or(whole, |size| usize::from(size) % (2 * whole));
        let mut room = vec![u64::MAX; 2 * whole / 8 + 1];
        room[0] = says as u64;
        // SAFETY: NULL or a handle; room for as many bytes as it says, and more.
        let status = unsafe { tablecrypt_service_metrics(service, room.as_mut_ptr().cast()) };
        let expected = Expected::default()
            .when(service.is_null(), Status::NullArgument)
            .when(says < size_of::<usize>(), Status::Length);
        if expected.is_none() {
            answered("service_metrics", status);
        } else {
            expected.check(status, "service_metrics");
        }
        let behind = says.div_ceil(8).max(1);
        assert!(room[behind..].iter().all(|word| *word == u64::MAX), "written behind {says} bytes");
    }

    pub(super) fn default_key(&mut self, service: u8, buffer: (Pointer, Length), length: Option<Pointer>) {
        let service = self.services[usize::from(service) % SLOTS];
        let mut buffer = self.arena.place(buffer.0, buffer.1);
        if buffer.is_too_long() {
            buffer.length = 0;
        }
        let length = length.map(|pointer| self.arena.fixed(pointer, size_of::<usize>()));
        let place = length.as_ref().map_or(null_mut(), |span| span.pointer);
        // SAFETY: NULL or a handle; NULL, or as many bytes of the block as the length says.
        let status =
            unsafe { tablecrypt_service_default_key(service, buffer.pointer.cast(), buffer.length, place.cast()) };
        let known = [
            Status::Ok,
            Status::NullArgument,
            Status::OutputTooShort,
            Status::Overlap,
            Status::Io,
            Status::KeyDisabled,
            Status::KeyUnavailable,
            Status::KeyNotFound,
            Status::KmsRequestInvalid,
        ];
        answered("service_default_key", status);
        assert!(known.contains(&status), "service_default_key: {status:?}");
        assert!(!service.is_null() || status == Status::NullArgument);
        let mut touched = length.map_or_else(Vec::new, |span| vec![span.range()]);
        if status == Status::Ok {
            touched.push(buffer.range());
            let arn = CStr::from_bytes_until_nul(self.arena.now(buffer.range())).expect("a NUL within the capacity");
            assert!(arn.to_bytes().starts_with(b"arn:"), "{arn:?}");
        }
        self.arena.untouched_but(&touched);
    }

    pub(super) fn generation_of(&mut self, record: (Pointer, Length), number: Pointer) {
        let record = self.arena.place(record.0, record.1);
        let number = self.arena.fixed(number, size_of::<u32>());
        // SAFETY: NULL, or as many bytes of the block as the lengths say, or a length that is refused.
        let status = unsafe { tablecrypt_generation_of_record(record.pointer, record.length, number.pointer.cast()) };
        let expected = Expected::default().buffer(&record).when(number.is_null(), Status::NullArgument);
        settle(&expected, status, &[Status::Truncated, Status::UnknownVersion], "generation_of_record");
        self.arena.untouched_but(&[number.range()]);
    }
}
