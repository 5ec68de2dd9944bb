//! The entries of one page: bytes <-> keys and values. It knows no file and no sealing.
//!
//! ```text
//! 2 count | count times: 2 length of the key | 2 length of the value | key | value | zeros
//! ```

/// A page in the making.
#[derive(Debug)]
pub(super) struct Page {
    text: Vec<u8>,
    count: u16,
    limit: usize,
}

impl Page {
    /// An empty page of `limit` bytes, 64 KiB at most.
    pub(super) fn new(limit: usize) -> Self {
        Self { text: vec![0; COUNT], count: 0, limit }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds an entry, or says that there is no room for it.
    pub(super) fn push(&mut self, key: &[u8], value: &[u8]) -> bool {
        if self.text.len() + entry_length(key.len(), value.len()) > self.limit {
            return false;
        }
        // Both fit into the page, so into 16 bits.
        for part in [key, value] {
            self.text.extend_from_slice(&(part.len() as u16).to_be_bytes());
        }
        self.text.extend_from_slice(key);
        self.text.extend_from_slice(value);
        self.count += 1;
        true
    }

    /// The whole page.
    pub(super) fn text(&mut self) -> &[u8] {
        self.text[..COUNT].copy_from_slice(&self.count.to_be_bytes());
        self.text.resize(self.limit, 0);
        &self.text
    }

    /// Empties the page.
    pub(super) fn clear(&mut self) {
        self.text.truncate(COUNT);
        self.count = 0;
    }
}

/// What an entry takes of a page.
pub(super) const fn entry_length(key: usize, value: usize) -> usize {
    LENGTHS + key + value
}

/// What a page of `limit` bytes has room for.
pub(super) const fn room(limit: usize) -> usize {
    limit - COUNT
}

/// The entries of a page, in its order. Ends with None in an entry's place where the page is malformed.
#[derive(Debug)]
pub(super) struct Entries<'a> {
    left: u16,
    rest: &'a [u8],
}

impl<'a> Entries<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        match text.split_first_chunk() {
            Some((count, rest)) => Self { left: u16::from_be_bytes(*count), rest },
            None => Self { left: 1, rest: &[] },
        }
    }

    fn take(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let (lengths, rest) = self.rest.split_first_chunk::<LENGTHS>()?;
        let [a, b, c, d] = *lengths;
        let (key, rest) = rest.split_at_checked(u16::from_be_bytes([a, b]).into())?;
        let (value, rest) = rest.split_at_checked(u16::from_be_bytes([c, d]).into())?;
        self.rest = rest;
        Some((key, value))
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Option<(&'a [u8], &'a [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let entry = self.take();
        if entry.is_none() {
            self.left = 0;
        }
        Some(entry)
    }
}

const COUNT: usize = 2;
const LENGTHS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_takes_what_fits_and_gives_it_back() {
        let mut page = Page::new(64);
        assert!(page.push(b"a", b"first"));
        assert!(page.push(b"", b""));
        assert!(page.push(b"b", &[7; 64 - COUNT - 10 - 4 - LENGTHS - 1]));
        assert!(!page.push(b"", b""));
        let text = page.text().to_vec();
        assert_eq!(text.len(), 64);
        let entries: Option<Vec<_>> = Entries::new(&text).collect();
        assert_eq!(entries.unwrap()[..2], [(&b"a"[..], &b"first"[..]), (b"", b"")]);
        page.clear();
        assert!(page.is_empty());
        assert_eq!(Entries::new(page.text()).count(), 0);
    }

    #[test]
    fn a_malformed_page_ends_with_none_and_does_not_panic() {
        let mut page = Page::new(32);
        page.push(b"key", b"value");
        let text = page.text().to_vec();
        for end in 0..COUNT + LENGTHS + 8 {
            assert_eq!(Entries::new(&text[..end]).last(), Some(None), "{end}");
        }
        assert_eq!(Entries::new(&[0xff; 32]).last(), Some(None));
    }
}
