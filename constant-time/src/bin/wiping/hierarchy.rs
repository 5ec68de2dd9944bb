//! The keys of a whole hierarchy: root key, data keys and session keys, from the key file that the victim wrote.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tablecrypt_core::{Key, Xaes256Gcm};

use crate::{Sought, Total, of_cipher, of_session, patterns, random, start};

/// One table in one process, whose keys end in one of the ways that there are.
pub(crate) fn run(total: &mut Total, command: &[String], backend: &str, end: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let root = random()?;
    let path = folder.path().to_str().context("a folder with a name in UTF-8")?;
    let mut victim = start(command, &["envelope", path, end])?;
    let prefixes = loop {
        let line = victim.line()?;
        match line.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["key"] => victim.send(&root)?,
            ["alive", prefixes @ ..] => {
                break prefixes.iter().map(|text| Ok(hex::decode(text)?)).collect::<Result<Vec<_>>>()?;
            }
            _ => bail!("the victim said {line:?}"),
        }
    };

    let (wrapping, mac) = (expand(&root, b"tablecrypt v1 wrap")?, expand(&root, b"tablecrypt v1 key file")?);
    let mut sought = Sought::default();
    sought.all.extend(of_cipher(command, backend, &wrapping)?.all);
    for (name, [low, high]) in
        [("root key", halves(&root)), ("key of the MAC", halves(&mac)), ("wrapping key", halves(&wrapping))]
    {
        sought.all.extend(patterns::of_block(name, low));
        sought.all.extend(patterns::of_block(name, high));
    }
    let mut kept = 0;
    for (name, data_key) in data_keys(folder.path(), &wrapping)? {
        sought.add(of_cipher(command, backend, &data_key)?.with_no_more_than(&patterns::of_schedule("", &data_key)));
        for prefix in &prefixes {
            if name == "base" {
                let prefix = prefix.as_slice().try_into()?;
                let session = patterns::derive(&data_key, prefix).1;
                let schedule = patterns::of_schedule("", &session);
                sought.add(of_session(command, backend, &data_key, prefix)?.with_no_more_than(&schedule));
                kept += 1;
            }
        }
    }
    ensure!(kept == 2, "two sessions of the base table");
    total.alive(&format!("envelope, {end}"), &victim, &sought)?;
    victim.send(&[0])?;
    let line = victim.line()?;
    ensure!(line == "dropped", "the victim said {line:?}");
    total.dropped(&format!("envelope, {end}"), victim, &sought)
}

fn halves(key: &[u8; 32]) -> [[u8; 16]; 2] {
    [0, 16].map(|at| core::array::from_fn(|i| key[at + i]))
}

/// The data keys of a table, unwrapped as docs/FORMAT.md says.
fn data_keys(folder: &Path, wrapping: &[u8; 32]) -> Result<Vec<(String, [u8; 32])>> {
    let file: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.join("flights/keys.json"))?)?;
    let table = hex::decode(file["table_id"].as_str().context("table_id")?)?;
    let mut keys = Vec::new();
    for structure in file["structures"].as_array().context("structures")? {
        let name = structure["name"].as_str().context("name")?;
        let (kind, text) = name.split_once(':').map_or((0, ""), |(kind, text)| (1 + u8::from(kind == "global"), text));
        for entry in structure["data_keys"].as_array().context("data_keys")? {
            let number = u32::try_from(entry["number"].as_u64().context("number")?)?;
            let wrapped = BASE64_STANDARD.decode(entry["wrapped"].as_str().context("wrapped")?)?;
            let place = [
                b"tablecrypt v1 data key\0",
                table.as_slice(),
                &[kind],
                &u32::try_from(text.len())?.to_be_bytes(),
                text.as_bytes(),
                &number.to_be_bytes(),
            ]
            .concat();
            let (nonce, sealed) = wrapped.split_first_chunk().context("a nonce")?;
            let mut key = [0; 32];
            Xaes256Gcm::new(&Key::from(wrapping)).open(nonce, &place, sealed, &mut key)?;
            keys.push((name.to_owned(), key));
        }
    }
    Ok(keys)
}

/// HKDF-Expand with SHA-256 (RFC 5869 section 2.3), one block.
fn expand(root: &[u8; 32], info: &[u8]) -> Result<[u8; 32]> {
    let mac = Hmac::<Sha256>::new_from_slice(root)?.chain_update(info).chain_update([1]);
    Ok(mac.finalize().into_bytes().into())
}
