//! The Rust example of README.md, run as it stands there.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

// The block of README.md, to the letter, then what it needs around it.
#[rustfmt::skip]
fn example() -> Result<(), tablecrypt::Error> {
use tablecrypt::{Service, TableSpec};

let service = Service::local("demo")?; // the KMS in demo/kms, key files in demo/tables
service.create_table(&TableSpec::new("flights").local("by-delay").global("by-tail"))?;
let connection = service.connect();
let table = connection.open_table("flights")?;
let base = table.base();
let record = base.seal(b"2013-01-01 UA 1545 EWR", b"11 minutes late")?;
assert_eq!(base.open(b"2013-01-01 UA 1545 EWR", &record)?, b"11 minutes late");
Ok(())
}

#[test]
fn the_example_of_the_readme_is_this_one_and_works() {
    let (_, block) = include_str!("../../README.md").split_once("```rust\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    assert!(include_str!("readme.rs").contains(block), "README.md shows another example:\n{block}");
    let folder = tempfile::tempdir().unwrap();
    std::env::set_current_dir(folder.path()).unwrap();
    example().unwrap();
    assert!(folder.path().join("demo/tables/flights/keys.json").is_file());
}
