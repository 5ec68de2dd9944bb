//! What the command line says.

use std::path::PathBuf;

use clap::Parser;

/// Encrypts a year of flights, asks, disables the key, enables it; and checks all of it.
#[derive(Debug, Parser)]
#[command(name = "flights")]
pub struct Args {
    /// The folder of flights.csv, which `admin/setup data` fetches
    #[arg(long, value_name = "FOLDER", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../.data/nycflights13"))]
    pub data: PathBuf,

    /// Where keys and files go: a new or empty folder, which is kept [default: a temporary one]
    #[arg(long)]
    pub folder: Option<PathBuf>,

    /// Print the figures as JSON, and nothing else
    #[arg(long)]
    pub json: bool,

    /// Take only the first N flights
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub items: Option<u64>,
}
