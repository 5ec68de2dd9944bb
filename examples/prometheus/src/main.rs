//! Tablecrypt's metrics at `http://127.0.0.1:PORT/metrics`, as Prometheus scrapes them.
//!
//! ```sh
//! cargo run --manifest-path examples/prometheus/Cargo.toml -- FOLDER [PORT]
//! curl http://127.0.0.1:PORT/metrics
//! ```
//!
//! The three lines that count: install a recorder before the service does anything; when it is scraped, have the service
//! tell what its threads counted since; render. Everything else here makes something to count.

use std::env;
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, Result};
use metrics_exporter_prometheus::PrometheusBuilder;
use tablecrypt::{Error, Service, Structure, TableSpec};
use tiny_http::{Header, Response, Server};

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let folder = PathBuf::from(arguments.next().context("usage: tablecrypt-prometheus FOLDER [PORT]")?);
    let port = arguments.next().map_or(Ok(0), |port| port.parse::<u16>())?;

    let prometheus = PrometheusBuilder::new().install_recorder()?;
    let service = Service::local(folder)?;
    let base = flights(&service)?;

    let server = Server::http(("127.0.0.1", port)).map_err(|error| anyhow::anyhow!("{error}"))?;
    println!("http://{}/metrics", server.server_addr());
    io::stdout().flush()?;
    let text = "Content-Type: text/plain; version=0.0.4";
    let text: Header = text.parse().map_err(|()| anyhow::anyhow!("{text}"))?;
    for request in server.incoming_requests() {
        if request.url() != "/metrics" {
            request.respond(Response::empty(404))?;
            continue;
        }
        service.publish_metrics();
        request.respond(Response::from_string(prometheus.render()).with_header(text.clone()))?;
        // Something that the next scrape finds.
        traffic(&base)?;
    }
    Ok(())
}

fn flights(service: &Service) -> Result<Structure> {
    match service.create_table(&TableSpec::new("flights").global("by-tail")) {
        Ok(_) | Err(Error::TableExists { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(service.open_table("flights")?.base())
}

/// A thousand records sealed and opened, and one forged.
fn traffic(base: &Structure) -> Result<()> {
    for number in 0..1000_u32 {
        let context = number.to_be_bytes();
        let record = base.seal(&context, b"11 minutes late")?;
        base.open(&context, &record)?;
        if number == 0 {
            base.open(b"another context", &record).err().context("a forgery was opened")?;
        }
    }
    Ok(())
}
