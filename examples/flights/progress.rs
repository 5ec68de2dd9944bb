//! What a terminal shows meanwhile; nothing where there is none.

use core::time::Duration;
use std::borrow::Cow;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A line on the standard error.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// A line, or none if it is to be hidden or there is no terminal.
    pub fn new(hidden: bool) -> Self {
        let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(None, target);
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(bar)
    }

    /// Begins a stage of `length` steps, or of an unknown number if it is 0.
    pub fn stage(&self, stage: &str, length: u64) {
        let template = if length > 0 { "{spinner} {msg:44} {bar:20} {percent:>3}%" } else { "{spinner} {msg}" };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style);
        }
        self.0.set_message(Cow::Owned(stage.to_owned()));
        self.0.set_length(length);
        self.0.set_position(0);
    }

    pub fn add(&self, steps: u64) {
        self.0.inc(steps);
    }

    /// Takes the line away.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}
