//! What seals: a structure of a table, or nothing at all, so that one job can be run in both ways and compared.

use tablecrypt::{Error, OVERHEAD, Result, Structure};

/// Seals texts into records bound to a context, and opens them.
pub trait Sealer {
    /// How many bytes longer a record is than its text.
    const OVERHEAD: usize;

    /// Seals `text` into the first bytes of `out`, and gives how many they are.
    ///
    /// # Errors
    /// As [`Structure::seal_into`].
    fn seal_into(&self, context: &[u8], text: &[u8], out: &mut [u8]) -> Result<usize>;

    /// Opens `record` into the first bytes of `out`, and gives how many they are.
    ///
    /// # Errors
    /// As [`Structure::open_into`].
    fn open_into(&self, context: &[u8], record: &[u8], out: &mut [u8]) -> Result<usize>;
}

impl Sealer for Structure {
    const OVERHEAD: usize = OVERHEAD;

    #[inline]
    fn seal_into(&self, context: &[u8], text: &[u8], out: &mut [u8]) -> Result<usize> {
        Self::seal_into(self, context, text, out)
    }

    #[inline]
    fn open_into(&self, context: &[u8], record: &[u8], out: &mut [u8]) -> Result<usize> {
        Self::open_into(self, context, record, out)
    }
}

/// Seals nothing: copies, and finds no change. For comparison only.
#[derive(Clone, Copy, Debug)]
pub struct Plain;

impl Sealer for Plain {
    const OVERHEAD: usize = 0;

    #[inline]
    fn seal_into(&self, _context: &[u8], text: &[u8], out: &mut [u8]) -> Result<usize> {
        let out = out.get_mut(..text.len()).ok_or(Error::OutputTooShort { needed: text.len() })?;
        out.copy_from_slice(text);
        Ok(text.len())
    }

    #[inline]
    fn open_into(&self, context: &[u8], record: &[u8], out: &mut [u8]) -> Result<usize> {
        self.seal_into(context, record, out)
    }
}
