//! The example, started and scraped over HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

/// What one line of the text format says.
fn value(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} is not in\n{text}")).parse().unwrap()
}

fn get(address: &str, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

#[test]
fn a_scrape_has_every_metric_and_the_next_one_what_happened_since() {
    let folder = tempfile::tempdir().unwrap();
    let mut example = Command::new(env!("CARGO_BIN_EXE_tablecrypt-prometheus"))
        .arg(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(example.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let (address, path) = line.trim().strip_prefix("http://").unwrap().split_at(line.rfind('/').unwrap() - 7);

    let (head, first) = get(address, path);
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/plain"), "{head}");
    let (_, second) = get(address, path);
    let (nothing, _) = get(address, "/");
    example.kill().unwrap();
    example.wait().unwrap();
    assert!(nothing.starts_with("HTTP/1.1 404"), "{nothing}");

    for (scrape, rounds) in [(&first, 0.0), (&second, 1.0)] {
        assert_eq!(value(scrape, "tablecrypt_records_sealed"), 1000.0 * rounds);
        assert_eq!(value(scrape, "tablecrypt_bytes_sealed"), 15_000.0 * rounds);
        assert_eq!(value(scrape, "tablecrypt_records_opened"), 1000.0 * rounds);
        assert_eq!(value(scrape, "tablecrypt_bytes_opened"), 15_000.0 * rounds);
        assert_eq!(value(scrape, "tablecrypt_records_refused"), rounds);
        assert_eq!(value(scrape, r#"tablecrypt_key_cache_events{event="hit"}"#), 2001.0 * rounds);
        assert_eq!(value(scrape, r#"tablecrypt_key_cache_events{event="miss"}"#), 1.0);
        assert_eq!(value(scrape, "tablecrypt_key_cache_stale"), 0.0);
        assert_eq!(value(scrape, "tablecrypt_permissions"), 1.0);
        assert_eq!(value(scrape, "tablecrypt_generations"), 2.0);
        let calls = |op: &str, outcome: &str| format!(r#"tablecrypt_kms_calls{{op="{op}",outcome="{outcome}"}}"#);
        assert_eq!(value(scrape, &calls("GenerateDataKey", "NotFound")), 1.0);
        assert_eq!(value(scrape, &calls("GenerateDataKey", "ok")), 1.0);
        assert_eq!(value(scrape, &calls("EnsureKey", "ok")), 1.0);
        assert_eq!(value(scrape, &calls("Decrypt", "ok")), 1.0);
        assert_eq!(value(scrape, r#"tablecrypt_kms_duration_count{op="Decrypt"}"#), 1.0);
        assert!(value(scrape, r#"tablecrypt_kms_duration_sum{op="Decrypt"}"#) > 0.0);
        assert!(scrape.contains("# HELP tablecrypt_kms_calls KMS calls"), "{scrape}");
    }
    println!("{second}");
}
