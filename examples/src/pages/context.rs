//! What a record of a sorted file is bound to: the context that it is sealed and opened with.

/// The random bytes that tell a file from all others.
pub(super) type FileId = [u8; 16];

/// A kind of sealed page.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Data,
    Index,
    Footer,
}

/// The buffer of one context. No item's is a page's: the first byte is the kind.
#[derive(Debug, Default)]
pub(super) struct Context(Vec<u8>);

impl Context {
    /// An item under a key, in whichever page and file of the structure.
    pub(super) fn item(&mut self, key: &[u8]) -> &[u8] {
        self.0.clear();
        self.0.push(b'i');
        self.0.extend_from_slice(key);
        &self.0
    }

    /// A page of a file.
    pub(super) fn page(&mut self, kind: Kind, id: &FileId, number: u64) -> &[u8] {
        self.0.clear();
        self.0.push(match kind {
            Kind::Data => b'd',
            Kind::Index => b'x',
            Kind::Footer => b'f',
        });
        self.0.extend_from_slice(id);
        self.0.extend_from_slice(&number.to_be_bytes());
        &self.0
    }
}
