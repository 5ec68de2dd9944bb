//! AES-256-GCM for callers: limits, tag check, clearing. The work itself is a backend's; there is no unsafe here.

use core::fmt;

use aead::inout::InOutBuf;

use crate::backend::{Expanded, Kernel};
use crate::{Backend, Error, Key, Nonce, TAG, Tag, ct};

/// The longest text of one message in bytes: 2^36 - 32 (SP 800-38D section 5.2.1.1).
pub const TEXT_LIMIT: u64 = (1 << 36) - 32;

/// The longest AAD of one message in bytes: 2^61 - 1.
pub const AAD_LIMIT: u64 = (1 << 61) - 1;

/// AES-256-GCM under one key, expanded for the best backend of this CPU.
///
/// Every call is one message and says where the output goes:
///
/// | | text in | text out | tag |
/// | --- | --- | --- | --- |
/// | [`seal`](Self::seal), [`open`](Self::open) | a buffer | another one | attached, the last 16 bytes |
/// | [`seal_detached`](Self::seal_detached), [`open_detached`](Self::open_detached) | a buffer | another one | apart |
/// | [`seal_in_place`](Self::seal_in_place), [`open_in_place`](Self::open_in_place) | a buffer | the same | apart |
/// | [`seal_inout`](Self::seal_inout), [`open_inout`](Self::open_inout) | an [`InOutBuf`] | | apart |
///
/// A nonce must never be used twice under one key: twice the same nonce gives away the XOR of the texts and the means
/// to forge. Whoever cannot count nonces takes [`Xaes256Gcm`](crate::Xaes256Gcm).
///
/// The key is neither copied nor printed, and it is wiped with its expanded form when it is dropped.
pub struct Aes256Gcm {
    expanded: Expanded,
}

impl Aes256Gcm {
    /// Expands `key` for the best backend of this CPU.
    #[inline(never)] // so that the key is expanded in its caller's place; inlined, it is moved there
    #[must_use]
    pub fn new(key: &Key) -> Self {
        Expanded::best(key, Self::over)
    }

    /// Expands `key` for one backend; None where this CPU or this build does not have it.
    #[inline(never)] // as `new`
    #[must_use]
    pub fn on(backend: Backend, key: &Key) -> Option<Self> {
        Expanded::make(backend, key, Self::over)
    }

    /// The backend that the key was expanded for.
    #[must_use]
    pub const fn backend(&self) -> Backend {
        self.expanded.backend()
    }

    /// Seals `text` into `out`, which is 16 bytes longer: the ciphertext, then the tag.
    ///
    /// # Errors
    /// [`Error::OutputLength`], [`Error::TooLong`]; nothing was written.
    pub fn seal(&self, nonce: &Nonce, aad: &[u8], text: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let (out, tag) = out.split_last_chunk_mut::<TAG>().ok_or(Error::OutputLength)?;
        *tag = self.seal_detached(nonce, aad, text, out)?;
        Ok(())
    }

    /// Opens `sealed`, a ciphertext with its tag behind it, into `out`, which is 16 bytes shorter.
    ///
    /// # Errors
    /// [`Error::Unauthentic`]: `out` was cleared. [`Error::OutputLength`], [`Error::TooLong`], [`Error::Truncated`]:
    /// nothing was written.
    pub fn open(&self, nonce: &Nonce, aad: &[u8], sealed: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let (text, tag) = sealed.split_last_chunk::<TAG>().ok_or(Error::Truncated)?;
        self.open_detached(nonce, aad, text, tag, out)
    }

    /// Seals `text` into `out`, which is as long, and gives the tag.
    ///
    /// # Errors
    /// [`Error::OutputLength`], [`Error::TooLong`]; nothing was written.
    pub fn seal_detached(&self, nonce: &Nonce, aad: &[u8], text: &[u8], out: &mut [u8]) -> Result<Tag, Error> {
        self.seal_inout(nonce, aad, InOutBuf::new(text, out).map_err(|_| Error::OutputLength)?)
    }

    /// Opens `text` into `out`, which is as long, if `tag` is its tag.
    ///
    /// # Errors
    /// [`Error::Unauthentic`]: `out` was cleared. [`Error::OutputLength`], [`Error::TooLong`]: nothing was written.
    pub fn open_detached(
        &self,
        nonce: &Nonce,
        aad: &[u8],
        text: &[u8],
        tag: &Tag,
        out: &mut [u8],
    ) -> Result<(), Error> {
        self.open_inout(nonce, aad, InOutBuf::new(text, out).map_err(|_| Error::OutputLength)?, tag)
    }

    /// Seals `text` where it stands, and gives the tag.
    ///
    /// # Errors
    /// [`Error::TooLong`]; nothing was written.
    pub fn seal_in_place(&self, nonce: &Nonce, aad: &[u8], text: &mut [u8]) -> Result<Tag, Error> {
        self.seal_inout(nonce, aad, text.into())
    }

    /// Opens `text` where it stands, if `tag` is its tag.
    ///
    /// # Errors
    /// [`Error::Unauthentic`]: `text` was cleared. [`Error::TooLong`]: nothing was written.
    pub fn open_in_place(&self, nonce: &Nonce, aad: &[u8], text: &mut [u8], tag: &Tag) -> Result<(), Error> {
        self.open_inout(nonce, aad, text.into(), tag)
    }

    /// Seals from one place to the same or another, and gives the tag.
    ///
    /// # Errors
    /// [`Error::TooLong`]; nothing was written.
    #[inline]
    pub fn seal_inout(&self, nonce: &Nonce, aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Result<Tag, Error> {
        check_limits(aad, text.len())?;
        Ok(self.expanded.seal(nonce, aad, text))
    }

    /// Opens from one place to the same or another, if `tag` is the tag.
    ///
    /// # Errors
    /// [`Error::Unauthentic`]: the output was cleared. [`Error::TooLong`]: nothing was written.
    #[inline]
    pub fn open_inout(
        &self,
        nonce: &Nonce,
        aad: &[u8],
        mut text: InOutBuf<'_, '_, u8>,
        tag: &Tag,
    ) -> Result<(), Error> {
        check_limits(aad, text.len())?;
        let expected = self.expanded.open(nonce, aad, text.reborrow());
        verdict(&expected, tag, text.get_out())
    }

    /// Seals many messages, each in place; their tags come back in them. A nonce must not stand in two of them.
    ///
    /// Short ones, of up to 64 bytes, are taken four at a time where the CPU has AVX-512.
    ///
    /// # Errors
    /// [`Error::TooLong`] if any is; then nothing was written in any.
    pub fn seal_many(&self, messages: &mut [SealMessage<'_>]) -> Result<(), Error> {
        messages.iter().try_for_each(|message| check_limits(message.aad, message.text.len()))?;
        self.expanded.run::<_, true>(messages);
        Ok(())
    }

    /// Opens many messages, each in place; each has a verdict of its own, and one that fails clears its own text alone.
    pub fn open_many(&self, messages: &mut [OpenMessage<'_>]) {
        if messages.iter().all(|message| check_limits(message.aad, message.text.len()).is_ok()) {
            self.expanded.run::<_, false>(messages);
            for message in messages {
                message.judge();
            }
        } else {
            for message in messages {
                message.verdict = self.open_in_place(&message.nonce, message.aad, message.text, &message.tag);
            }
        }
    }

    #[inline]
    pub(crate) const fn over(expanded: Expanded) -> Self {
        Self { expanded }
    }

    pub(crate) const fn expanded(&self) -> &Expanded {
        &self.expanded
    }

    /// The key that two blocks are when this one has encrypted them, for XAES: `block`, which counts 0, and from it 1 and 2.
    #[inline(never)]
    pub(crate) fn derive(&self, block: u128) -> Self {
        self.expanded.derive(block, Self::over)
    }

    /// AES-256 of each block under this key, for XAES's derivation.
    pub(crate) fn encrypt_blocks<const N: usize>(&self, blocks: &mut [[u8; 16]; N]) {
        self.expanded.encrypt_blocks(blocks);
    }
}

impl fmt::Debug for Aes256Gcm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Aes256Gcm({}, ..)", self.backend().name())
    }
}

/// One message of [`Aes256Gcm::seal_many`].
#[derive(Debug)]
pub struct SealMessage<'a> {
    /// Its nonce.
    pub nonce: Nonce,
    /// Its associated data.
    pub aad: &'a [u8],
    /// Its text; afterwards its ciphertext.
    pub text: &'a mut [u8],
    /// Afterwards its tag.
    pub tag: Tag,
}

/// One message of [`Aes256Gcm::open_many`].
#[derive(Debug)]
pub struct OpenMessage<'a> {
    /// Its nonce.
    pub nonce: Nonce,
    /// Its associated data.
    pub aad: &'a [u8],
    /// Its ciphertext; afterwards its text, or zeros.
    pub text: &'a mut [u8],
    /// Its tag.
    pub tag: Tag,
    /// Afterwards whether it opened.
    pub verdict: Result<(), Error>,
    /// The tag that a kernel computed.
    pub(crate) expected: Tag,
}

impl<'a> OpenMessage<'a> {
    /// A message to open; until then its verdict is [`Error::Unauthentic`].
    #[must_use]
    pub const fn new(nonce: Nonce, aad: &'a [u8], text: &'a mut [u8], tag: Tag) -> Self {
        Self { nonce, aad, text, tag, verdict: Err(Error::Unauthentic), expected: [0; TAG] }
    }

    /// The verdict of the tag that a kernel computed, which is then forgotten: a forger would need it.
    fn judge(&mut self) {
        self.verdict = verdict(&self.expected, &self.tag, self.text);
        self.expected = [0; TAG];
    }
}

/// [`Aes256Gcm::seal_many`] under several keys, one a message.
///
/// # Errors
/// [`Error::TooLong`] if any message is; then nothing was written in any.
pub fn seal_many(batch: &mut [(&Aes256Gcm, SealMessage<'_>)]) -> Result<(), Error> {
    batch.iter().try_for_each(|(_, message)| check_limits(message.aad, message.text.len()))?;
    if let Some(first) = batch.first().map(|(cipher, _)| *cipher) {
        first.expanded.run::<_, true>(batch);
    }
    Ok(())
}

/// [`Aes256Gcm::open_many`] under several keys, one a message.
pub fn open_many(batch: &mut [(&Aes256Gcm, OpenMessage<'_>)]) {
    let within_limits = batch.iter().all(|(_, message)| check_limits(message.aad, message.text.len()).is_ok());
    let first = batch.first().map(|(cipher, _)| *cipher);
    if let (Some(first), true) = (first, within_limits) {
        first.expanded.run::<_, false>(batch);
        for (_, message) in batch {
            message.judge();
        }
    } else {
        for (cipher, message) in batch {
            message.verdict = cipher.open_in_place(&message.nonce, message.aad, message.text, &message.tag);
        }
    }
}

/// The limits of one message, before anything is written.
#[inline]
fn check_limits(aad: &[u8], text: usize) -> Result<(), Error> {
    if text as u64 > TEXT_LIMIT || aad.len() as u64 > AAD_LIMIT { Err(Error::TooLong) } else { Ok(()) }
}

/// Compares the tags; clears the output where they differ.
#[inline]
fn verdict(expected: &Tag, tag: &Tag, out: &mut [u8]) -> Result<(), Error> {
    if ct::tags_match(expected, tag) {
        Ok(())
    } else {
        ct::clear(out);
        ct::clear_vectors(); // the tag that it should have had may stand there
        Err(Error::Unauthentic)
    }
}

pub(crate) mod hazmat {
    //! GCM with a nonce of any length but 96 bits.

    use aead::inout::InOutBuf;

    use super::{AAD_LIMIT, Aes256Gcm, check_limits, verdict};
    use crate::backend::Kernel;
    use crate::{Error, Tag};

    /// Seals `text` in place with a nonce of any length from 1 byte (SP 800-38D section 7.1). A 96-bit nonce is used as
    /// it is; any other is hashed into a counter start, and two such starts may meet after 2^48 messages. Take this only
    /// where a format dictates it.
    ///
    /// # Errors
    /// [`Error::TooLong`] for a limit, or for an empty nonce; nothing was written.
    pub fn seal_any_nonce(cipher: &Aes256Gcm, nonce: &[u8], aad: &[u8], text: &mut [u8]) -> Result<Tag, Error> {
        if let Ok(nonce) = nonce.try_into() {
            return cipher.seal_in_place(nonce, aad, text);
        }
        let j0 = hash_nonce(cipher, nonce)?;
        check_limits(aad, text.len())?;
        Ok(cipher.expanded.seal_from(&j0, aad, text.into()))
    }

    /// Opens `text` in place; see [`seal_any_nonce`].
    ///
    /// # Errors
    /// [`Error::Unauthentic`]: `text` was cleared. [`Error::TooLong`]: nothing was written.
    pub fn open_any_nonce(
        cipher: &Aes256Gcm,
        nonce: &[u8],
        aad: &[u8],
        text: &mut [u8],
        tag: &Tag,
    ) -> Result<(), Error> {
        if let Ok(nonce) = nonce.try_into() {
            return cipher.open_in_place(nonce, aad, text, tag);
        }
        let j0 = hash_nonce(cipher, nonce)?;
        check_limits(aad, text.len())?;
        let expected = cipher.expanded.open_from(&j0, aad, InOutBuf::from(&mut *text));
        verdict(&expected, tag, text)
    }

    fn hash_nonce(cipher: &Aes256Gcm, nonce: &[u8]) -> Result<[u8; 16], Error> {
        if nonce.is_empty() || nonce.len() as u64 > AAD_LIMIT {
            return Err(Error::TooLong);
        }
        Ok(cipher.expanded.hash_nonce(nonce))
    }
}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use super::*;

    #[test]
    fn a_text_past_its_limit_is_too_long() {
        let limit = usize::try_from(TEXT_LIMIT).expect("a 64-bit machine");
        assert_eq!(check_limits(b"", limit), Ok(()));
        assert_eq!(check_limits(b"", limit + 1), Err(Error::TooLong));
    }
}
