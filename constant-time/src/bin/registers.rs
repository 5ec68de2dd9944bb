//! Looks into the vector registers after each call of the core: nothing but zeros and what the caller gave or got may stand
//! there. That is more than "no key": a state of AES in the middle of its rounds would be found too.
//!
//! `registers [backend]...`: of all backends that this CPU has, or of these. `admin/wiping` runs it, also where calls do not
//! clear what they leave: there it must find something in every call of every backend.

use std::process::ExitCode;

use tablecrypt_constant_time::vectors::{Kind, Vectors};
use tablecrypt_core::{
    Aes256Gcm, Backend, Key, OpenMessage, SealMessage, XNonce, Xaes256Gcm, hazmat, open_many, seal_many,
};

const NONCE: [u8; 12] = [0xb1; 12];

fn main() -> ExitCode {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let is_asked = |backend: &&Backend| asked.is_empty() || asked.iter().any(|name| name == backend.name());
    let here: Vec<_> = Backend::ALL.iter().copied().filter(|b| b.is_available()).filter(|b| is_asked(&b)).collect();
    let mut look = Look { vectors: Vectors::new(), ..Look::default() };
    for &backend in &here {
        look.backend(backend);
    }
    for (name, calls, dirty) in &look.rows {
        if *dirty > 0 {
            println!("DIRTY: {name}: {dirty} of {calls} calls");
        }
    }
    let (calls, dirty) = look.rows.iter().fold((0, 0), |sum, row| (sum.0 + row.1, sum.1 + row.2));
    let names: Vec<_> = here.iter().map(|backend| backend.name()).collect();
    let kind = match look.vectors.kind() {
        Kind::Sse => "xmm0-15",
        Kind::Avx => "ymm0-15",
        Kind::Avx512 => "zmm0-31 and k0-7",
        Kind::Neon => "v0-31",
    };
    let (rows, dirty_rows) = (look.rows.len(), look.rows.iter().filter(|row| row.2 > 0).count());
    println!(
        "registers: {kind} after {calls} calls, {rows} entry points x backends ({}); dirty after {dirty} calls of {dirty_rows}",
        names.join(", ")
    );
    ExitCode::from(u8::from(dirty > 0 || calls == 0))
}

#[derive(Default)]
struct Look {
    vectors: Vectors,
    /// What the caller knows anyway.
    public: Vec<Vec<u8>>,
    /// Backend and entry point, calls, calls that left something.
    rows: Vec<(String, usize, usize)>,
}

/// Runs one call, looks, and gives what the call gave.
macro_rules! call {
    ($look:ident, $backend:ident, $name:literal, $call:expr) => {{
        $look.vectors.clear();
        let result = $call;
        $look.vectors.capture();
        $look.judge(concat_name($backend, $name));
        result
    }};
}

fn concat_name(backend: Backend, name: &str) -> String {
    format!("{} {name}", backend.name())
}

impl Look {
    fn backend(&mut self, backend: Backend) {
        let key = Key::from(secret(1));
        // Not moved out of its Option: a move is the caller's, and leaves what it moved in registers.
        let cipher = call!(self, backend, "on", Aes256Gcm::on(backend, &key));
        let cipher = cipher.as_ref().expect("it is here");
        if backend == Backend::best() {
            let _ = call!(self, backend, "new", Aes256Gcm::new(&key));
        }
        let other = Aes256Gcm::on(backend, &Key::from(secret(2))).expect("it is here");
        for length in [0, 1, 8, 15, 16, 17, 31, 32, 48, 64, 80, 95, 112, 128, 200, 256, 400, 512, 700, 1024, 3000, 9000]
        {
            for aad in [0, 13, 16, 200] {
                self.message(backend, cipher, &[0xa2; 200][..aad], length);
            }
            self.many(backend, cipher, &other, length);
        }
        self.xaes(backend, &key);
    }

    fn message(&mut self, backend: Backend, cipher: &Aes256Gcm, aad: &[u8], length: usize) {
        let plain = text(length);
        // What comes out is public, and may stand in a register.
        let (mut sealed, nonce) = (plain.clone(), [0xb1; 40]);
        let tag = cipher.seal_in_place(&NONCE, aad, &mut sealed).expect("short");
        self.public = vec![sealed, tag.to_vec(), nonce.to_vec(), aad.to_vec()];
        let mut sealed = plain.clone();
        let tag = hazmat::seal_any_nonce(cipher, &nonce, aad, &mut sealed).expect("short");
        self.public.extend([sealed, tag.to_vec()]);

        let (mut text, mut out) = (plain.clone(), vec![0; length]);
        let tag = call!(self, backend, "seal_in_place", cipher.seal_in_place(&NONCE, aad, &mut text)).expect("short");
        _ = call!(self, backend, "seal_detached", cipher.seal_detached(&NONCE, aad, &plain, &mut out)).expect("short");
        let mut sealed = vec![0; length + 16];
        call!(self, backend, "seal", cipher.seal(&NONCE, aad, &plain, &mut sealed)).expect("short");
        call!(self, backend, "open", cipher.open(&NONCE, aad, &sealed, &mut out)).expect("sealed here");
        call!(self, backend, "open_detached", cipher.open_detached(&NONCE, aad, &text, &tag, &mut out))
            .expect("sealed here");
        let mut copy = text.clone();
        call!(self, backend, "open_in_place", cipher.open_in_place(&NONCE, aad, &mut copy, &tag)).expect("sealed here");
        assert!(out == plain && copy == plain, "{}: opened what was sealed", backend.name());
        _ = call!(self, backend, "open forged", cipher.open_in_place(&NONCE, aad, &mut copy, &[0; 16]));
        let mut copy = plain;
        let tag = call!(self, backend, "seal_any_nonce", hazmat::seal_any_nonce(cipher, &nonce, aad, &mut copy))
            .expect("short");
        call!(self, backend, "open_any_nonce", hazmat::open_any_nonce(cipher, &nonce, aad, &mut copy, &tag))
            .expect("sealed here");
    }

    fn many(&mut self, backend: Backend, cipher: &Aes256Gcm, other: &Aes256Gcm, length: usize) {
        // Nine of a length, so that groups are made and one is left over; then some that differ.
        let mut texts: Vec<_> = (0..9).map(|_| text(length)).chain([text(3), text(300), text(600)]).collect();
        // What comes out is public, and may stand in a register.
        for aad in [&[0xa2; 16][..], &[]] {
            for (text, i) in texts.iter().zip(1..) {
                let mut sealed = text.clone();
                let key = [cipher, other][if aad.is_empty() { usize::from(i) % 2 } else { 0 }];
                let tag = key.seal_in_place(&[i; 12], aad, &mut sealed).expect("short");
                self.public.extend([sealed, tag.to_vec()]);
            }
        }
        let mut messages: Vec<_> = texts
            .iter_mut()
            .zip(1..)
            .map(|(text, i)| SealMessage { nonce: [i; 12], aad: &[0xa2; 16], text, tag: [0; 16] })
            .collect();
        call!(self, backend, "seal_many", cipher.seal_many(&mut messages)).expect("short");
        let tags: Vec<_> = messages.iter().map(|message| message.tag).collect();
        let mut messages: Vec<_> = texts
            .iter_mut()
            .zip(1..)
            .zip(&tags)
            .map(|((text, i), tag)| OpenMessage::new([i; 12], &[0xa2; 16], text, *tag))
            .collect();
        call!(self, backend, "open_many", cipher.open_many(&mut messages));
        assert!(messages.iter().all(|message| message.verdict.is_ok()));
        let mut messages: Vec<_> = texts
            .iter_mut()
            .zip(1..)
            .map(|(text, i)| {
                ([cipher, other][usize::from(i) % 2], SealMessage { nonce: [i; 12], aad: &[], text, tag: [0; 16] })
            })
            .collect();
        call!(self, backend, "seal_many, two keys", seal_many(&mut messages)).expect("short");
        let tags: Vec<_> = messages.iter().map(|(_, message)| message.tag).collect();
        let mut messages: Vec<_> = texts
            .iter_mut()
            .zip(1..)
            .zip(&tags)
            .map(|((text, i), tag)| ([cipher, other][usize::from(i) % 2], OpenMessage::new([i; 12], &[], text, *tag)))
            .collect();
        call!(self, backend, "open_many, two keys", open_many(&mut messages));
        assert!(messages.iter().all(|(_, message)| message.verdict.is_ok()));
    }

    fn xaes(&mut self, backend: Backend, key: &Key) {
        let xaes = call!(self, backend, "xaes on", Xaes256Gcm::on(backend, key));
        let xaes = xaes.as_ref().expect("it is here");
        let nonce: XNonce = [0xb7; 24];
        self.public = vec![nonce.to_vec()];
        let _ = call!(self, backend, "xaes derive", xaes.derive(&[0xb7; 12]));
        for length in [0, 16, 100, 1000] {
            let plain = text(length);
            let mut text = plain.clone();
            let tag = call!(self, backend, "xaes seal", xaes.seal_in_place(&nonce, b"", &mut text)).expect("short");
            self.public = vec![nonce.to_vec(), text.clone(), tag.to_vec()];
            call!(self, backend, "xaes open", xaes.open_in_place(&nonce, b"", &mut text, &tag)).expect("sealed here");
            assert_eq!(text, plain);
        }
    }

    /// Whether every lane is zero, or public.
    fn judge(&mut self, name: String) {
        let lanes = self.vectors.registers.as_flattened().as_chunks::<8>().0;
        let dirty = lanes.iter().filter(|lane| !self.is_public(lane)).count();
        let masks = self.vectors.masks.iter().filter(|mask| !self.is_mask(**mask)).count();
        if std::env::var_os("SHOW").is_some() && dirty > 0 {
            for (i, lane) in lanes.iter().enumerate().filter(|(_, lane)| !self.is_public(lane)) {
                println!("{name}: register {} lane {} holds {lane:02x?}", i / 8, i % 8);
            }
        }
        if std::env::var_os("SHOW").is_some() && masks > 0 {
            println!("{name}: masks hold {:x?}", self.vectors.masks);
        }
        let row = match self.rows.iter().position(|row| row.0 == name) {
            Some(at) => &mut self.rows[at],
            None => {
                self.rows.push((name, 0, 0));
                self.rows.last_mut().expect("it was just pushed")
            }
        };
        row.1 += 1;
        row.2 += usize::from(dirty + masks > 0);
    }

    /// Eight bytes that tell nothing: two at the most are not zero, or all are the same, or they stand in what the caller knows.
    fn is_public(&self, lane: &[u8; 8]) -> bool {
        lane.iter().filter(|byte| **byte != 0).count() <= 2
            || lane.iter().all(|byte| *byte == lane[0])
            || self.public.iter().any(|known| known.windows(8).any(|window| window == lane))
    }

    /// Masks say which bytes of a vector there are: ones side by side, in the whole or, for a batch, in each lane. One for 16
    /// words has above them what stood in the general register that it came from.
    fn is_mask(&self, mask: u64) -> bool {
        let side_by_side = |mask: u64| {
            let ones = mask >> mask.trailing_zeros().min(63);
            ones & ones.wrapping_add(1) == 0
        };
        let lanes = [0, 16, 32, 48].map(|at| mask >> at & 0xffff);
        side_by_side(mask)
            || lanes.into_iter().all(side_by_side)
            || side_by_side(mask & 0xffff) && self.is_public(&(mask >> 16).to_le_bytes())
    }
}

fn secret(seed: u8) -> [u8; 32] {
    core::array::from_fn(|i| (i as u8).wrapping_mul(73) ^ seed.wrapping_mul(29) | 0x40)
}

fn text(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i as u8).wrapping_mul(57) | 1).collect()
}
