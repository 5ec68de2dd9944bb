//! XAES-256-GCM, and GCM with nonces of any length.

use tablecrypt_ffi::xaes::*;

use super::administration::without_a_place;
use super::tables::settle;
use super::*;

impl Program {
    /// Seals, changes a bit of the text or none, and opens.
    pub(super) fn xaes(
        &mut self,
        key: Pointer,
        nonce: Pointer,
        aad: (Pointer, Length),
        text: (Pointer, Length),
        flip: Option<u8>,
    ) {
        let (key, nonce) = (self.arena.fixed(key, 32), self.arena.fixed(nonce, 24));
        let (aad, text) = (self.arena.place(aad.0, aad.1), self.arena.place(text.0, text.1));
        let mut xaes = without_a_place();
        // SAFETY: NULL or 32 bytes of the block; a local variable.
        let status = unsafe { tablecrypt_xaes_expand(key.pointer, &raw mut xaes) };
        settle(&Expected::default().when(key.is_null(), Status::NullArgument), status, &[], "xaes_expand");
        // NULL may have any length.
        let room = text.range().len().min(ARENA);
        let (mut sealed, mut tag, mut opened) = (vec![0; room], [0; 16], vec![0x33; room]);
        // SAFETY: NULL or a handle; NULL, or as many bytes as the lengths say, or a length that is refused.
        let status = unsafe {
            tablecrypt_xaes_seal(
                xaes,
                nonce.pointer,
                aad.pointer,
                aad.length,
                text.pointer,
                text.length,
                sealed.as_mut_ptr(),
                tag.as_mut_ptr(),
            )
        };
        let expected =
            Expected::default().when(xaes.is_null(), Status::NullArgument).buffer(&nonce).buffer(&aad).buffer(&text);
        settle(&expected, status, &[], "xaes_seal");
        if status == Status::Ok {
            let flip = flip.filter(|_| room > 0);
            if let Some(flip) = flip {
                sealed[usize::from(flip) % room] ^= 1 << (flip % 8);
            }
            // SAFETY: as above.
            let status = unsafe {
                tablecrypt_xaes_open(
                    xaes,
                    nonce.pointer,
                    aad.pointer,
                    aad.length,
                    sealed.as_ptr(),
                    sealed.len(),
                    tag.as_ptr(),
                    opened.as_mut_ptr(),
                )
            };
            let (expected, text) = if flip.is_some() {
                (Status::Unauthentic, vec![0; room])
            } else {
                (Status::Ok, self.arena.before(&text))
            };
            answered("xaes_open", status);
            assert_eq!((status, opened), (expected, text));
        }
        // SAFETY: it was given, or NULL, and is forgotten.
        unsafe { tablecrypt_xaes_free(xaes) };
        self.arena.untouched_but(&[]);
    }

    pub(super) fn hazmat(
        &mut self,
        gcm: u8,
        nonce: (Pointer, Length),
        aad: (Pointer, Length),
        text: (Pointer, Length),
        tag: Pointer,
        seal: bool,
    ) {
        let gcm = self.gcms[usize::from(gcm) % SLOTS];
        let nonce = self.arena.place(nonce.0, nonce.1);
        let (aad, text) = (self.arena.place(aad.0, aad.1), self.arena.place(text.0, text.1));
        let tag = self.arena.fixed(tag, 16);
        let reads_tag = overlap(&tag.range(), &text.range());
        let writes_tag = [&nonce, &aad, &text].iter().any(|other| overlap(&tag.range(), &other.range()));
        let clash = [&nonce, &aad].iter().any(|other| overlap(&text.range(), &other.range()))
            || if seal { writes_tag } else { reads_tag };
        let expected = Expected::default()
            .when(gcm.is_null(), Status::NullArgument)
            .buffer(&nonce)
            .buffer(&aad)
            .buffer(&text)
            .buffer(&tag)
            .when(clash, Status::Overlap)
            .when(nonce.length == 0, Status::TooLong);
        let status = if seal {
            // SAFETY: NULL or a handle; NULL, or as many bytes of the block as the lengths say, or a length that is refused.
            unsafe {
                tablecrypt_gcm_hazmat_seal(
                    gcm,
                    nonce.pointer,
                    nonce.length,
                    aad.pointer,
                    aad.length,
                    text.pointer,
                    text.length,
                    tag.pointer,
                )
            }
        } else {
            // SAFETY: as above.
            unsafe {
                tablecrypt_gcm_hazmat_open(
                    gcm,
                    nonce.pointer,
                    nonce.length,
                    aad.pointer,
                    aad.length,
                    text.pointer,
                    text.length,
                    tag.pointer,
                )
            }
        };
        let forged: &[Status] = if seal { &[] } else { &[Status::Unauthentic] };
        settle(&expected, status, forged, if seal { "gcm_hazmat_seal" } else { "gcm_hazmat_open" });
        match (expected.is_none(), seal) {
            (false, _) => self.arena.untouched_but(&[]),
            (true, true) => self.arena.untouched_but(&[text.range(), tag.range()]),
            (true, false) => {
                self.arena.untouched_but(&[text.range()]);
                let cleared = self.arena.now(text.range()).iter().all(|byte| *byte == 0);
                assert!(status == Status::Ok || cleared, "not cleared");
            }
        }
    }
}
