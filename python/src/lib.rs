//! Tablecrypt for Python: the module `tablecrypt._tablecrypt`, which the package `tablecrypt` puts its face on.
//!
//! ```text
//! tablecrypt/__init__.py       public names                errors.py  exception classes
//!      _tablecrypt.pyi         what this crate gives, typed
//! --------------------------------------------------------------------------------------
//! service.rs  connection.rs  table.rs  structure.rs        the hierarchy, in envelope's words
//! local_kms.rs                                             its embedded KMS, for the administrator
//! gcm.rs                                                   AESGCM, as cryptography has it
//! machine.rs                                               backends, and memory for keys
//! errors.rs                                                Rust's errors as Python's exceptions
//! buffers.rs                                               Python's memory as slices; the only unsafe code
//! ```
//!
//! **The GIL.** What may wait for a KMS, a file or a lock releases it. What seals or opens releases it for long texts,
//! where no Python code can reach the memory: `buffers.rs`. The keys of a structure may be locked at any moment, and
//! then waiting for them must not stop the interpreter: `structure.rs`.

mod buffers;
mod connection;
mod errors;
mod gcm;
mod local_kms;
mod machine;
mod service;
mod structure;
mod table;

// `gil_used`: buffers.rs relies on the GIL. A free-threaded interpreter that imports this turns it on.
#[pyo3::pymodule(gil_used = true)]
mod _tablecrypt {
    use envelope::{DEFAULT_KEY_ALIAS, OVERHEAD};
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::connection::Connection;
    #[pymodule_export]
    use crate::gcm::AesGcm;
    #[pymodule_export]
    use crate::local_kms::{KeyMetadata, LocalKms};
    #[pymodule_export]
    use crate::machine::{backends, key_memory};
    #[pymodule_export]
    use crate::service::Service;
    #[pymodule_export]
    use crate::structure::Structure;
    #[pymodule_export]
    use crate::table::{Table, TableDescription};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("DEFAULT_KEY_ALIAS", DEFAULT_KEY_ALIAS)?;
        module.add("OVERHEAD", OVERHEAD)?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
