//! A record: the figures, and what they depend on. One file a day and CPU.

use core::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::run::{Figure, Row};
use crate::workers::Workers;

/// What a file in `benches/record` holds.
#[derive(Deserialize, Serialize)]
pub(crate) struct Record {
    /// Where, when and by what.
    pub(crate) machine: Machine,
    /// The libraries and their versions.
    pub(crate) libraries: Vec<Version>,
    /// The unit of all figures.
    unit: String,
    /// The figures.
    pub(crate) rows: Vec<Row>,
}

/// A library.
#[derive(Deserialize, Serialize)]
pub(crate) struct Version {
    /// Its name in the rows.
    pub(crate) name: String,
    /// Its version; empty for what has none.
    pub(crate) version: String,
}

impl Record {
    /// A record of today.
    pub(crate) fn new(workers: &Workers, rows: Vec<Row>) -> Result<Self> {
        let version = |name: &str| Version { name: name.into(), version: version(name).unwrap_or_default() };
        let libraries = workers.names().map(version).collect();
        Ok(Self { machine: Machine::this(), libraries, unit: "ns a call; of a batch, a message".into(), rows })
    }

    /// Reads one.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Writes it into the CPU's folder, in the place of an earlier one of the same day.
    pub(crate) fn write(&self, into: &Path) -> Result<PathBuf> {
        let folder = into.join(&self.machine.slug);
        std::fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{}.json", self.machine.date));
        std::fs::write(&path, self.to_json()?).with_context(|| path.display().to_string())?;
        Ok(path)
    }

    /// JSON with a line for each figure: it is read by people too, and by diff.
    fn to_json(&self) -> Result<String> {
        let mut text = String::from("{\n");
        writeln!(text, "\"machine\": {},", serde_json::to_string_pretty(&self.machine)?)?;
        writeln!(text, "\"libraries\": [\n{}\n],", lines(&self.libraries)?)?;
        writeln!(text, "\"unit\": {},", serde_json::to_string(&self.unit)?)?;
        text.push_str("\"rows\": [\n");
        for (index, Row { op, size, aad, align, figures }) in self.rows.iter().enumerate() {
            let comma = if index + 1 == self.rows.len() { "" } else { "," };
            let op = serde_json::to_string(op)?;
            writeln!(text, "{{\"op\": {op}, \"size\": {size}, \"aad\": {aad}, \"align\": {align}, \"figures\": [")?;
            writeln!(text, "{}\n]}}{comma}", lines::<Figure>(figures)?)?;
        }
        text.push_str("]\n}\n");
        Ok(text)
    }

    /// A library with its version.
    pub(crate) fn title(&self, name: &str) -> String {
        let version = self.libraries.iter().find(|library| library.name == name);
        let version = version.map_or("", |library| library.version.as_str());
        let (product, part) = name.split_once(':').unwrap_or((name, ""));
        let product = match product {
            "aws-lc-rs" => "AWS-LC (aws-lc-rs)",
            "boringssl" => "BoringSSL (boring)",
            "openssl" => "OpenSSL",
            "rustcrypto" => "RustCrypto aes-gcm",
            "tablecrypt" => "Tablecrypt",
            other => other,
        };
        [product, version, part]
            .map(str::to_owned)
            .into_iter()
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    }
}

fn lines<T: Serialize>(items: &[T]) -> Result<String> {
    let lines = items.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
    Ok(lines.join(",\n"))
}

/// The version of a library's crate in Cargo.lock; of OpenSSL that of OpenSSL itself.
fn version(name: &str) -> Option<String> {
    let package = match name.split_once(':').unwrap_or((name, "")) {
        ("boringssl", _) => "boring",
        ("openssl", "") => "openssl-src",
        ("openssl", _) => return None, // the system's, whose name says its version
        ("rustcrypto", _) => "aes-gcm",
        ("tablecrypt", _) => return None,
        (other, _) => other,
    };
    let entry = LOCK.split("[[package]]").find(|entry| entry.contains(&format!("\nname = \"{package}\"\n")))?;
    let version = entry.lines().find_map(|line| line.strip_prefix("version = "))?.trim_matches('"');
    Some(version.rsplit('+').next()?.to_owned())
}

const LOCK: &str = include_str!("../../../Cargo.lock");
