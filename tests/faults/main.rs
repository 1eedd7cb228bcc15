//! Everything that can go wrong, at every call that a run makes: once, for good, and as the moment
//! from which nothing works any more. Whatever happens, what is told is what happened, nothing that
//! stays is broken, and nothing goes that would not have gone without the fault.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

#[path = "../runner/mod.rs"]
mod runner;
#[path = "../simulator/mod.rs"]
mod simulator;
#[path = "../virtual_time/mod.rs"]
mod virtual_time;

mod clocks;
mod rights;
mod scenarios;
mod signals;
mod sweep;
