//! The controls: functions whose time tells of a secret, each in one of the ways that there are.

/// Leaks by a branch: whether the byte is odd.
#[inline(never)]
#[must_use]
pub fn branch(secret: u8) -> u64 {
    // Two calls, so that no compiler makes a conditional move of it.
    if secret & 1 == 1 { odd(secret.into()) } else { even(secret.into()) }
}

#[inline(never)]
fn odd(secret: u64) -> u64 {
    core::hint::black_box(secret) * 3
}

#[inline(never)]
fn even(secret: u64) -> u64 {
    core::hint::black_box(secret) / 2
}

/// Leaks by an address: a table of 16 KiB, looked up at the byte, as AES was before it was an instruction.
#[inline(never)]
#[must_use]
pub fn look_up(secret: u8) -> u64 {
    static TABLE: [[u64; 8]; 256] = {
        let mut table = [[0; 8]; 256];
        let mut i = 0;
        while i < 256 {
            table[i][0] = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            i += 1;
        }
        table
    };
    TABLE[usize::from(secret)][0]
}

/// Leaks by when it ends: the first byte that differs.
#[inline(never)]
#[must_use]
pub fn early_exit(a: &[u8; 16], b: &[u8; 16]) -> bool {
    for (a, b) in a.iter().zip(b) {
        if core::hint::black_box(*a) != *b {
            return false;
        }
    }
    true
}

/// Leaks by how long a division takes.
#[inline(never)]
#[must_use]
pub fn divide(secret: u8) -> u64 {
    core::hint::black_box(u64::MAX / 3) / (u64::from(secret) | 0x100)
}

/// Does not leak: nothing may be found in it.
#[inline(never)]
#[must_use]
pub fn sum(secret: &[u8; 16]) -> u8 {
    secret.iter().fold(0, |sum, byte| sum.wrapping_mul(3) ^ byte)
}
