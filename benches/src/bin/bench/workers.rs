//! The worker processes, of which one runs at a time.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use tablecrypt_benches::case::Case;

use crate::machine;

/// All workers, and the libraries in them.
pub(crate) struct Workers {
    all: Vec<Worker>,
    /// The libraries: a worker and a name there.
    members: Vec<(usize, String)>,
}

struct Worker {
    path: PathBuf,
    process: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Workers {
    /// Starts them all on the CPU that is least busy, and asks what is in them.
    pub(crate) fn start(paths: &[PathBuf]) -> Result<Self> {
        let cpus = machine::idlest_cpus();
        let mut all = paths.iter().map(|path| Worker::start(path, &cpus)).collect::<Result<Vec<_>>>()?;
        let mut members: Vec<(usize, String)> = Vec::new();
        for (index, worker) in all.iter_mut().enumerate() {
            for name in worker.list()? {
                if !members.iter().any(|(_, known)| *known == name) {
                    members.push((index, name));
                }
            }
        }
        Ok(Self { all, members })
    }

    /// The libraries' names, ours first if the first worker has ours.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|(_, name)| name.as_str())
    }

    /// What came out of one call, as hex; None: the library does not offer it.
    pub(crate) fn check(&mut self, member: usize, case: &Case) -> Result<Option<String>> {
        self.ask(member, "check", case, "")
    }

    /// Nanoseconds a call; None: the library does not offer it.
    pub(crate) fn time(&mut self, member: usize, case: &Case, calls: u64) -> Result<Option<f64>> {
        let answer = self.ask(member, "time", case, &format!(" {calls}"))?;
        Ok(answer.map(|nanoseconds| nanoseconds.parse()).transpose()?)
    }

    fn ask(&mut self, member: usize, verb: &str, case: &Case, rest: &str) -> Result<Option<String>> {
        let (worker, name) = &self.members[member];
        let mut answer = self.all[*worker].ask(&format!("{verb} {name} {case}{rest}"))?;
        if answer == "no" {
            return Ok(None);
        }
        match answer.strip_prefix("ok ") {
            Some(_) => Ok(Some(answer.split_off(3))),
            None => bail!("{name}, {verb} {case}: {answer}"),
        }
    }
}

impl Worker {
    fn start(path: &Path, cpus: &[usize]) -> Result<Self> {
        let mut process = Command::new(path)
            .args(cpus.iter().take(2).map(ToString::to_string))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} does not start", path.display()))?;
        let questions = process.stdin.take().context("it was piped")?;
        let answers = BufReader::new(process.stdout.take().context("it was piped")?);
        Ok(Self { path: path.into(), process, questions, answers })
    }

    fn ask(&mut self, question: &str) -> Result<String> {
        writeln!(self.questions, "{question}")?;
        self.answer().with_context(|| format!("{}: {question}", self.path.display()))
    }

    fn list(&mut self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        let mut line = self.ask("list")?;
        while line != "." {
            names.push(line);
            line = self.answer()?;
        }
        Ok(names)
    }

    fn answer(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            bail!("the worker ended: {}", self.process.wait()?);
        }
        line.truncate(line.trim_end().len());
        Ok(line)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
