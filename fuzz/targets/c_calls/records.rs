//! Records: buffers that overlap, are too short or too long, and batches of them.

use super::*;

#[derive(Arbitrary, Debug)]
pub(super) struct Records {
    structure: u8,
    seal: bool,
    context: (Pointer, Length),
    input: (Pointer, Length),
    output: (Pointer, Length),
    count: Option<Pointer>,
}

#[derive(Arbitrary, Debug)]
pub(super) struct InPlace {
    structure: u8,
    seal: bool,
    context: (Pointer, Length),
    record: (Pointer, Length),
}

#[derive(Arbitrary, Debug)]
pub(super) struct RecordItem {
    context: (Pointer, Length),
    input: (Pointer, Length),
    output: (Pointer, Length),
}

/// What a connection that was closed, a lock, a KMS, or a table that was deleted may answer for any record.
const LOCKED: [Status; 9] = [
    Status::Closed,
    Status::Locked,
    Status::NoSuchTable,
    Status::NoSuchStructure,
    Status::KeyDisabled,
    Status::KeyNotFound,
    Status::KeyPendingDeletion,
    Status::KeyUnavailable,
    Status::AccessDenied,
];
/// What is wrong with bytes that nobody sealed.
const FORGED: [Status; 4] = [Status::Truncated, Status::Unauthentic, Status::UnknownKey, Status::UnknownVersion];

impl Program {
    pub(super) fn records(&mut self, call: &Records) {
        let structure = self.structures[usize::from(call.structure) % SLOTS];
        let context = self.arena.place(call.context.0, call.context.1);
        let input = self.arena.place(call.input.0, call.input.1);
        let output = self.arena.place(call.output.0, call.output.1);
        let count = self.arena.fixed(call.count.unwrap_or(Pointer::Null), size_of::<usize>());
        let needed =
            if call.seal { tablecrypt_sealed_size(input.length) } else { tablecrypt_opened_size(input.length) };
        let written = output.first(needed);
        let clash = [&context, &input, &count].iter().any(|other| overlap(&written, &other.range()));
        let expected = Expected::default()
            .when(structure.is_null(), Status::NullArgument)
            .buffer(&context)
            .buffer(&input)
            .buffer(&output)
            .when(output.length < needed, Status::OutputTooShort)
            .when(clash, Status::Overlap);
        let function = if call.seal { tablecrypt_structure_seal } else { tablecrypt_structure_open };
        // SAFETY: NULL or a handle; NULL, or as many bytes of the block as the lengths say, or a length that is refused.
        let status = unsafe {
            function(
                structure,
                context.pointer,
                context.length,
                input.pointer,
                input.length,
                output.pointer,
                output.length,
                count.pointer.cast(),
            )
        };
        let number = <[u8; 8]>::try_from(self.arena.now(count.range())).ok().map(usize::from_ne_bytes);
        let unchanged = number.is_none() || self.arena.before(&count) == self.arena.now(count.range());
        let name = if call.seal { "structure_seal" } else { "structure_open" };
        answered(name, status);
        if !expected.is_none() {
            expected.check(status, name);
            self.arena.untouched_but(&[count.range()]);
            if status == Status::OutputTooShort {
                assert!(number.is_none_or(|number| number == needed));
            } else {
                assert!(unchanged || number == Some(0));
            }
            return;
        }
        match status {
            Status::Ok => {
                self.arena.untouched_but(&[written.clone(), count.range()]);
                assert!(number.is_none_or(|number| number == needed));
                if call.seal {
                    self.sealed.insert(self.arena.now(written).to_vec());
                } else {
                    assert!(self.sealed.contains(&self.arena.before(&input)), "opened what was not sealed");
                }
            }
            Status::Unauthentic if !call.seal => {
                self.arena.untouched_but(&[written.clone(), count.range()]);
                let cleared = |at: usize| count.range().contains(&at) || self.arena.bytes()[at] == 0;
                assert!(written.into_iter().all(cleared), "not cleared");
            }
            status => {
                let known = LOCKED.contains(&status) || (!call.seal && FORGED.contains(&status));
                assert!(known, "records: {status:?}");
                self.arena.untouched_but(&[count.range()]);
                assert!(unchanged || number == Some(0));
            }
        }
    }

    pub(super) fn in_place(&mut self, call: &InPlace) {
        let structure = self.structures[usize::from(call.structure) % SLOTS];
        let context = self.arena.place(call.context.0, call.context.1);
        let record = self.arena.place(call.record.0, call.record.1);
        let expected = Expected::default()
            .when(structure.is_null(), Status::NullArgument)
            .buffer(&context)
            .buffer(&record)
            .when(overlap(&record.range(), &context.range()), Status::Overlap);
        let function = if call.seal { tablecrypt_structure_seal_in_place } else { tablecrypt_structure_open_in_place };
        // SAFETY: NULL or a handle; NULL, or as many bytes of the block as the lengths say, or a length that is refused.
        let status = unsafe { function(structure, context.pointer, context.length, record.pointer, record.length) };
        let text = || record.range().start + 32..record.range().end - 16;
        let name = if call.seal { "structure_seal_in_place" } else { "structure_open_in_place" };
        answered(name, status);
        if !expected.is_none() {
            expected.check(status, name);
            self.arena.untouched_but(&[]);
        } else if status == Status::Ok && call.seal {
            self.arena.untouched_but(&[record.range()]);
            self.sealed.insert(self.arena.now(record.range()).to_vec());
        } else if status == Status::Ok {
            self.arena.untouched_but(&[text()]);
            assert!(self.sealed.contains(&self.arena.before(&record)), "opened what was not sealed");
        } else if status == Status::Unauthentic && !call.seal {
            self.arena.untouched_but(&[text()]);
            assert!(self.arena.now(text()).iter().all(|byte| *byte == 0), "not cleared");
        } else {
            let short = status == Status::Truncated && record.length < 48;
            let known = LOCKED.contains(&status) || (!call.seal && FORGED.contains(&status));
            assert!(short || known, "in_place: {status:?}");
            self.arena.untouched_but(&[]);
        }
    }

    pub(super) fn records_many(&mut self, at: u8, seal: bool, is_null: bool, too_many: bool, items: &[RecordItem]) {
        let structure = self.structures[usize::from(at) % SLOTS];
        let size = if seal { tablecrypt_sealed_size } else { tablecrypt_opened_size };
        let mut places = Vec::new();
        let mut array = Vec::new();
        for item in items.iter().take(70) {
            let context = self.arena.place(item.context.0, item.context.1);
            let input = self.arena.place(item.input.0, item.input.1);
            let output = self.arena.place(item.output.0, item.output.1);
            array.push(Item {
                context: context.pointer,
                context_length: context.length,
                input: input.pointer,
                input_length: input.length,
                output: output.pointer,
                output_capacity: output.length,
                output_length: MaybeUninit::new(usize::MAX),
                status: MaybeUninit::new(Status::Unnumbered),
            });
            places.push((context, input, output));
        }
        let mut expected = Expected::default()
            .when(structure.is_null() || (is_null && (too_many || !array.is_empty())), Status::NullArgument)
            .when(too_many, Status::Length);
        // What of an output will be written: nothing where it is too short.
        let written: Vec<_> = places
            .iter()
            .map(|(_, input, output)| {
                let needed = size(input.length);
                output.first(if needed <= output.length { needed } else { 0 })
            })
            .collect();
        for (index, (context, input, output)) in places.iter().enumerate() {
            let inputs = places.iter().flat_map(|(context, input, _)| [context.range(), input.range()]);
            let clash =
                written[index + 1..].iter().cloned().chain(inputs).any(|other| overlap(&written[index], &other));
            expected = expected.buffer(context).buffer(input).buffer(output).when(clash, Status::Overlap);
        }
        let pointer = if is_null { null_mut() } else { array.as_mut_ptr() };
        let count = if too_many { usize::MAX / 8 } else { array.len() };
        let call = if seal { tablecrypt_structure_seal_many } else { tablecrypt_structure_open_many };
        // SAFETY: NULL or a handle; NULL, or as many items as the count says, or a count that is refused.
        let status = unsafe { call(structure, pointer, count) };
        let answers = array.iter().map(|item| {
            // SAFETY: written when the array was made.
            let status = unsafe { item.status.assume_init() };
            // SAFETY: as above.
            (status, unsafe { item.output_length.assume_init() })
        });
        let answers: Vec<(Status, usize)> = answers.collect();
        let name = if seal { "structure_seal_many" } else { "structure_open_many" };
        answered(name, status);
        if !expected.is_none() {
            expected.check(status, name);
            let answer = if is_null || too_many { (Status::Unnumbered, usize::MAX) } else { (status, 0) };
            assert!(answers.iter().all(|found| *found == answer), "{status:?}: {answers:?}");
            self.arena.untouched_but(&[]);
            return;
        }
        let first = answers.iter().map(|(status, _)| *status).find(|status| *status != Status::Ok);
        assert_eq!(status, first.unwrap_or(Status::Ok));
        let mut touched = Vec::new();
        for (((_, input, output), written), (status, length)) in places.iter().zip(written).zip(answers) {
            let needed = size(input.length);
            assert_eq!(
                status == Status::OutputTooShort || LOCKED.contains(&status),
                output.length < needed || LOCKED.contains(&status)
            );
            match status {
                Status::Ok => {
                    assert_eq!(length, needed);
                    touched.push(written.clone());
                    if seal {
                        self.sealed.insert(self.arena.now(written).to_vec());
                    } else {
                        assert!(self.sealed.contains(&self.arena.before(input)), "opened what was not sealed");
                    }
                }
                Status::OutputTooShort => assert_eq!(length, needed),
                Status::Unauthentic if !seal => {
                    assert!(
                        length == 0 && self.arena.now(written.clone()).iter().all(|byte| *byte == 0),
                        "not cleared"
                    );
                    touched.push(written);
                }
                status => {
                    assert!(
                        LOCKED.contains(&status) || (!seal && FORGED.contains(&status)),
                        "records_many: {status:?}"
                    );
                    assert_eq!(length, 0);
                }
            }
        }
        self.arena.untouched_but(&touched);
    }

    pub(super) fn round_trip(&mut self, structures: [u8; 2], context: u8, text: u8, bit: Option<u16>) {
        let [from, to] = structures.map(|slot| self.structures[usize::from(slot) % SLOTS]);
        let (context, text) = (vec![context; usize::from(context)], vec![text; usize::from(text)]);
        let mut record = vec![0; text.len() + 48];
        let mut length = 0;
        // SAFETY: NULL or a handle; buffers and their lengths; a local variable.
        let status = unsafe {
            tablecrypt_structure_seal(
                from,
                context.as_ptr(),
                context.len(),
                text.as_ptr(),
                text.len(),
                record.as_mut_ptr(),
                record.len(),
                &raw mut length,
            )
        };
        if from.is_null() || status != Status::Ok {
            let known =
                from.is_null() == (status == Status::NullArgument) && (from.is_null() || LOCKED.contains(&status));
            assert!(known, "round_trip: {status:?}");
            return;
        }
        if let Some(bit) = bit {
            let bit = usize::from(bit) % (8 * record.len());
            record[bit / 8] ^= 1 << (bit % 8);
        }
        let mut out = vec![0x33; text.len()];
        // SAFETY: as above.
        let status = unsafe {
            tablecrypt_structure_open(
                to,
                context.as_ptr(),
                context.len(),
                record.as_ptr(),
                record.len(),
                out.as_mut_ptr(),
                out.len(),
                &raw mut length,
            )
        };
        match status {
            Status::Ok => assert!(bit.is_none() && out == text && length == text.len()),
            Status::NullArgument => assert!(to.is_null()),
            _ if LOCKED.contains(&status) => {}
            _ if FORGED.contains(&status) => assert!(bit.is_some() || from != to, "{status:?} for what was sealed"),
            _ => panic!("round_trip: {status:?}"),
        }
    }
}
