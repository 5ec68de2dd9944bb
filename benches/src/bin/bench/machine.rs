//! This machine, as far as a figure depends on it. Never its name.

use core::time::Duration;
use std::collections::HashMap;
use std::process::Command;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// What stands beside the figures.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Machine {
    /// The CPU as a folder is called.
    pub(crate) slug: String,
    /// The CPU as it calls itself, with its family and model.
    pub(crate) cpu: String,
    /// How many of them this process may use.
    pub(crate) cpus: usize,
    /// Those of its features that the libraries choose by.
    pub(crate) features: Vec<String>,
    /// `rustc -V`.
    pub(crate) compiler: String,
    /// The commit, with `+` where the tree differed from it.
    pub(crate) commit: String,
    /// Year, month, day.
    pub(crate) date: String,
}

impl Machine {
    /// This one, today.
    pub(crate) fn this() -> Self {
        let info = cpu_info(&std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default());
        let field = |name: &str| info.get(name).map_or("", String::as_str);
        let flags = field("flags").split(' ').chain(field("Features").split(' '));
        let features = FEATURES.iter().filter(|feature| flags.clone().any(|flag| flag == **feature));
        Self {
            slug: slug(&info),
            cpu: format!("{} family {} model {}", field("model name"), field("cpu family"), field("model")),
            cpus: allowed_cpus().len(),
            features: features.map(ToString::to_string).collect(),
            compiler: output("rustc", &["-V"]),
            commit: commit(),
            date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string()[..10].to_owned(),
        }
    }
}

/// The CPUs that this process may use, the least busy first.
pub(crate) fn idlest_cpus() -> Vec<usize> {
    let before = busy();
    std::thread::sleep(Duration::from_millis(300));
    let after = busy();
    let mut cpus = allowed_cpus();
    cpus.sort_by_key(|cpu| after.get(cpu).unwrap_or(&0) - before.get(cpu).unwrap_or(&0));
    cpus
}

fn allowed_cpus() -> Vec<usize> {
    let set = rustix::thread::sched_getaffinity(None);
    set.map_or_else(|_| Vec::new(), |set| (0..rustix::thread::CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect())
}

/// Ticks that each CPU did not idle.
fn busy() -> HashMap<usize, i64> {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let cpus = stat.lines().filter_map(|line| {
        let mut words = line.strip_prefix("cpu")?.split_ascii_whitespace();
        let cpu = words.next()?.parse().ok()?;
        let ticks: Vec<i64> = words.filter_map(|word| word.parse().ok()).collect();
        // Idle and waiting for I/O are the fourth and the fifth.
        Some((cpu, ticks.iter().sum::<i64>() - ticks.get(3)? - ticks.get(4)?))
    });
    cpus.collect()
}

/// The fields of the first CPU.
fn cpu_info(text: &str) -> HashMap<String, String> {
    let fields = text.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_once(':'));
    fields.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect()
}

/// `amd-zen3`; where the table does not know the name, `vendor-family-model`.
fn slug(info: &HashMap<String, String>) -> String {
    let field = |name: &str| info.get(name).map_or("", String::as_str);
    let number = |name: &str| field(name).parse::<u32>().unwrap_or(0);
    let (family, model) = (number("cpu family"), number("model"));
    let (vendor, core) = match (field("vendor_id"), family, model) {
        ("AuthenticAMD", 23, 0..=0x2f) => ("amd", "zen"),
        ("AuthenticAMD", 23, _) => ("amd", "zen2"),
        ("AuthenticAMD", 25, 0x00..=0x0f | 0x20..=0x5f) => ("amd", "zen3"),
        ("AuthenticAMD", 25, _) => ("amd", "zen4"),
        ("AuthenticAMD", 26, _) => ("amd", "zen5"),
        ("GenuineIntel", 6, 0x3c | 0x3f | 0x45 | 0x46) => ("intel", "haswell"),
        ("GenuineIntel", 6, 0x3d | 0x47 | 0x4f | 0x56) => ("intel", "broadwell"),
        ("GenuineIntel", 6, 0x4e | 0x5e | 0x55) => ("intel", "skylake"),
        ("GenuineIntel", 6, 0x6a | 0x6c | 0x7d | 0x7e) => ("intel", "icelake"),
        ("GenuineIntel", 6, 0x8f) => ("intel", "sapphirerapids"),
        ("GenuineIntel", 6, 0xcf) => ("intel", "emeraldrapids"),
        ("GenuineIntel", 6, 0xad | 0xae) => ("intel", "graniterapids"),
        ("AuthenticAMD", ..) => return format!("amd-{family}-{model}"),
        ("GenuineIntel", ..) => return format!("intel-{family}-{model}"),
        ("", ..) => return format!("arm-{}-{}", field("CPU implementer"), field("CPU part")),
        (other, ..) => return format!("{}-{family}-{model}", other.to_lowercase()),
    };
    format!("{vendor}-{core}")
}

fn commit() -> String {
    let changed = if output("git", &["status", "--porcelain", "--untracked-files=no"]).is_empty() { "" } else { "+" };
    output("git", &["rev-parse", "--short=10", "HEAD"]) + changed
}

/// What a program prints; nothing where it is not there.
fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(|_| String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

const FEATURES: [&str; 9] = ["aes", "avx", "avx2", "avx512f", "avx512vl", "pclmulqdq", "pmull", "vaes", "vpclmulqdq"];
