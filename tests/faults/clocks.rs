//! Clocks that differ: GitHub's `date`, which resets and ages are counted by, and the runner's own.

use std::sync::Arc;

use jiff::SignedDuration;
use tidy_packages::report::Status;

use crate::{
    simulator::{GitHub, Simulator, Token, Version},
    virtual_time::{Ended, TOKEN, VirtualClock, midnight, run_step},
};

/// A clean-up of one old version with a limit that is spent and resets in ten minutes, by a server
/// whose clock is so far ahead and whose answers say this date, if not their own.
fn run(ahead: SignedDuration, date: Option<&str>) -> (Ended, Simulator) {
    let clock = VirtualClock::default();
    let of_server = clock.clone();
    let old = |name: &str| Version::new(name).tags(&[name]).pushed_at(midnight() - SignedDuration::from_hours(240));
    let reset = midnight() + ahead + SignedDuration::from_mins(10);
    let mut github = GitHub::new()
        .clock(Arc::new(move || of_server.moment() + ahead))
        .organization("octo-org")
        .token(TOKEN, Token::workflow().quota(1_000, 103, reset))
        .package("octo-org", "docker", "app", vec![old("pr-1"), old("v1")]);
    github.date = date.map(str::to_owned);
    let simulator = Simulator::start(github);
    let inputs = [("tags", "pr-.*"), ("older-than", "9d")];
    (run_step(&clock, simulator.url(), &inputs), simulator)
}

#[test]
fn a_reset_is_counted_by_githubs_own_clock() {
    for hours in [-48, 0, 48] {
        let (ended, _) = run(SignedDuration::from_hours(hours), None);
        assert_eq!(ended.status, Status::Complete, "{hours} h: {}", ended.log);
        // ten days old by the own clock; eight, if GitHub's is two days behind
        assert_eq!(ended.count("deleted"), u64::from(hours >= 0), "{hours} h: {}", ended.log);
        // nothing to do needs no reset
        let waited: u64 = ended.waits.iter().sum();
        let expected = if hours >= 0 { 595..=605 } else { 0..=0 };
        assert!(expected.contains(&waited), "{hours} h ahead: {waited} s");
    }
}

#[test]
fn a_date_that_is_none_leaves_the_own_clock() {
    for date in ["", "yesterday", "Mon, 99 Foo 2026 99:99:99 GMT", "2026-11-23T00:00:00Z"] {
        let (ended, _) = run(SignedDuration::ZERO, Some(date));
        assert_eq!((ended.status, ended.count("deleted")), (Status::Complete, 1), "{date}: {}", ended.log);
        assert_eq!(ended.report["now"], "2026-11-23T00:00:00Z", "{date}");
    }
}
