//! Writes `include/tablecrypt.h`, or the file that it is told: `cargo run -p tablecrypt-ffi --example header [-- file]`, which is what
//! `admin/header` does.

use core::error::Error;
use std::path::Path;
use std::{env, fs};

/// The header's order.
const SOURCES: [&str; 15] = [
    "status",
    "kms",
    "settings",
    "log",
    "service",
    "connection",
    "table",
    "structure",
    "description",
    "generation",
    "changes",
    "metrics",
    "local_kms",
    "gcm",
    "xaes",
];

fn main() -> Result<(), Box<dyn Error>> {
    let ffi = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(ffi.join("cbindgen.toml"))?;
    let source = |name| ffi.join("src").join(name).with_extension("rs");
    let builder = SOURCES.iter().fold(cbindgen::Builder::new(), |builder, name| builder.with_src(source(name)));
    let mut header = Vec::new();
    builder.with_config(config).generate()?.write(&mut header);
    let path = env::args_os().nth(1).map_or_else(|| ffi.join("../include/tablecrypt.h"), Into::into);
    fs::write(path, for_c(&String::from_utf8(header)?))?;
    Ok(())
}

/// What cbindgen cannot be told: a status is `TABLECRYPT_OK` and not `TABLECRYPT_STATUS_OK`; the sections `# Safety`,
/// which only say that the caller is C, are for Rust; a comment of one line takes one line; and what C89 does not know,
/// comments after `//` and a comma after the last enumerator, is not there.
fn for_c(header: &str) -> String {
    let header = header
        .replace("TABLECRYPT_STATUS_", "TABLECRYPT_")
        .replace(" *\n *\n * # Safety", " *\n * # Safety")
        .replace(" *\n * # Safety\n * The header's promise.\n", "")
        .replace(",\n};", "\n};");
    let lines: Vec<_> = header.lines().collect();
    let mut out = String::new();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        let indent = &line[..line.len() - line.trim_start().len()];
        match lines.get(at + 1..at + 3) {
            Some([text, end]) if line.trim() == "/**" && end.trim() == "*/" => {
                out += &format!("{indent}/** {} */", text.trim().trim_start_matches("* "));
                at += 3;
            }
            _ => {
                match line.split_once(" // ") {
                    Some((code, comment)) => out += &format!("{} /* {comment} */", code.trim_end()),
                    None => out += line,
                }
                at += 1;
            }
        }
        out.push('\n');
    }
    out
}
