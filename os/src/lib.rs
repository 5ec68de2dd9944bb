//! What Tablecrypt needs of the operating system and cannot have without unsafe. So far: to notice a fork.

#[allow(unsafe_code, reason = "docs/decisions/0002: one page of memory, mapped and advised once")]
mod fork;

pub use fork::fork_generation;
