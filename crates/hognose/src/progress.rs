//! How far a build is: a bar where somebody watches, else one line per step.

use std::cell::RefCell;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use stepflow_python::environment::{Progress, Step};

use crate::output::note;

/// Draws on standard error.
#[derive(Debug)]
pub(crate) struct Reporter {
    bar: Option<ProgressBar>,
    last: RefCell<Option<Step>>,
}

impl Reporter {
    pub(crate) fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(ProgressBar::new_spinner);
        Self { bar, last: RefCell::new(None) }
    }

    /// Shows one remark of a build.
    pub(crate) fn show(&self, progress: &Progress) {
        let changed = self.last.replace(Some(progress.step)) != Some(progress.step);
        let text = format!("{}: {}", word(progress.step), progress.text);
        match &self.bar {
            Some(bar) => draw(bar, progress, changed, text),
            None if changed => note(&text),
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

fn draw(bar: &ProgressBar, progress: &Progress, changed: bool, text: String) {
    if changed {
        let template = match (progress.step, progress.total) {
            (_, 0) => "{spinner} {msg}",
            (Step::Downloading, _) => "{bar:30} {bytes}/{total_bytes} {msg}",
            (_, _) => "{bar:30} {pos}/{len} {msg}",
        };
        let style = ProgressStyle::with_template(template);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.enable_steady_tick(Duration::from_millis(120));
    }
    if progress.total > 0 {
        bar.set_length(progress.total);
        bar.set_position(progress.done);
    }
    bar.set_message(text);
}

fn word(step: Step) -> &'static str {
    match step {
        Step::Waiting => "waiting",
        Step::Installer => "installer",
        Step::Resolving => "resolving",
        Step::Downloading => "downloading",
        Step::Installing => "installing",
        Step::Compiling => "compiling",
        Step::Fonts => "fonts",
        Step::Finishing => "finishing",
    }
}
