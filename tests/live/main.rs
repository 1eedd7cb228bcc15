//! What is assumed about GitHub, held against GitHub itself.
//!
//! A walk pushes small images into a package that is thrown away, lists, deletes, restores and untags
//! with the real binary, asks what no documentation answers, and prints a table: what is assumed here,
//! and what was seen. `cargo test` takes it through the simulator, which has to be as assumed; a
//! maintainer takes it to GitHub (`.github/workflows/live.yml`, or by hand):
//!
//! ```sh
//! TIDY_LIVE_TOKEN=… TIDY_LIVE_OWNER=octo-org TIDY_LIVE_PACKAGE=tidy-packages-live-1 \
//!   cargo test --test live -- --ignored --nocapture
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]
#![allow(clippy::print_stdout, reason = "the table is what this is for")]
#![allow(unreachable_pub, missing_docs, reason = "nothing is reached from outside")]
#![allow(clippy::disallowed_methods, reason = "the way to GitHub is no input of the action")]

mod observations;
#[path = "../runner/mod.rs"]
mod runner;
mod service;
#[path = "../simulator/mod.rs"]
mod simulator;
mod walk;

use std::time::Duration;

use service::Service;
use simulator::{GitHub, Simulator, Token};

/// What a package has to begin with, so that nothing else can ever be meant.
const THROWN_AWAY: &str = "tidy-packages-live-";

/// A walk that comes to no end leaves nothing behind either.
struct ThrownAway<'a>(&'a Service);

impl Drop for ThrownAway<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("throwing {} away: {}", self.0.package, self.0.package(reqwest::Method::DELETE, "").told());
        }
    }
}

fn is_meant(package: &str) -> bool {
    package
        .strip_prefix(THROWN_AWAY)
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric()))
}

#[test]
fn the_simulator_is_as_github_is_assumed_to_be() {
    let world = GitHub::new()
        .organization("octo-org")
        .user("octocat")
        .token(runner::TOKEN, Token::classic("octocat", &["delete:packages", "write:packages"]));
    let simulator = Simulator::start(world);
    // what the simulator does is done when it answers
    let service = Service::new(simulator.url(), &simulator.registry_url(), Duration::ZERO).open(
        runner::TOKEN,
        "octo-org",
        "tidy-packages-live-1",
    );
    let observations = walk::walk(&service);
    println!("{}", observations.table());
    assert_eq!(observations.differing(), Vec::<String>::new());
    assert!(simulator.github().packages.iter().all(|package| package.deleted_at.is_some()), "nothing is left behind");
}

#[test]
fn only_a_package_that_is_named_for_it_is_thrown_away() {
    for package in
        ["tidy-packages", "tidy-packages-live-", "app", "", "tidy-packages-live-1/app", "x-tidy-packages-live-1"]
    {
        assert!(!is_meant(package), "{package}");
    }
    assert!(is_meant("tidy-packages-live-4711"));
}

#[test]
#[ignore = "changes packages on GitHub; needs TIDY_LIVE_TOKEN, TIDY_LIVE_OWNER and TIDY_LIVE_PACKAGE"]
fn github_is_as_it_is_assumed_to_be() {
    let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let package = variable("TIDY_LIVE_PACKAGE");
    assert!(is_meant(&package), "TIDY_LIVE_PACKAGE has to be {THROWN_AWAY} and letters or digits, not `{package}`");
    let api = std::env::var("TIDY_LIVE_API_URL").unwrap_or_else(|_| "https://api.github.com".to_owned());
    let registry = std::env::var("TIDY_LIVE_REGISTRY_URL").unwrap_or_else(|_| "https://ghcr.io".to_owned());
    let service = Service::new(&api, &registry, Duration::from_secs(60)).open(
        &variable("TIDY_LIVE_TOKEN"),
        &variable("TIDY_LIVE_OWNER"),
        &package,
    );
    let thrown_away = ThrownAway(&service);
    let observations = walk::walk(&service);
    drop(thrown_away);
    let table = observations.table();
    println!("{table}");
    if let Ok(summary) = std::env::var("GITHUB_STEP_SUMMARY") {
        std::fs::write(summary, &table).expect("a summary");
    }
    assert_eq!(observations.differing(), Vec::<String>::new(), "GitHub is not as it is assumed to be");
}
