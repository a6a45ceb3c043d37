//! One binary that is measured: its servers, and the rows that they give.

use std::path::Path;

use anyhow::Result;

use super::DensityRow;
use super::cancel::Cancel;
use super::client::{Accept, Endpoint};
use super::lane::{Lane, Paused, Remote};
use super::latency::Entry;
use super::memory;
use super::processes;
use super::program::{self, Expected, PRINT, STACK};
use super::server::{self, Server, Setting};
use super::throughput::Target;

pub(super) const TCP_BARE: &str = "tcp, bare";
pub(super) const TCP_FULL: &str = "tcp, full by imports";
pub(super) const TCP_FORCED: &str = "tcp, print(1) in full";
pub(super) const EVENTS_FORCED: &str = "events, print(1) in full: first output";
/// Rows that another binary gets, too.
pub(super) const TCP_ROWS: [&str; 3] = [TCP_BARE, TCP_FULL, TCP_FORCED];

/// A binary and its servers.
pub(crate) struct Contestant {
    /// Empty for this binary.
    label: String,
    tier: &'static str,
    /// With its defaults.
    plain: Server,
    /// Every execution gets the full preload, or why there is no such server.
    forced: Result<Server, String>,
}

/// A server as rows are measured on it.
struct Place<'a> {
    server: &'a Server,
    source: &'static str,
    expected: Expected,
}

impl Place<'_> {
    fn lane(self, endpoint: fn(&Server) -> Endpoint, accept: Accept) -> Remote {
        let (key, body) = (self.server.key(), program::body(self.source));
        Remote::new(endpoint(self.server), key, accept, &body, self.expected)
    }
}

impl Contestant {
    /// Starts both servers and has each preload imported.
    pub(crate) fn start(
        setting: &Setting,
        binary: &Path,
        label: &str,
        tier: &'static str,
        cancel: &Cancel,
    ) -> Result<Self> {
        let plain = Server::start(setting, binary, &format!("plain{label}"), None, cancel)?;
        plain.warm(&[PRINT, STACK])?;
        let forced = if server::has_preload_flag(binary)? {
            let name = format!("forced{label}");
            let server = Server::start(setting, binary, &name, Some("full"), cancel)?;
            server.warm(&[PRINT])?;
            Ok(server)
        } else {
            Err("this binary has no `serve --preload`".to_owned())
        };
        let contestant = Self {
            label: label.to_owned(),
            tier,
            plain,
            forced,
        };
        for server in contestant.servers() {
            // The other preloads are still imported in the background.
            processes::settled_tree_time(server.pid())?;
        }
        Ok(contestant)
    }

    fn servers(&self) -> impl Iterator<Item = &Server> {
        [Some(&self.plain), self.forced.as_ref().ok()]
            .into_iter()
            .flatten()
    }

    fn name(&self, row: &str) -> String {
        match self.label.as_str() {
            "" => row.to_owned(),
            label => format!("{row} ({label})"),
        }
    }

    fn expected(&self, preload: &'static str) -> Expected {
        Expected {
            preload,
            tier: self.tier,
        }
    }

    fn bare(&self) -> Result<Place<'_>, String> {
        Ok(Place {
            server: &self.plain,
            source: PRINT,
            expected: self.expected("bare"),
        })
    }

    fn full(&self) -> Result<Place<'_>, String> {
        Ok(Place {
            server: &self.plain,
            source: STACK,
            expected: self.expected("full"),
        })
    }

    fn forced(&self) -> Result<Place<'_>, String> {
        let server = self.forced.as_ref().map_err(Clone::clone)?;
        Ok(Place {
            server,
            source: PRINT,
            expected: self.expected("full"),
        })
    }

    /// Whole answers over TCP.
    pub(crate) fn tcp_entries(&self, rounds: usize) -> Vec<Entry> {
        let entry = |row: &str, place: Result<Place<'_>, String>| {
            entry(
                &[&self.name(row)],
                rounds,
                place,
                Server::tcp,
                Accept::Whole,
            )
        };
        vec![
            entry(TCP_BARE, self.bare()),
            entry(TCP_FULL, self.full()),
            entry(TCP_FORCED, self.forced()),
        ]
    }

    /// Events over TCP, and the unix socket.
    pub(crate) fn other_entries(&self, rounds: usize) -> Vec<Entry> {
        let events = |rows: &[&str], place| entry(rows, rounds, place, Server::tcp, Accept::Events);
        let unix = |row: &str, place| entry(&[row], rounds, place, Server::unix, Accept::Whole);
        let paused = |rows: &[&str], accept| match self.forced() {
            Err(reason) => Entry::absent(rows, &reason),
            Ok(place) => named(rows, rounds, Paused(place.lane(Server::tcp, accept))),
        };
        vec![
            events(
                &["events, bare: first output", "events, bare: end"],
                self.bare(),
            ),
            events(
                &[EVENTS_FORCED, "events, print(1) in full: end"],
                self.forced(),
            ),
            paused(&["tcp, print(1) in full, with pauses"], Accept::Whole),
            paused(
                &[
                    "events, print(1) in full, with pauses: first output",
                    "events, print(1) in full, with pauses: end",
                ],
                Accept::Events,
            ),
            unix("unix, bare", self.bare()),
            unix("unix, full by imports", self.full()),
            unix("unix, print(1) in full", self.forced()),
        ]
    }

    /// What throughput is measured on.
    pub(crate) fn targets(&self, prefix: &str) -> Vec<Target> {
        let places = [
            (TCP_BARE, self.bare()),
            (TCP_FULL, self.full()),
            (TCP_FORCED, self.forced()),
        ];
        let there = places
            .into_iter()
            .filter_map(|(row, place)| Some((row, place.ok()?)));
        let targets = there.map(|(row, place)| {
            let endpoint = place.server.tcp();
            let body = program::body(&program::with_nonce(place.source));
            Target {
                name: self.name(row),
                request: endpoint.request(place.server.key(), Accept::Whole, &body),
                endpoint,
                expected: place.expected,
                server: place.server.pid(),
                prefix: prefix.to_owned(),
            }
        });
        targets.collect()
    }

    /// The idle children of both servers at rest.
    pub(crate) fn density(&self) -> Result<Vec<DensityRow>> {
        let names = ["serve", "serve --preload full"];
        let servers = names
            .into_iter()
            .zip([Ok(&self.plain), self.forced.as_ref()]);
        let rows = servers.map(|(name, server)| {
            let (idle, unavailable) = match server {
                Err(reason) => (Vec::new(), Some(reason.clone())),
                Ok(server) => {
                    processes::settled_tree_time(server.pid())?;
                    match memory::idle_children(server.pid()) {
                        Ok(idle) => (idle, None),
                        Err(error) => (Vec::new(), Some(format!("{error:#}"))),
                    }
                }
            };
            Ok(DensityRow {
                server: self.name(name),
                idle,
                unavailable,
            })
        });
        rows.collect()
    }

    /// Ends the servers.
    ///
    /// Errors: one did not end as it should.
    pub(crate) fn stop(self) -> Result<()> {
        self.plain.stop()?;
        self.forced.map_or(Ok(()), Server::stop)
    }
}

fn entry(
    rows: &[&str],
    rounds: usize,
    place: Result<Place<'_>, String>,
    endpoint: fn(&Server) -> Endpoint,
    accept: Accept,
) -> Entry {
    match place {
        Err(reason) => Entry::absent(rows, &reason),
        Ok(place) => named(rows, rounds, place.lane(endpoint, accept)),
    }
}

fn named(rows: &[&str], rounds: usize, lane: impl Lane + 'static) -> Entry {
    Entry {
        rows: rows.iter().map(|row| (*row).to_owned()).collect(),
        ..Entry::of("", rounds, lane)
    }
}
