//! The same for callers inside tokio: what may wait for the KMS waits on a thread that may.

use std::panic;
use std::sync::Arc;

use tablecrypt::{Connection, Result, Service, Table, TableDescription, TableSpec};
use tokio::task::spawn_blocking;

/// [`Service::create_table`], without blocking a thread of the runtime.
///
/// # Errors
/// As [`Service::create_table`].
///
/// # Panics
/// Outside a tokio runtime.
pub async fn create_table_async(service: &Service, spec: TableSpec) -> Result<TableDescription> {
    let service = service.clone();
    unblock(move || service.create_table(&spec)).await
}

/// [`Connection::open_table`], without blocking a thread of the runtime.
///
/// To seal and to open records needs no such thing while the table has traffic: then the KMS is asked in the background.
/// After idleness past the deadline the next operation waits for the KMS; where that must not happen on a thread of the
/// runtime, put it into [`unblock`] when [`Table::permitted_for`] says None.
///
/// # Errors
/// As [`Connection::open_table`].
///
/// # Panics
/// Outside a tokio runtime.
pub async fn open_table_async(connection: &Arc<Connection>, table: impl Into<String>) -> Result<Table> {
    let (connection, table) = (Arc::clone(connection), table.into());
    unblock(move || connection.open_table(&table)).await
}

/// Runs a call that may wait for the KMS on one of tokio's threads for blocking calls. A caller that stops waiting does
/// not stop the call.
///
/// # Panics
/// Outside a tokio runtime; and where `call` does.
pub async fn unblock<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(call).await {
        Ok(value) => value,
        Err(error) => panic::resume_unwind(error.into_panic()),
    }
}
