//! Deleting: in real time where the distance decides, in a virtual one where the limits do.

use std::{sync::Arc, time::Duration};

use jiff::SignedDuration;
use tidy_packages::report::Status;

use crate::{
    API, REGISTRY, far_away, line, measure, organization,
    runner::TOKEN,
    simulator::{Limits, Simulator, Token, Version, attested_images},
    virtual_time::{VirtualClock, midnight, run_step},
};

pub(crate) fn run() {
    fourteen_images();
    let minute = Duration::from_secs(60);
    under("900 points a minute", 400, Limits::documented(), minute * 2);
    under("900 points a minute", 4_000, Limits::documented(), minute * 22);
    let slower = Limits { changes_per_minute: Some(80), changes_per_hour: Some(500), ..Limits::documented() };
    under("80 changes a minute and 500 an hour", 400, slower, minute * 4);
}

/// 70 versions that go and another image that stays, planned, deleted, verified.
fn fourteen_images() {
    let mut versions = attested_images(30, 7.0);
    versions.truncate(29 * 5);
    let simulator = far_away(versions);
    let inputs = [("tag-status", "untagged"), ("older-than", "7d"), ("concurrency", "90")];
    let measured = measure(&simulator, &inputs);
    assert_eq!((measured.ended.code, measured.ended.count("deleted")), (Some(0), 70), "{}", measured.ended.log);
    // the owner, the package, two pages; a token, the manifests; a root, its children; two pages again
    let floor = API * 4 + REGISTRY * 3 + API * 2 + API * 2;
    line("plan, delete and verify 14 images", &measured.counted(), measured.took, Some(floor), Some(measured.memory));
}

/// 400 images of a package of 100,000 versions, on a server without limits: the plan, a look before the
/// first change since the plan has aged, a look every minute, the report every five seconds.
pub(crate) fn of_many() {
    let simulator = far_away(attested_images(20_000, 7.0));
    let inputs = [
        ("tag-status", "untagged"),
        ("older-than", "7d"),
        ("limit", "400"),
        ("concurrency", "90"),
        ("points-per-minute", "0"),
    ];
    let measured = measure(&simulator, &inputs);
    assert_eq!((measured.ended.code, measured.ended.count("deleted")), (Some(0), 2_000), "{}", measured.ended.log);
    line("delete 2,000 of 100,000 versions", &measured.counted(), measured.took, None, Some(measured.memory));
}

/// 400 deletions by the real binary in real time, two minutes long, under limits that the server enforces.
pub(crate) fn in_real_time() {
    let old = |name: String| Version::new(&name).tags(&[&name]).days_old(30.0);
    let versions = (0..400).map(|number| old(format!("pr-{number}"))).chain([old("v1".to_owned())]).collect();
    let mut github = organization().package("octo-org", "docker", "app", versions);
    github.latency = (API, REGISTRY);
    github.limits = Limits::documented();
    let simulator = Simulator::start(github);
    let inputs = [("package-type", "docker"), ("packages", "app"), ("tags", "pr-.*")];
    let measured = measure(&simulator, &inputs);
    assert_eq!((measured.ended.code, measured.ended.count("deleted")), (Some(0), 400), "{}", measured.ended.log);
    assert_eq!(measured.changes, 400, "not one limit answer");
    let floor = Duration::from_secs(120);
    line("delete 400 versions (real time)", &measured.counted(), measured.took, Some(floor), Some(measured.memory));
}

/// Deletions under limits that the server enforces, in virtual time.
fn under(what: &str, count: u32, limits: Limits, floor: Duration) {
    let clock = VirtualClock::default();
    let of_server = clock.clone();
    let old = |name: &str| Version::new(name).tags(&[name]).pushed_at(midnight() - SignedDuration::from_hours(720));
    let versions = (0..count).map(|number| old(&format!("pr-{number}"))).chain([old("v1")]).collect();
    let mut github = organization()
        .clock(Arc::new(move || of_server.moment()))
        .token(TOKEN, Token::classic("octocat", &["read:packages", "delete:packages"]))
        .package("octo-org", "docker", "app", versions);
    github.limits = limits;
    let simulator = Simulator::start(github);
    let ended = run_step(&clock, simulator.url(), &[("tags", "pr-.*"), ("concurrency", "16")]);
    assert!(matches!(ended.status, Status::Complete | Status::Partial), "{}", ended.log);
    let left = simulator.github().left("app").len() as u64;
    assert_eq!(left, u64::from(count) + 1 - ended.count("deleted"), "what is told is what happened");
    let reads = simulator.requests().len() - simulator.changes().len();
    let refused = simulator.changes().len() as u64 - ended.count("deleted");
    let counted = format!(
        "{} deleted, {reads} API reads, {refused} limit answers, {}",
        ended.count("deleted"),
        format!("{:?}", ended.status).to_lowercase()
    );
    line(&format!("delete {count} versions under {what} (virtual time)"), &counted, ended.took, Some(floor), None);
}
