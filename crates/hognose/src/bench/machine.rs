//! What was measured on: facts without which a figure says nothing.

use std::fs;
use std::io::Read;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use serde::Serialize;
use stepflow_python::{Environment, Isolation, LayerState};

/// The machine, its kernel and what is measured on it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    pub(crate) date: String,
    pub(crate) kernel: String,
    pub(crate) cpus: usize,
    pub(crate) cpu_model: String,
    pub(crate) python: String,
    /// Digest of the environment.
    pub(crate) environment: String,
    pub(crate) tier: &'static str,
    /// Layers that are not enforced here, and how they are.
    pub(crate) weaker_layers: Vec<String>,
    pub(crate) hognose: &'static str,
    pub(crate) build: &'static str,
    /// Over 1, 5 and 15 minutes, before anything was measured.
    pub(crate) load_average: String,
}

impl Machine {
    pub(crate) fn look(environment: &Environment, isolation: &Isolation) -> Self {
        let cpu_info = read("/proc/cpuinfo");
        let model = cpu_info.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == "model name").then(|| value.trim().to_owned())
        });
        let weaker = isolation.layers.iter().filter_map(|layer| {
            let state = match layer.state {
                LayerState::Enforced => return None,
                LayerState::Weaker => "weaker",
                LayerState::Missing => "missing",
            };
            Some(format!("{} {state}", layer.name))
        });
        Self {
            date: date(SystemTime::now()),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            cpu_model: model.unwrap_or_else(|| "unknown processor".to_owned()),
            python: environment.interpreter.version_text(),
            environment: environment.digest.clone(),
            tier: isolation.tier,
            weaker_layers: weaker.collect(),
            hognose: env!("CARGO_PKG_VERSION"),
            build: if cfg!(debug_assertions) {
                "debug"
            } else {
                "release"
            },
            load_average: load_average(),
        }
    }

    /// Whether others want the processors, too: within the last minute all were taken.
    pub(crate) fn is_busy(&self) -> bool {
        let minute = self.load_average.split(' ').next();
        let load: f64 = minute.and_then(|text| text.parse().ok()).unwrap_or(0.0);
        load >= u32::try_from(self.cpus).map_or(f64::MAX, f64::from)
    }

    /// One line for people.
    pub(crate) fn head_line(&self) -> String {
        let weaker = match self.weaker_layers.as_slice() {
            [] => "all layers enforced".to_owned(),
            some => some.join(", "),
        };
        format!(
            "{} · Linux {} · {} CPUs, {} · python {} · tier {}, {weaker} · hognose {} ({} build) · load {}",
            self.date,
            self.kernel,
            self.cpus,
            self.cpu_model,
            self.python,
            self.tier,
            self.hognose,
            self.build,
            self.load_average
        )
    }
}

/// The load averages now.
pub(crate) fn load_average() -> String {
    let text = read("/proc/loadavg");
    let averages: Vec<&str> = text.split(' ').take(3).collect();
    averages.join(" ")
}

/// `bytes` random bytes in hexadecimal.
pub(crate) fn random_hex(bytes: usize) -> Result<String> {
    let mut random = vec![0; bytes];
    let read = fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut random));
    read.context("cannot read random bytes")?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// `2026-01-31 09:05 UTC`.
fn date(now: SystemTime) -> String {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let minutes = since.as_secs() / 60;
    let (year, month, day) = civil(minutes / (24 * 60));
    let (hour, minute) = (minutes / 60 % 24, minutes % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
}

/// Year, month and day of a count of days since 1970-01-01, in the Gregorian calendar.
fn civil(mut days: u64) -> (u64, u64, u64) {
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let check = |seconds: u64, expected: &str| {
            assert_eq!(date(UNIX_EPOCH + Duration::from_secs(seconds)), expected);
        };
        check(0, "1970-01-01 00:00 UTC");
        check(951_782_400, "2000-02-29 00:00 UTC");
        check(951_868_800, "2000-03-01 00:00 UTC");
        check(1_767_225_599, "2025-12-31 23:59 UTC");
        check(4_107_542_400, "2100-03-01 00:00 UTC");
    }

    #[test]
    fn random_names_differ() {
        let one = random_hex(8).unwrap();
        assert_eq!(one.len(), 16);
        assert_ne!(one, random_hex(8).unwrap());
    }
}
