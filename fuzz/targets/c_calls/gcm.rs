//! AES-256-GCM alone: keys, one message, and batches.

use super::*;

#[derive(Arbitrary, Debug)]
pub(super) struct Gcm {
    gcm: u8,
    seal: bool,
    nonce: Pointer,
    aad: (Pointer, Length),
    text: (Pointer, Length),
    /// None is in place.
    out: Option<Pointer>,
    tag: Pointer,
}

#[derive(Arbitrary, Debug)]
pub(super) struct GcmMessage {
    nonce: [u8; 12],
    tag: [u8; 16],
    aad: (Pointer, Length),
    text: (Pointer, Length),
}

impl Program {
    pub(super) fn expand(&mut self, backend: Option<u8>, key: Pointer, to: Option<u8>) {
        const BACKENDS: [Option<&CStr>; 7] =
            [None, Some(c"portable"), Some(c"aesni"), Some(c"vaes256"), Some(c"vaes512"), Some(c"armv8"), Some(c"")];
        let key = self.arena.fixed(key, 32);
        let backend = backend.map(|index| BACKENDS[usize::from(index) % BACKENDS.len()]);
        let name = backend.flatten().map_or(null(), CStr::as_ptr);
        // SAFETY: NULL or a string.
        let missing = !name.is_null() && unsafe { tablecrypt_backend_is_available(name) } == 0;
        let expected = Expected::default()
            .when(key.is_null() || to.is_none() || backend == Some(None), Status::NullArgument)
            .when(missing, Status::NoSuchBackend);
        let status = give(&mut self.gcms, to, tablecrypt_gcm_free, |gcm| match backend {
            // SAFETY: NULL or 32 bytes of the block; NULL or a slot.
            None => unsafe { tablecrypt_gcm_expand(key.pointer, gcm) },
            // SAFETY: as above; NULL or a string.
            Some(_) => unsafe { tablecrypt_gcm_expand_on(name, key.pointer, gcm) },
        });
        expected.or_ok().check(status, if backend.is_some() { "gcm_expand_on" } else { "gcm_expand" });
        self.arena.untouched_but(&[]);
    }

    pub(super) fn gcm(&mut self, call: &Gcm) {
        let gcm = self.gcms[usize::from(call.gcm) % SLOTS];
        let (nonce, tag) = (self.arena.fixed(call.nonce, 12), self.arena.fixed(call.tag, 16));
        let aad = self.arena.place(call.aad.0, call.aad.1);
        let text = self.arena.place(call.text.0, call.text.1);
        let mut out = text.clone();
        if let Some(pointer) = call.out {
            out = self.arena.place(pointer, Length::Short(0));
            if text.is_too_long() {
                out.length = text.length;
            } else {
                out = self.arena.fixed(pointer, text.length.min(ARENA));
                out.length = text.length;
            }
        }
        // SAFETY: NULL or a handle.
        assert_eq!(unsafe { tablecrypt_gcm_backend(gcm) }.is_null(), gcm.is_null());

        let mut clash = [&nonce, &aad, &tag].iter().any(|other| overlap(&out.range(), &other.range()))
            || (out.pointer != text.pointer && overlap(&out.range(), &text.range()));
        if call.seal {
            clash |= [&nonce, &aad, &text].iter().any(|other| overlap(&tag.range(), &other.range()));
        }
        if planted() && overlap(&out.range(), &aad.range()) {
            // An overlap that is not looked for.
            clash = false;
        }
        let expected = Expected::default()
            .when(gcm.is_null(), Status::NullArgument)
            .buffer(&nonce)
            .buffer(&aad)
            .buffer(&text)
            .buffer(&out)
            .buffer(&tag)
            .when(clash, Status::Overlap);
        let status = if call.seal {
            // SAFETY: NULL or a handle; NULL, or as many bytes of the block as the lengths say, or a length that is refused.
            unsafe {
                tablecrypt_gcm_seal(
                    gcm,
                    nonce.pointer,
                    aad.pointer,
                    aad.length,
                    text.pointer,
                    text.length,
                    out.pointer,
                    tag.pointer,
                )
            }
        } else {
            // SAFETY: as above.
            unsafe {
                tablecrypt_gcm_open(
                    gcm,
                    nonce.pointer,
                    aad.pointer,
                    aad.length,
                    text.pointer,
                    text.length,
                    tag.pointer,
                    out.pointer,
                )
            }
        };
        let name = if call.seal { "gcm_seal" } else { "gcm_open" };
        answered(name, status);
        if !expected.is_none() {
            expected.check(status, name);
            self.arena.untouched_but(&[]);
        } else if call.seal {
            assert_eq!(status, Status::Ok);
            self.arena.untouched_but(&[out.range(), tag.range()]);
            let (nonce, aad) = (self.arena.before(&nonce), self.arena.before(&aad));
            let (sealed, tag) = (self.arena.now(out.range()), self.arena.now(tag.range()));
            assert_eq!(opened(gcm, &nonce, &aad, sealed, tag), Some(self.arena.before(&text)));
        } else {
            assert!([Status::Ok, Status::Unauthentic].contains(&status), "{status:?}");
            self.arena.untouched_but(&[out.range()]);
            let clear = self.arena.now(out.range()).iter().all(|byte| *byte == 0);
            assert!(status == Status::Ok || clear, "not cleared");
        }
    }

    pub(super) fn gcm_many(&mut self, gcm: u8, seal: bool, is_null: bool, too_many: bool, messages: &[GcmMessage]) {
        let gcm = self.gcms[usize::from(gcm) % SLOTS];
        let mut places = Vec::new();
        let mut array = Vec::new();
        for message in messages.iter().take(70) {
            let aad = self.arena.place(message.aad.0, message.aad.1);
            let text = self.arena.place(message.text.0, message.text.1);
            array.push(Message {
                nonce: message.nonce,
                tag: MaybeUninit::new(message.tag),
                aad: aad.pointer,
                aad_length: aad.length,
                text: text.pointer,
                text_length: text.length,
                status: MaybeUninit::new(Status::Unnumbered),
            });
            places.push((aad, text));
        }
        let mut expected = Expected::default()
            .when(gcm.is_null() || (is_null && (too_many || !array.is_empty())), Status::NullArgument)
            .when(too_many, Status::Length);
        let in_the_array = is_null || too_many;
        for (index, (aad, text)) in places.iter().enumerate() {
            let others = places[index + 1..].iter().map(|(_, text)| text);
            let inputs = places.iter().map(|(aad, _)| aad);
            let clash = others.chain(inputs).any(|other| overlap(&text.range(), &other.range()));
            expected = expected.buffer(aad).buffer(text).when(clash, Status::Overlap);
        }
        let pointer = if is_null { null_mut() } else { array.as_mut_ptr() };
        let count = if too_many { usize::MAX / 8 } else { array.len() };
        let call = if seal { tablecrypt_gcm_seal_many } else { tablecrypt_gcm_open_many };
        // SAFETY: NULL or a handle; NULL, or as many messages as the count says, or a count that is refused.
        let status = unsafe { call(gcm, pointer, count) };
        // SAFETY: written when the array was made.
        let statuses: Vec<Status> = array.iter().map(|message| unsafe { message.status.assume_init() }).collect();
        let name = if seal { "gcm_seal_many" } else { "gcm_open_many" };
        answered(name, status);
        if !expected.is_none() {
            expected.check(status, name);
            let answer = if in_the_array { Status::Unnumbered } else { status };
            assert!(statuses.iter().all(|found| *found == answer), "{status:?}: {statuses:?}");
            self.arena.untouched_but(&[]);
            return;
        }
        let first = statuses.iter().find(|status| **status != Status::Ok).copied();
        assert_eq!(status, first.unwrap_or(Status::Ok));
        let written: Vec<_> = places.iter().map(|(_, text)| text.range()).collect();
        self.arena.untouched_but(&written);
        for ((message, (aad, text)), status) in array.iter().zip(&places).zip(statuses) {
            // SAFETY: written when the array was made.
            let tag = unsafe { message.tag.assume_init() };
            let now = self.arena.now(text.range());
            match (seal, status) {
                (true, Status::Ok) => {
                    let text = self.arena.before(text);
                    assert_eq!(opened(gcm, &message.nonce, &self.arena.before(aad), now, &tag), Some(text));
                }
                (false, Status::Unauthentic) => assert!(now.iter().all(|byte| *byte == 0), "not cleared"),
                (false, Status::Ok) => {}
                (_, status) => panic!("gcm_many: {status:?}"),
            }
        }
    }
}

impl Expected {
    /// Or OK, where nothing is wrong with the arguments.
    fn or_ok(self) -> Self {
        let fine = self.is_none();
        self.when(fine, Status::Ok)
    }
}

/// The text of what was sealed; none where it does not open.
fn opened(
    gcm: *const tablecrypt_ffi::gcm::Gcm,
    nonce: &[u8],
    aad: &[u8],
    sealed: &[u8],
    tag: &[u8],
) -> Option<Vec<u8>> {
    let mut out = vec![0; sealed.len()];
    // SAFETY: a handle; buffers and their lengths.
    let status = unsafe {
        tablecrypt_gcm_open(
            gcm,
            nonce.as_ptr(),
            aad.as_ptr(),
            aad.len(),
            sealed.as_ptr(),
            sealed.len(),
            tag.as_ptr(),
            out.as_mut_ptr(),
        )
    };
    (status == Status::Ok).then_some(out)
}
