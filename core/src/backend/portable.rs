//! Any CPU: the constant-time, table-free AES of crate `aes` and GHASH of crate `ghash`.
//!
//! It is what the wide kernels are tested against and what runs where there are none. It picks no CPU instructions as
//! long as the two `--cfg` of `.cargo/config.toml` are set; built as a dependency without them, the crates may pick the
//! CPU's own AES, which changes its speed and nothing else.

use aead::array::Array;
use aead::consts::U16;
use aead::inout::InOutBuf;
use aes::Aes256;
use aes::cipher::common::{BlockSizeUser, ParBlocks};
use aes::cipher::{BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, KeyInit};
use ghash::GHash;
use ghash::universal_hash::UniversalHash;
use zeroize::Zeroize;

use super::Kernel;
use crate::ct::{clear_stack, clear_vectors, clear_wide_vectors};
use crate::{Key, Nonce, Tag};

type Block = Array<u8, U16>;

pub(crate) struct Expanded {
    /// Round keys; wiped on drop by `aes`.
    cipher: Aes256,
    /// Keyed with H, nothing hashed yet; wiped on drop by `polyval`.
    hash: GHash,
}

impl Expanded {
    /// Expands `key` and wraps it where the caller wants it.
    #[inline(never)]
    pub(crate) fn make<T>(key: &Key, wrap: impl FnOnce(Self) -> T) -> T {
        cleared(|| Self::expand(key, wrap))
    }

    #[inline(never)] // its frame is cleared
    fn expand<T>(key: &Key, wrap: impl FnOnce(Self) -> T) -> T {
        let cipher = Aes256::new(key.expose().into());
        let mut h = Block::default();
        cipher.encrypt_block(&mut h);
        let hash = GHash::new(&h);
        h.zeroize();
        wrap(Self { cipher, hash })
    }

    #[inline(never)] // as `expand`
    fn crypt(&self, seal: bool, j0: &[u8; 16], aad: &[u8], mut text: InOutBuf<'_, '_, u8>) -> Tag {
        let mut hash = self.hash.clone();
        path!(portable.text, seal, usize::from(text.is_empty()));
        path!(portable.aad, crate::paths::aad(aad.len()));
        hash.update_padded(aad);
        if !seal {
            hash.update_padded(text.get_in());
        }
        self.cipher.encrypt_with_backend(Ctr { j0, text: text.reborrow() });
        if seal {
            hash.update_padded(text.get_out());
        }
        let mut lengths = Block::default();
        lengths[..8].copy_from_slice(&bits(aad.len()));
        lengths[8..].copy_from_slice(&bits(text.len()));
        hash.update(&[lengths]);
        let mut mask: Block = (*j0).into();
        self.cipher.encrypt_block(&mut mask);
        let mut tag: Tag = hash.finalize().into();
        for (byte, mask) in tag.iter_mut().zip(&mask) {
            *byte ^= mask;
        }
        mask.zeroize();
        tag
    }

    #[inline(never)] // as `expand`
    fn j0_of(&self, nonce: &[u8]) -> [u8; 16] {
        let mut hash = self.hash.clone();
        hash.update_padded(nonce);
        let mut lengths = Block::default();
        lengths[8..].copy_from_slice(&bits(nonce.len()));
        hash.update(&[lengths]);
        hash.finalize().into()
    }

    #[inline(never)] // as `expand`
    fn encrypt_each<const N: usize>(&self, blocks: &mut [[u8; 16]; N]) {
        for block in blocks {
            let mut cipher_block: Block = (*block).into();
            self.cipher.encrypt_block(&mut cipher_block);
            *block = cipher_block.into();
            cipher_block.zeroize();
        }
    }
}

impl Kernel for Expanded {
    fn seal(&self, nonce: &Nonce, aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
        cleared(|| self.crypt(true, &j0(nonce), aad, text))
    }

    fn open(&self, nonce: &Nonce, aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
        cleared(|| self.crypt(false, &j0(nonce), aad, text))
    }

    fn seal_from(&self, j0: &[u8; 16], aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
        path!(portable.from, true, crate::paths::wraps(j0, text.len()));
        cleared(|| self.crypt(true, j0, aad, text))
    }

    fn open_from(&self, j0: &[u8; 16], aad: &[u8], text: InOutBuf<'_, '_, u8>) -> Tag {
        path!(portable.from, false, crate::paths::wraps(j0, text.len()));
        cleared(|| self.crypt(false, j0, aad, text))
    }

    fn hash_nonce(&self, nonce: &[u8]) -> [u8; 16] {
        cleared(|| self.j0_of(nonce))
    }

    fn encrypt_blocks<const N: usize>(&self, blocks: &mut [[u8; 16]; N]) {
        cleared(|| self.encrypt_each(blocks));
    }
}

/// CTR mode from inc32(J0): the last four bytes count, big-endian, and wrap among themselves.
///
/// In the cipher's hands, so that it lays out its keys once a message. Once a step of 32 blocks took 4 % longer.
struct Ctr<'a, 'i, 'o> {
    j0: &'a [u8; 16],
    text: InOutBuf<'i, 'o, u8>,
}

impl BlockSizeUser for Ctr<'_, '_, '_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for Ctr<'_, '_, '_> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, cipher: &B) {
        let j0 = u128::from_be_bytes(*self.j0);
        let (prefix, mut counter) = (j0 >> 32 << 32, j0 as u32);
        let mut keystream = ParBlocks::<B>::default();
        let mut rest = self.text;
        while !rest.is_empty() {
            let length = rest.len().min(16 * keystream.len());
            path!(portable.step, usize::from(length < 16 * keystream.len()) + usize::from(length % 16 > 0));
            for block in &mut keystream {
                counter = counter.wrapping_add(1);
                *block = (prefix | u128::from(counter)).to_be_bytes().into();
            }
            cipher.encrypt_par_blocks_inplace(&mut keystream);
            let (step, after) = rest.split_at(length);
            // Block by block: byte by byte, in place, the compiler has to fear that one byte is the next one's input.
            let (mut whole, mut part) = step.into_chunks::<U16>();
            for (i, stream) in keystream.iter().enumerate().take(whole.len()) {
                let mut block = whole.get(i);
                let text = u128::from_ne_bytes(block.get_in().0) ^ u128::from_ne_bytes(stream.0);
                block.get_out().0 = text.to_ne_bytes();
            }
            if !part.is_empty() {
                part.xor_in2out(&keystream[whole.len()][..part.len()]);
            }
            rest = after;
        }
        keystream.iter_mut().for_each(|block| block.0.zeroize());
    }
}

/// Runs this and clears what it leaves in registers and on the stack: of a cipher without registers of its own, much.
#[inline]
fn cleared<T>(run: impl FnOnce() -> T) -> T {
    // By its drop, so that the result is in its place by then: a variable would be moved there afterwards, through registers.
    let _after = Clear;
    run()
}

struct Clear;

impl Drop for Clear {
    #[inline]
    fn drop(&mut self) {
        clear_stack::<STACK>();
        clear_vectors();
        clear_wide_vectors();
    }
}

/// What a call of this backend takes of the stack, at the most.
const STACK: usize = 4096;

fn j0(nonce: &Nonce) -> [u8; 16] {
    let mut j0 = [0; 16];
    j0[..12].copy_from_slice(nonce);
    j0[15] = 1;
    j0
}

/// A length in bytes as GCM hashes it: in bits, 64 of them, big-endian.
fn bits(length: usize) -> [u8; 8] {
    (length as u64 * 8).to_be_bytes()
}
