//! The header names every status that a function answers: of those that its own text and the programs in C tell.
//! The fuzz target c_calls holds every answer that it sees against the same lists.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod errors;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use errors::Errors;

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// What may come from any function, as the header says at its top, and what is no error.
const OF_NONE: [&str; 3] = ["OK", "PANIC", "UNNUMBERED"];

#[test]
fn every_function_that_can_fail_names_how_and_every_status_is_named_by_one() {
    let errors = Errors::of(&file("../include/tablecrypt.h"));
    assert!(errors.functions.len() > 60 && errors.numbers.len() > 35, "the header was not understood");
    for (function, named) in &errors.functions {
        assert!(named.contains("NULL_ARGUMENT"), "{function}: {named:?}");
    }
    let named: BTreeSet<_> = errors.functions.values().flatten().map(String::as_str).collect();
    let known = errors.numbers.keys().map(String::as_str);
    let expected: BTreeSet<_> = known.filter(|status| !OF_NONE.contains(status)).collect();
    assert_eq!(named, expected);
}

#[test]
fn each_status_that_a_program_in_c_is_answered_is_named_for_the_function() {
    let errors = Errors::of(&file("../include/tablecrypt.h"));
    let mut seen = 0;
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c")).unwrap() {
        let program = fs::read_to_string(entry.unwrap().path()).unwrap();
        for check in program.split("CHECK_STATUS(TABLECRYPT_").skip(1) {
            // The status, and the function if it is called there and then.
            let Some((status, call)) = check.split_once(", ") else { continue };
            let name = call.split('(').next().unwrap().trim();
            if name.starts_with("tablecrypt_") && errors.functions.contains_key(name) {
                let number = errors.numbers[status];
                assert!(errors.has(name, number), "{name} answers {status}, and the header does not name it");
                seen += usize::from(number != 0);
            }
        }
    }
    assert!(seen > 100, "{seen} answers");
}
