//! What the header says that each function may answer: its "Errors", as sets of statuses.
//!
//! ```text
//! Errors: STRUCTURE_EXISTS, NO_RANDOM for want of it; and as tablecrypt_service_rotate but for CLOSED and LOCKED.
//!         '-- each word that is a status           '-- what that one names ... '-- without these
//! ```

use std::collections::{BTreeMap, BTreeSet};

/// The statuses of the header by their names, and those that each function names that answers one.
pub(crate) struct Errors {
    pub(crate) numbers: BTreeMap<String, i32>,
    pub(crate) functions: BTreeMap<String, BTreeSet<String>>,
}

impl Errors {
    pub(crate) fn of(header: &str) -> Self {
        let numbers: BTreeMap<_, _> = header.lines().filter_map(number).collect();
        let mut said = BTreeMap::new();
        let mut locked = "";
        let comments: Vec<_> = documented(header).collect();
        for (text, declaration) in &comments {
            if declaration.starts_with("typedef struct tablecrypt_structure ") {
                locked = text.split_once("Where the keys are locked").map_or("", |(_, rest)| rest);
            } else if declaration.starts_with("tablecrypt_status ") && declaration.contains('(') {
                let errors = text.split_once("Errors:").map_or("", |(_, errors)| errors);
                // Of each operation on a structure its type says more.
                let errors = if declaration.contains("(const tablecrypt_structure *") {
                    format!("{errors} {locked}")
                } else {
                    errors.to_owned()
                };
                said.insert(declared(declaration), errors);
            }
        }
        let functions = said.keys().map(|name| (name.clone(), named(&said, &numbers, name, 0))).collect();
        Self { numbers, functions }
    }

    /// Whether the header names this status for this function.
    pub(crate) fn has(&self, function: &str, status: i32) -> bool {
        let named = self.functions.get(function).unwrap_or_else(|| panic!("the header has no {function}"));
        status == 0 || named.iter().any(|name| self.numbers[name] == status)
    }
}

/// `TABLECRYPT_TRUNCATED = 21,`
fn number(line: &str) -> Option<(String, i32)> {
    let (name, number) = line.trim().strip_prefix("TABLECRYPT_")?.split_once(" = ")?;
    // The first enum alone: those after it have a word in between.
    let is_status = !["LOG_LEVEL_", "KEY_STATUS_", "KMS_STATE_", "SCOPE_"].iter().any(|other| name.starts_with(other));
    is_status.then_some((name.to_owned(), number.trim_end_matches(',').parse().ok()?))
}

/// Each comment of documentation, in one line, and what it documents.
fn documented(header: &str) -> impl Iterator<Item = (String, &str)> {
    header.split("/**").skip(1).filter_map(|rest| {
        let (comment, rest) = rest.split_once("*/")?;
        let text = comment.lines().map(|line| line.trim().trim_start_matches('*').trim()).collect::<Vec<_>>();
        Some((text.join(" "), rest.trim_start().split(';').next()?))
    })
}

/// The name of a function.
fn declared(declaration: &str) -> String {
    let before = declaration.split('(').next().unwrap_or_default();
    before.split_whitespace().last().unwrap_or_default().trim_start_matches('*').to_owned()
}

fn named(
    said: &BTreeMap<String, String>,
    numbers: &BTreeMap<String, i32>,
    function: &str,
    depth: usize,
) -> BTreeSet<String> {
    assert!(depth < 8, "{function}: goes in a circle");
    let text = said.get(function).unwrap_or_else(|| panic!("the header has no {function}"));
    let statuses = |text: &str| -> BTreeSet<String> {
        let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        words.filter(|word| numbers.contains_key(*word)).map(str::to_owned).collect()
    };
    let mut all = BTreeSet::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("as tablecrypt_") {
        all.extend(statuses(before));
        let end = after.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(after.len());
        let mut others = named(said, numbers, &format!("tablecrypt_{}", &after[..end]), depth + 1);
        rest = &after[end..];
        if let Some(but) = rest.strip_prefix(" but for ") {
            let end = but.find(['.', ';', ':']).unwrap_or(but.len());
            let without = statuses(&but[..end]);
            assert!(without.is_subset(&others), "{function}: {without:?} are not all of what it takes them from");
            others.retain(|status| !without.contains(status));
            rest = &but[end..];
        }
        all.extend(others);
    }
    all.extend(statuses(rest));
    all
}
