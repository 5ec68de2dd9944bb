//! What is timed: an operation on a text of some size with some AAD, and how it reads in the workers' line protocol.
//!
//! ```text
//! list                                             name | name | ... one a line, then a line "."
//! check <name> <op> <size> <aad> <align>           ok <hex of what came out>   or   no   or   error <why>
//! time  <name> <op> <size> <aad> <align> <calls>   ok <nanoseconds a call>     or   no   or   error <why>
//! ```
//!
//! `no` means that the library does not offer the operation.

use core::fmt;
use core::str::FromStr;

use anyhow::{Context, Error, bail};

/// The number of messages in a batch.
pub const MESSAGES: usize = 64;

/// The length of each message in a batch, and of the one in [`Op::SetupSeal`].
pub const SMALL: usize = 64;

/// The operations, as the manual of `benches/` names them.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Op {
    /// 64 messages of 64 B under one key, by one call where the library has one; the time of one message.
    Batch,
    /// One message, opened in place, its tag compared.
    Open,
    /// One message, sealed in place under an expanded key, with a nonce that was counted up.
    Seal,
    /// Everything before the first message, and dropping it again.
    Setup,
    /// Set-up, then one message of 64 B.
    SetupSeal,
    /// [`Op::Seal`] on two threads that share one key; the time of one message, as both together manage it.
    Threads,
    /// XAES-256-GCM: derives a key for this message, then seals it.
    XaesCold,
    /// XAES-256-GCM with the derived key kept.
    XaesWarm,
}

impl Op {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Batch,
        Self::Open,
        Self::Seal,
        Self::Setup,
        Self::SetupSeal,
        Self::Threads,
        Self::XaesCold,
        Self::XaesWarm,
    ];

    /// Its name in the protocol, in records and in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Open => "open",
            Self::Seal => "seal",
            Self::Setup => "setup",
            Self::SetupSeal => "setup+seal",
            Self::Threads => "threads",
            Self::XaesCold => "xaes-cold",
            Self::XaesWarm => "xaes-warm",
        }
    }
}

impl FromStr for Op {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|op| op.name() == name).with_context(|| format!("no operation is called {name}"))
    }
}

/// One row of a table.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Case {
    /// The operation.
    pub op: Op,
    /// Bytes of text in a message.
    pub size: usize,
    /// Bytes of AAD.
    pub aad: usize,
    /// How many bytes past a multiple of 64 the text begins.
    pub align: usize,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.op.name(), self.size, self.aad, self.align)
    }
}

impl FromStr for Case {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self, Error> {
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        let [op, size, aad, align] = words[..] else { bail!("{line:?} is not <op> <size> <aad> <align>") };
        Ok(Self { op: op.parse()?, size: size.parse()?, aad: aad.parse()?, align: align.parse()? })
    }
}
