//! How far a build is: a bar where somebody watches, else one line per step. Warnings always stay.

use std::cell::Cell;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use stepflow_python::environment::Progress;

use crate::output::note;

/// Draws on standard error.
#[derive(Debug)]
pub(crate) struct Reporter {
    bar: Option<ProgressBar>,
    last: Cell<&'static str>,
}

impl Reporter {
    pub(crate) fn new() -> Self {
        let bar = std::io::stderr()
            .is_terminal()
            .then(ProgressBar::new_spinner);
        Self {
            bar,
            last: Cell::new(""),
        }
    }

    /// Shows one remark of a build.
    pub(crate) fn show(&self, progress: &Progress) {
        if progress.text.starts_with("warning: ") {
            let told = || note(&progress.text);
            return match &self.bar {
                Some(bar) => bar.suspend(told),
                None => told(),
            };
        }
        let changed = self.last.replace(progress.step) != progress.step;
        match &self.bar {
            Some(bar) => draw(bar, progress, changed),
            None if changed => note(&format!("{}: {}", progress.step, progress.text)),
            None => {}
        }
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn draw(bar: &ProgressBar, progress: &Progress, changed: bool) {
    if changed {
        // A step of one part has no extent worth a bar.
        let template = if progress.total > 1 {
            "environment {bar:24} {pos}/{len} {msg} ({elapsed})"
        } else {
            "environment {spinner} {msg} ({elapsed})"
        };
        let style = ProgressStyle::with_template(template);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.enable_steady_tick(Duration::from_millis(120));
    }
    bar.set_length(progress.total);
    bar.set_position(progress.done);
    bar.set_message(progress.text.clone());
}
