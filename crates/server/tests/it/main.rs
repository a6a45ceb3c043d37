//! The server from outside, over real sockets, with a scripted executor behind it.
#![cfg(test)]

mod access;
mod artifacts;
mod custom;
mod drain;
mod environments;
mod executions;
mod fairness;
mod framing;
mod history;
mod policy;
mod remote;
mod scripted;
mod support;
mod tools;
