//! Rows of one execution at a time, in alternating blocks.
//!
//! Every lane gets a part of its rounds in every block, forwards in one and backwards in the next,
//! so that whatever else the machine does meets all of them alike. A round that fails ends the
//! measurement: there are no figures of what did not work.

use std::time::Duration;

use anyhow::{Context, Result};

use super::cancel::Cancel;
use super::lane::Lane;
use super::report::{Ratio, Row};
use super::statistics::{Sorted, rounded};

/// Blocks of a run; fewer when there are fewer rounds.
const BLOCKS: usize = 10;
/// Unmeasured rounds of a lane before everything.
const WARM_UP: usize = 20;
/// Unmeasured rounds at the beginning of each block: the lane before left the caches to itself.
const LEAD_IN: usize = 2;

/// A lane and what is told about it.
pub(crate) struct Entry {
    /// One per time that the lane gives.
    pub(crate) rows: Vec<String>,
    pub(crate) lane: Result<Box<dyn Lane>, String>,
    /// How often it runs in all.
    pub(crate) rounds: usize,
    /// Unmeasured rounds before the first block, and at the beginning of each.
    pub(crate) warm_up: (usize, usize),
}

impl Entry {
    /// A lane with one row, warmed up as every path of ours is.
    pub(crate) fn of(row: &str, rounds: usize, lane: impl Lane + 'static) -> Self {
        Self {
            rows: vec![row.to_owned()],
            lane: Ok(Box::new(lane)),
            rounds,
            warm_up: (WARM_UP.min(rounds), LEAD_IN.min(rounds)),
        }
    }

    /// Rows that cannot be measured here, and why.
    pub(crate) fn absent(rows: &[&str], reason: &str) -> Self {
        Self {
            rows: rows.iter().map(|row| (*row).to_owned()).collect(),
            lane: Err(reason.to_owned()),
            rounds: 0,
            warm_up: (0, 0),
        }
    }
}

/// The times of a row, block by block.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    pub(crate) name: String,
    pub(crate) blocks: Vec<Vec<Duration>>,
    /// Why there are none.
    pub(crate) unavailable: Option<String>,
}

/// Runs all lanes.
pub(crate) fn measure(entries: &mut [Entry], cancel: &Cancel) -> Result<Vec<Measured>> {
    let mut measured: Vec<Vec<Measured>> = entries.iter().map(empty).collect();
    for entry in entries.iter_mut() {
        let (warm_up, _) = entry.warm_up;
        run(entry, warm_up, cancel)?;
    }
    for block in 0..BLOCKS {
        let mut order: Vec<usize> = (0..entries.len()).collect();
        if block % 2 == 1 {
            order.reverse();
        }
        for index in order {
            let entry = &mut entries[index];
            let rounds = share(entry.rounds, block);
            if rounds == 0 {
                continue;
            }
            let (_, lead_in) = entry.warm_up;
            run(entry, lead_in, cancel)?;
            let times = rounds_of(entry, rounds, cancel)?;
            for (row, times) in measured[index].iter_mut().zip(times) {
                row.blocks[block] = times;
            }
        }
    }
    Ok(measured.into_iter().flatten().collect())
}

fn empty(entry: &Entry) -> Vec<Measured> {
    let rows = entry.rows.iter().map(|name| Measured {
        name: name.clone(),
        blocks: vec![Vec::new(); BLOCKS],
        unavailable: entry.lane.as_ref().err().cloned(),
    });
    rows.collect()
}

/// How many of `rounds` belong to `block`: all blocks together have them all.
fn share(rounds: usize, block: usize) -> usize {
    rounds * (block + 1) / BLOCKS - rounds * block / BLOCKS
}

/// Gets a lane ready and runs it unmeasured.
fn run(entry: &mut Entry, rounds: usize, cancel: &Cancel) -> Result<()> {
    if let Ok(lane) = &mut entry.lane {
        let named = || format!("cannot measure `{}`", entry.rows.join("`, `"));
        lane.prepare().with_context(named)?;
    }
    rounds_of(entry, rounds, cancel).map(drop)
}

/// The times of each row of a lane.
fn rounds_of(entry: &mut Entry, rounds: usize, cancel: &Cancel) -> Result<Vec<Vec<Duration>>> {
    let mut times = vec![Vec::with_capacity(rounds); entry.rows.len()];
    let Ok(lane) = &mut entry.lane else {
        return Ok(times);
    };
    for _ in 0..rounds {
        cancel.check()?;
        let round = lane.round();
        let round =
            round.with_context(|| format!("cannot measure `{}`", entry.rows.join("`, `")))?;
        for (row, time) in times.iter_mut().zip(round) {
            row.push(time);
        }
    }
    Ok(times)
}

impl Measured {
    fn all(&self) -> Sorted {
        Sorted::of(self.blocks.concat())
    }

    pub(crate) fn row(&self) -> Row {
        let all = self.all();
        Row {
            name: self.name.clone(),
            n: all.len(),
            p50_us: all.percentile_us(50),
            p90_us: all.percentile_us(90),
            p99_us: all.percentile_us(99),
            max_us: all.percentile_us(100),
            unavailable: self.unavailable.clone(),
        }
    }

    /// How many times as long as `other` this takes, by the medians of the whole run, and the
    /// least and most of single blocks; `None` when either has no figures.
    pub(crate) fn ratio_to(&self, other: &Self) -> Option<Ratio> {
        let (own, others) = (self.all().percentile(50)?, other.all().percentile(50)?);
        let blocks = self.blocks.iter().zip(&other.blocks);
        let of_blocks: Vec<f64> = blocks
            .filter_map(|(own, other)| {
                let own = Sorted::of(own.clone()).percentile(50)?;
                let other = Sorted::of(other.clone()).percentile(50)?;
                Some(quotient(own, other))
            })
            .collect();
        let whole = quotient(own, others);
        // Of one or two blocks there is no spread to tell.
        let spread = if of_blocks.len() < 3 {
            &[]
        } else {
            of_blocks.as_slice()
        };
        Some(Ratio {
            of: self.name.clone(),
            to: other.name.clone(),
            times: whole,
            least: spread.iter().copied().reduce(f64::min),
            most: spread.iter().copied().reduce(f64::max),
        })
    }
}

fn quotient(one: Duration, other: Duration) -> f64 {
    rounded(
        one.as_secs_f64() / other.as_secs_f64().max(f64::MIN_POSITIVE),
        3,
    )
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    struct Told {
        name: char,
        log: Rc<RefCell<String>>,
    }

    impl Lane for Told {
        fn prepare(&mut self) -> Result<()> {
            self.log.borrow_mut().push(' ');
            Ok(())
        }

        fn round(&mut self) -> Result<Vec<Duration>> {
            self.log.borrow_mut().push(self.name);
            Ok(vec![Duration::from_millis(1), Duration::from_millis(2)])
        }
    }

    fn entry(name: char, rounds: usize, log: &Rc<RefCell<String>>) -> Entry {
        let log = Rc::clone(log);
        Entry {
            rows: vec![format!("{name} first"), format!("{name} end")],
            lane: Ok(Box::new(Told { name, log })),
            rounds,
            warm_up: (1, 0),
        }
    }

    #[test]
    fn lanes_alternate_in_blocks_and_lose_no_round() {
        let log = Rc::new(RefCell::new(String::new()));
        let mut entries = [entry('a', 20, &log), entry('b', 7, &log)];
        let measured = measure(&mut entries, &Cancel::default()).unwrap();
        let counts: Vec<usize> = measured.iter().map(|row| row.row().n).collect();
        assert_eq!(counts, [20, 20, 7, 7]);
        let log = log.borrow();
        assert!(log.starts_with(" a b aa b aa aa b aa aa b b aa"), "{log}");
    }

    #[test]
    fn what_is_not_there_has_no_figures_and_no_ratio() {
        let log = Rc::new(RefCell::new(String::new()));
        let absent = Entry {
            lane: Err("not installed".to_owned()),
            ..entry('x', 5, &log)
        };
        let mut entries = [entry('a', 5, &log), absent];
        let measured = measure(&mut entries, &Cancel::default()).unwrap();
        let row = measured[2].row();
        assert_eq!(
            (row.n, row.p50_us, row.unavailable.as_deref()),
            (0, None, Some("not installed"))
        );
        assert_eq!(measured[2].ratio_to(&measured[0]), None);
        let ratio = measured[1].ratio_to(&measured[0]).unwrap();
        assert_eq!(
            (ratio.times, ratio.least, ratio.most),
            (2.0, Some(2.0), Some(2.0))
        );
    }

    #[test]
    fn a_wish_to_stop_is_obeyed() {
        let log = Rc::new(RefCell::new(String::new()));
        let cancel = Cancel::default();
        cancel.wish();
        assert!(measure(&mut [entry('a', 5, &log)], &cancel).is_err());
    }
}
