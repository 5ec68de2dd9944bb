//! What to search: everything that a key is expanded to, in every form in which a backend could leave it.
//!
//! Computed here from FIPS 197 and SP 800-38D, not by the library: the schedule of AES-256, and H's powers as GCM writes
//! them, with their bytes reversed (the x86 backends) and the bits of each byte (armv8). To that come the words of an
//! expanded key as another process of the library has it, so that nothing is forgotten: those are H' = 2 rev(H) with its
//! powers, Karatsuba's factors, and portable's bitsliced schedule.

use std::collections::{BTreeMap, BTreeSet};

use aes::Aes256;
use aes::cipher::{BlockCipherEncrypt, KeyInit};

/// Eight bytes: half a block. A block may be left in halves, and by chance eight bytes are found once in 2^64.
pub(crate) type Word = [u8; 8];

/// Powers of H that a backend keeps at the most.
const POWERS: usize = 36;

/// Words, and what they are.
pub(crate) type Words = BTreeMap<Word, String>;

/// The words of a key, which is called `name`, of its schedule and of its powers of H.
pub(crate) fn of_key(name: &str, key: &[u8; 32]) -> Words {
    let mut words = of_schedule(name, key);
    let h = encrypt(key, [0; 16]);
    let mut power = h;
    for i in 1..=POWERS {
        words.extend(of_block(&format!("{name}: H^{i}"), power));
        words.extend(of_block(&format!("{name}: H^{i}, bits reversed"), power.map(u8::reverse_bits)));
        words.extend(of_block(&format!("{name}: H^{i}, reversed"), reversed(power)));
        power = multiply(power, h);
    }
    words
}

/// The words of a key's schedule, which begins with the key.
pub(crate) fn of_schedule(name: &str, key: &[u8; 32]) -> Words {
    (0..).zip(schedule(key)).flat_map(|(i, block)| of_block(&format!("{name}: round key {i}"), block)).collect()
}

/// The words of a block, but for those that could stand anywhere.
pub(crate) fn of_block(name: &str, block: [u8; 16]) -> Words {
    let words = block.as_chunks().0.iter().copied().filter(is_telling);
    words.map(|word| (word, name.to_owned())).collect()
}

pub(crate) fn reversed(mut block: [u8; 16]) -> [u8; 16] {
    block.reverse();
    block
}

/// Whether a word has enough different bytes not to be met by chance.
pub(crate) fn is_telling(word: &Word) -> bool {
    word.iter().collect::<BTreeSet<_>>().len() >= 5
}

/// AES-256 of one block.
pub(crate) fn encrypt(key: &[u8; 32], block: [u8; 16]) -> [u8; 16] {
    let mut block = block.into();
    Aes256::new(key.into()).encrypt_block(&mut block);
    block.into()
}

/// XAES's K1, and the key that it derives for a prefix: C2SP XAES-256-GCM.
pub(crate) fn derive(key: &[u8; 32], prefix: &[u8; 12]) -> ([u8; 16], [u8; 32]) {
    let l = u128::from_be_bytes(encrypt(key, [0; 16]));
    let k1 = (l << 1) ^ if l >> 127 == 1 { 0x87 } else { 0 };
    let mut derived = [0; 32];
    for (half, counter) in derived.as_chunks_mut::<16>().0.iter_mut().zip(1..) {
        let mut block = [0, counter, b'X', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        block[4..].copy_from_slice(prefix);
        *half = encrypt(key, (u128::from_be_bytes(block) ^ k1).to_be_bytes());
    }
    (k1.to_be_bytes(), derived)
}

/// The key schedule, FIPS 197 section 5.2: 15 round keys.
pub(crate) fn schedule(key: &[u8; 32]) -> Vec<[u8; 16]> {
    let mut words: Vec<[u8; 4]> = key.as_chunks().0.to_vec();
    for i in 8..60 {
        let mut word = words[i - 1];
        if i % 8 == 0 {
            word.rotate_left(1);
        }
        if i % 4 == 0 {
            word = word.map(substitute);
        }
        if i % 8 == 0 {
            word[0] ^= 1 << (i / 8 - 1);
        }
        words.push(core::array::from_fn(|j| words[i - 8][j] ^ word[j]));
    }
    words.as_chunks::<4>().0.iter().map(|four| four.as_flattened().try_into().expect("sixteen bytes")).collect()
}

/// The S-box, FIPS 197 section 5.1.1: the inverse in GF(2^8), then an affine map.
fn substitute(byte: u8) -> u8 {
    let times = |mut a: u8, b: u8| {
        let mut product = 0;
        for bit in 0..8 {
            product ^= if b >> bit & 1 == 1 { a } else { 0 };
            a = a << 1 ^ if a >> 7 == 1 { 0x1b } else { 0 };
        }
        product
    };
    let inverse = (0..254).fold(1, |power, _| times(power, byte));
    (0..5).fold(0x63, |sum, by| sum ^ inverse.rotate_left(by))
}

/// The product in GCM's field, SP 800-38D section 6.3.
fn multiply(x: [u8; 16], y: [u8; 16]) -> [u8; 16] {
    let (x, mut v, mut z) = (u128::from_be_bytes(x), u128::from_be_bytes(y), 0);
    for bit in (0..128).rev() {
        z ^= if x >> bit & 1 == 1 { v } else { 0 };
        v = v >> 1 ^ if v & 1 == 1 { 0xe1 << 120 } else { 0 };
    }
    z.to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 197 appendix A.3.
    #[test]
    fn the_schedule_is_that_of_fips_197() {
        let key = hex::decode("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4").unwrap();
        let last = schedule(&key.try_into().unwrap())[14];
        assert_eq!(hex::encode(last), "fe4890d1e6188d0b046df344706c631e");
    }

    /// GCM's specification, test case 2: GHASH of one block is that block times H, twice.
    #[test]
    fn the_product_is_that_of_gcm() {
        let block = |text| -> [u8; 16] { hex::decode(text).unwrap().try_into().unwrap() };
        let product = multiply(block("0388dace60b6a392f328c2b971b2fe78"), block("66e94bd4ef8a2c3b884cfa59ca342b2e"));
        assert_eq!(product, block("5e2ec746917062882c85b0685353deb7"));
    }
}
