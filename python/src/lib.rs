//! Tablecrypt for Python: the module `tablecrypt._tablecrypt`, which the package `tablecrypt` puts its face on.
//!
//! ```text
//! tablecrypt/__init__.py       public names                errors.py  exception classes
//!      _tablecrypt.pyi         what this crate gives, typed
//! --------------------------------------------------------------------------------------
//! service.rs  connection.rs  table.rs  structure.rs        the hierarchy, in envelope's words
//! settings.rs  rotation.rs  metrics.rs  audit_log.rs  logger.rs    what a service is told, and what it tells
//! local_kms.rs                                             its embedded KMS, for the administrator
//! aws_kms.rs  python_kms.rs  providers.rs                  the other KMSs; which one a caller gave
//! waiting.rs  interpreter.rs                               waiting for a KMS, with and without the GIL
//! gcm.rs                                                   AESGCM, as cryptography has it
//! machine.rs                                               backends, and memory for keys
//! errors.rs                                                Rust's errors as Python's exceptions
//! buffers.rs                                               Python's memory as slices; the only unsafe code
//! ```
//!
//! **The GIL.** What may wait for a KMS, a file or a lock releases it. What seals or opens releases it for long texts,
//! where no Python code can reach the memory: `buffers.rs`. The keys of a structure may be locked at any moment, and
//! then waiting for them must not stop the interpreter: `structure.rs`. A KMS in Python takes it for its calls: `interpreter.rs`.

mod audit_log;
mod aws_kms;
mod buffers;
mod connection;
mod errors;
mod gcm;
mod interpreter;
mod local_kms;
mod logger;
mod machine;
mod metrics;
mod providers;
mod python_kms;
mod rotation;
mod seconds;
mod service;
mod settings;
mod structure;
mod table;
mod waiting;

// `gil_used`: buffers.rs relies on the GIL. A free-threaded interpreter that imports this turns it on.
#[pyo3::pymodule(gil_used = true)]
mod _tablecrypt {
    use envelope::{DEFAULT_KEY_ALIAS, OVERHEAD};
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::audit_log::AuditLog;
    #[pymodule_export]
    use crate::aws_kms::AwsKms;
    #[pymodule_export]
    use crate::connection::Connection;
    #[pymodule_export]
    use crate::gcm::AesGcm;
    #[pymodule_export]
    use crate::local_kms::{KeyMetadata, LocalKms};
    #[pymodule_export]
    use crate::machine::{backends, key_memory};
    #[pymodule_export]
    use crate::metrics::{KmsCalls, Metrics};
    #[pymodule_export]
    use crate::providers::{_key_in_region, _same_key, Routes, note_request};
    #[pymodule_export]
    use crate::rotation::{Generation, Rewrapping, generation_of_record, records_of_generation};
    #[pymodule_export]
    use crate::service::Service;
    #[pymodule_export]
    use crate::settings::Rotation;
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
