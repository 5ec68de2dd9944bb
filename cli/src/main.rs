//! The command `tablecrypt`.

#![forbid(unsafe_code)]

mod args;
mod audit;
mod keys;

use std::io::{self, Write};
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Parser;
use tablecrypt_cli::kms_server::Server;

use crate::args::{Arguments, Command, KmsCommand, Serve};

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Audit(command) => audit::run(command),
        Command::Kms(KmsCommand::Serve(serve)) => serve_kms(serve),
        Command::Kms(KmsCommand::Key(command)) => keys::run(command),
    }
}

/// Serves until it is stopped. The first lines say where, so that a caller may read them.
fn serve_kms(serve: Serve) -> Result<()> {
    let kms = serve.place.open()?;
    let server = Server::start(Arc::new(kms), serve.listen).with_context(|| format!("{}", serve.listen))?;
    let mut out = io::stdout();
    writeln!(out, "AWS_ENDPOINT_URL_KMS=http://{}", server.address())?;
    if let Some(control) = serve.control {
        let control = server.control(control).with_context(|| format!("{control}"))?;
        writeln!(out, "control: http://{control}/fault")?;
    }
    server.plan(serve.fault);
    writeln!(out, "signatures are not verified: for development and tests")?;
    out.flush()?;
    Ok(server.join()?)
}
