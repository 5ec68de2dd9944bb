//! Session keys: what XAES derives from a data key and twelve nonce bytes, kept so that a record costs plain GCM.
//!
//! ```text
//! writer   prefix: 12 random bytes, so one derived key      rest: 96 bits that count up from a random start
//!          threads take leases of the counter; sealing writes no cache line that another thread reads
//! readers  a bounded cache of derived keys, by prefix: readers.rs
//! ```
//!
//! Derived keys lie in key memory, which a forked child has not got: a child finds none in its parent's sessions and
//! takes new ones. A new prefix comes after 2^32 records or 4 TiB, after a fork, and whenever a table is opened. So nonces never come
//! from the caller and no counter has to be durable.

use core::cell::Cell;
use std::sync::Arc;

use tablecrypt_core::{Aes256Gcm, NONCE, Nonce, PREFIX, Xaes256Gcm};
use tablecrypt_os::{KeyBox, SetOnce};

use crate::keys::alive;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::sync::{StaticU64, thread_local};
use crate::{Error, Result};

/// Records under one session key at the most.
const SESSION_RECORDS: u64 = 1 << 32;
/// Bytes of text under one session key at the most.
const SESSION_BYTES: u64 = 4 << 40;
/// Records that a thread takes at a time.
const LEASE_RECORDS: u64 = 1 << 10;
/// Bytes that a thread takes at a time; a longer text takes its own length.
const LEASE_BYTES: u64 = 64 << 20;

/// The session that seals, renewed as its limits ask.
///
/// The former ones stay until the data key goes: a kilobyte for each 2^32 records or 4 TiB. So nothing counts who still
/// seals with one, and to find the session costs two loads. An ArcSwap, which frees them, cost 9 ns a record.
#[derive(Default)]
pub(crate) struct Writer {
    /// The index of the session that seals.
    at: AtomicUsize,
    /// 1, 2, 4 sessions and so on, made when they are needed.
    sessions: [SetOnce<Places>; DOUBLINGS],
    count: Arc<Use>,
}

/// How much this process sealed with a data key, in leases: a thread's share counts when it is taken, used up or not.
#[derive(Debug, Default)]
pub(crate) struct Use {
    pub(crate) records: StaticU64,
    pub(crate) bytes: StaticU64,
}

type Places = Vec<SetOnce<Session>>;

/// More sessions than there can be: 2^32 of 4 TiB each.
const DOUBLINGS: usize = 32;

impl Writer {
    /// A writer that counts what it seals.
    pub(crate) fn new(count: Arc<Use>) -> Self {
        Self { at: AtomicUsize::new(0), sessions: Default::default(), count }
    }

    /// The session that seals now and what `draw` took of it; a new one for as long as it gives None, because the session
    /// had no nonce for it.
    #[inline(always)]
    pub(crate) fn draw<'k, T>(
        &'k self,
        key: &KeyBox<Xaes256Gcm>,
        mut draw: impl FnMut(&'k Session) -> Option<T>,
    ) -> Result<(&'k Session, T)> {
        let at = self.at.load(Ordering::Relaxed);
        if let Some(session) = self.place(at).get()
            && let Some(drawn) = draw(session)
        {
            return Ok((session, drawn));
        }
        self.draw_of_new(at, key, draw)
    }

    #[cold]
    fn draw_of_new<'k, T>(
        &'k self,
        mut at: usize,
        key: &KeyBox<Xaes256Gcm>,
        mut draw: impl FnMut(&'k Session) -> Option<T>,
    ) -> Result<(&'k Session, T)> {
        loop {
            let place = self.place(at);
            let session = match place.get() {
                Some(session) => session,
                None => {
                    // Threads that race here make a session each; one is kept, and the others were never used.
                    place.set(Session::new(key, Arc::clone(&self.count))?)
                }
            };
            if let Some(drawn) = draw(session) {
                return Ok((session, drawn));
            }
            let moved = self.at.compare_exchange(at, at + 1, Ordering::Relaxed, Ordering::Relaxed);
            at = moved.map_or_else(|now| now, |before| before + 1);
        }
    }

    /// Where the session of this index is, or will be.
    #[inline(always)]
    fn place(&self, at: usize) -> &SetOnce<Session> {
        let doubling = (at + 1).ilog2() as usize;
        let first = (1 << doubling) - 1;
        let sessions = &self.sessions[doubling];
        let made = || sessions.set((0..=first).map(|_| SetOnce::new()).collect());
        let sessions = sessions.get().unwrap_or_else(made);
        &sessions[at - first]
    }
}

/// A derived key that seals, and the nonces that are left under it.
pub(crate) struct Session {
    /// Never the same for two sessions of this process.
    id: u64,
    pub(crate) prefix: [u8; PREFIX],
    pub(crate) cipher: KeyBox<Aes256Gcm>,
    /// The first nonce, as a number below 2^96.
    start: u128,
    /// What leases took; a thread that ends early wastes its rest.
    records: AtomicU64,
    bytes: AtomicU64,
    count: Arc<Use>,
}

/// A thread's lease, taken out of its place for as long as a batch draws nonces from it, and then put back.
pub(crate) struct Nonces<'a> {
    session: &'a Session,
    lease: Lease,
}

impl Nonces<'_> {
    /// As [`Session::nonce`].
    #[inline]
    pub(crate) fn next(&mut self, length: u64) -> Option<Nonce> {
        self.session.next(&mut self.lease, length)
    }
}

impl Drop for Nonces<'_> {
    fn drop(&mut self) {
        self.session.held(|slot| slot.set(self.lease));
    }
}

/// A thread's share of a session.
#[derive(Clone, Copy, Default)]
struct Lease {
    session: u64,
    next: u64,
    end: u64,
    bytes: u64,
}

/// Leases that a thread holds at a time; a session's is the one at its id modulo this.
const LEASES: usize = 16;

thread_local! {
    static HELD: [Cell<Lease>; LEASES] =
        const { [const { Cell::new(Lease { session: 0, next: 0, end: 0, bytes: 0 }) }; LEASES] };
}

impl Session {
    fn new(key: &KeyBox<Xaes256Gcm>, count: Arc<Use>) -> Result<Self> {
        let key = alive(key)?;
        static NEXT: StaticU64 = StaticU64::new(1);
        let (mut prefix, mut start) = ([0; PREFIX], [0; 16]);
        getrandom::fill(&mut prefix).map_err(|_| Error::NoRandom)?;
        getrandom::fill(&mut start[16 - NONCE..]).map_err(|_| Error::NoRandom)?;
        Ok(Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            cipher: KeyBox::new(|| key.derive(&prefix)),
            prefix,
            start: u128::from_be_bytes(start),
            records: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            count,
        })
    }

    /// A nonce for a text of this length, never given out before; None when the session is used up or another process's.
    #[inline(always)]
    pub(crate) fn nonce(&self, length: u64) -> Option<Nonce> {
        self.cipher.get()?;
        self.held(|slot| {
            let mut lease = slot.get();
            let nonce = self.next(&mut lease, length)?;
            slot.set(lease);
            Some(nonce)
        })
    }

    /// The key, and this thread's nonces for a batch; None when the session is another process's.
    pub(crate) fn nonces(&self) -> Option<(&Aes256Gcm, Nonces<'_>)> {
        let cipher = self.cipher.get()?;
        Some((cipher, Nonces { session: self, lease: self.held(Cell::take) }))
    }

    /// The next nonce of a lease, or of the one that follows it.
    #[inline(always)]
    fn next(&self, lease: &mut Lease, length: u64) -> Option<Nonce> {
        if lease.session != self.id || lease.next == lease.end || lease.bytes < length {
            *lease = self.lease(*lease, length)?;
        }
        let number = self.start.wrapping_add(u128::from(lease.next)).to_be_bytes();
        (lease.next, lease.bytes) = (lease.next + 1, lease.bytes - length);
        number.last_chunk().copied()
    }

    /// This thread's place for a lease of this session.
    #[inline(always)]
    fn held<T>(&self, f: impl FnOnce(&Cell<Lease>) -> T) -> T {
        HELD.with(|held| f(&held[(self.id % LEASES as u64) as usize]))
    }

    /// Uses up all of a new session but so many records, which are this thread's.
    #[cfg(test)]
    pub(crate) fn leave(&self, records: u64) -> Option<()> {
        self.records.store(SESSION_RECORDS - LEASE_RECORDS, Ordering::Relaxed);
        (records..LEASE_RECORDS).try_for_each(|_| self.nonce(0).map(drop))
    }

    /// A share for this thread, for the one that it used up.
    #[cold]
    fn lease(&self, used_up: Lease, length: u64) -> Option<Lease> {
        if used_up.session == self.id {
            self.bytes.fetch_sub(used_up.bytes, Ordering::Relaxed);
            self.count.bytes.fetch_sub(used_up.bytes, Ordering::Relaxed);
        }
        let bytes = length.max(LEASE_BYTES);
        self.count.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.count.records.fetch_add(LEASE_RECORDS, Ordering::Relaxed);
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > SESSION_BYTES.max(length) {
            return None;
        }
        let next = self.records.fetch_add(LEASE_RECORDS, Ordering::Relaxed);
        let end = next + LEASE_RECORDS;
        (end <= SESSION_RECORDS).then_some(Lease { session: self.id, next, end, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tablecrypt_core::Key;

    fn key() -> KeyBox<Xaes256Gcm> {
        KeyBox::new(|| Xaes256Gcm::new(&Key::from([1; 32])))
    }

    fn session() -> Session {
        Session::new(&key(), Arc::default()).unwrap()
    }

    #[test]
    fn nonces_of_many_threads_are_never_the_same() {
        let session = session();
        let mut all: Vec<Nonce> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| (0..5000).map(|_| session.nonce(10).unwrap()).collect::<Vec<_>>()))
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 40_000);
    }

    #[test]
    fn nonces_of_sessions_that_share_a_slot_are_never_the_same() {
        let first = &session();
        // Other tests make sessions at the same time.
        let second = &core::iter::repeat_with(session)
            .find(|other| (other.id - first.id).is_multiple_of(LEASES as u64))
            .unwrap();
        let mut nonces: Vec<_> = (0..3000).flat_map(|_| [first, second].map(|s| (s.id, s.nonce(1).unwrap()))).collect();
        nonces.sort_unstable();
        nonces.dedup();
        assert_eq!(nonces.len(), 6000);
    }

    #[test]
    fn session_ends_after_2_pow_32_records() {
        let session = session();
        session.records.store(SESSION_RECORDS - LEASE_RECORDS, Ordering::Relaxed);
        for _ in 0..LEASE_RECORDS {
            assert!(session.nonce(0).is_some());
        }
        assert!(session.nonce(0).is_none());
    }

    #[test]
    fn session_ends_after_4_tib() {
        let session = session();
        let mut sealed = 0;
        while session.nonce(1 << 30).is_some() {
            sealed += 1;
        }
        assert_eq!(sealed, SESSION_BYTES >> 30);
    }

    #[test]
    fn text_longer_than_a_session_has_left_gets_a_new_one() {
        let key = key();
        let writer = Writer::default();
        let prefix = |length| writer.draw(&key, |session| session.nonce(length)).unwrap().0.prefix;
        let first = prefix(3 << 40);
        assert_ne!(first, prefix(3 << 40));
    }

    #[test]
    fn threads_that_use_up_session_after_session_never_share_a_nonce() {
        let key = &key();
        let writer = &Writer::default();
        // Four of these are all of a session's bytes.
        let draw = || writer.draw(key, |session| session.nonce(SESSION_BYTES / 4)).unwrap();
        let mut drawn: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(move || (0..50).map(|_| draw()).map(|(s, n)| (s.prefix, n)).collect::<Vec<_>>()))
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn.len(), 400);
        drawn.dedup_by_key(|(prefix, _)| *prefix);
        assert!(drawn.len() >= 100);
        assert!(writer.at.load(Ordering::Relaxed) + 1 >= drawn.len(), "one by one");
    }

    #[test]
    fn nonce_counter_wraps_at_96_bits() {
        let mut session = session();
        session.start = (1 << 96) - 1;
        assert_eq!(session.nonce(1).unwrap(), [0xff; 12]);
        assert_eq!(session.nonce(1).unwrap(), [0; 12]);
    }
}
