//! Which ways through the backends were taken.

use anyhow::Result;
use tablecrypt_core::Backend;

/// Prints them, and fails if one that this CPU has was not; says so where this build does not count.
#[cfg(not(tablecrypt_paths))]
pub(super) fn all_taken(_backends: &[Backend]) -> Result<()> {
    println!("ways: not counted, this is the build that ships");
    Ok(())
}

#[cfg(tablecrypt_paths)]
pub(super) fn all_taken(backends: &[Backend]) -> Result<()> {
    use tablecrypt_core::{Direction, WAYS, Way};

    let is_here = |way: &&Way| match way.backend {
        // What is common to the kernels that interleave.
        "batch" => backends.iter().any(|backend| matches!(backend, Backend::Vaes512 | Backend::Vaes256)),
        name => backends.iter().any(|backend| backend.name() == name),
    };
    let (mut count, mut missed) = (0, Vec::new());
    println!("backend  way             hits of each number, from the first one on");
    for way in WAYS.iter().filter(is_here) {
        let hits: Vec<_> = way.range.clone().map(|at| way.hits(at)).collect();
        let list = hits.iter().map(u64::to_string).collect::<Vec<_>>().join(" ");
        let direction = format!("{:?}", way.direction).to_lowercase();
        println!("{:8} {:9} {direction:5} {}: {list}", way.backend, way.name, way.range.start());
        let enough = match way.direction {
            Direction::Any => hits.iter().any(|hits| *hits > 0),
            _ => hits.iter().all(|hits| *hits > 0),
        };
        count += if way.direction == Direction::Any { 1 } else { hits.len() };
        if !enough {
            missed.push(format!("{} {} {direction}", way.backend, way.name));
        }
    }
    anyhow::ensure!(missed.is_empty(), "never taken: {}", missed.join("; "));
    println!("ways: {count} of {}, all taken", tablecrypt_assurance::names(backends));
    Ok(())
}
