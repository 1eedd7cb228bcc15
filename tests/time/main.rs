//! What depends on time, in a time that the tests own: waiting costs nothing here, and the waits
//! are what is looked at.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "these are tests")]

use std::{collections::BTreeMap, sync::Arc};

use jiff::SignedDuration;
use tidy_packages::report::Status;

#[path = "../simulator/mod.rs"]
mod simulator;
#[path = "../virtual_time/mod.rs"]
mod virtual_time;

mod budget;
mod images;
mod limits;
mod many;

use simulator::{Answer, Effect, Fault, GitHub, Limits, Simulator, Token, Version};
use virtual_time::{Ended, TOKEN, VirtualClock, midnight};

fn old(name: &str) -> Version {
    Version::new(name).tags(&[name]).pushed_at(midnight() - SignedDuration::from_hours(24 * 30))
}

fn world(clock: &VirtualClock, versions: Vec<Version>) -> GitHub {
    let clock = clock.clone();
    GitHub::new()
        .clock(Arc::new(move || clock.moment()))
        .organization("octo-org")
        .user("octocat")
        .token(TOKEN, Token::classic("octocat", &["read:packages", "delete:packages"]))
        .package("octo-org", "docker", "app", versions)
}

fn run_step(clock: &VirtualClock, simulator: &Simulator, inputs: &[(&str, &str)]) -> Ended {
    virtual_time::run_step(clock, simulator.url(), inputs)
}

#[test]
fn case_14_what_was_retagged_after_the_plan_is_left_alone() {
    let clock = VirtualClock::default();
    let limit = Answer::observed("secondary-rate-limit").header("retry-after", "61");
    let retag = Effect::Meanwhile(Arc::new(|github: &mut GitHub| {
        for version in &mut github.package_mut("app").versions {
            if version.name == "pr-2" {
                version.tags.push("v2".to_owned());
            }
        }
    }));
    // the first deletion is held up for over a minute, and meanwhile somebody puts v2 on pr-2
    let github = world(&clock, ["pr-1", "pr-2", "pr-3", "v1"].map(old).to_vec())
        .fault(Fault::on("DELETE", "/versions/", Effect::Answer(limit)).times(1))
        .fault(Fault::on("GET", "/versions?", retag).after(1).times(1));
    let simulator = Simulator::start(github);
    let ended = run_step(&clock, &simulator, &[("tags", "pr-.*")]);
    assert_eq!(ended.status, Status::Complete);
    assert_eq!(simulator.github().left("app"), ["pr-2", "v1"]);
    assert_eq!((ended.count("deleted"), ended.count("skipped")), (2, 1));
    assert_eq!(
        (&ended.version("pr-2")["outcome"], &ended.version("pr-2")["reason"]),
        (&"skipped".into(), &"changed".into())
    );
}

#[test]
fn a_server_that_is_down_for_half_a_minute_costs_nothing_and_one_that_stays_down_is_told() {
    for (times, status, deleted) in [(5, Status::Complete, 1), (u32::MAX, Status::Failed, 0)] {
        let clock = VirtualClock::default();
        let down = Effect::Answer(Answer::observed("server-error"));
        let github = world(&clock, vec![old("pr-1"), old("v1")]);
        let simulator = Simulator::start(github.fault(Fault::on("DELETE", "/versions/", down).times(times)));
        let ended = run_step(&clock, &simulator, &[("tags", "pr-.*")]);
        assert_eq!((ended.status, ended.count("deleted"), ended.count("failed")), (status, deleted, 1 - deleted));
        // up to a tenth more, so that many jobs do not come back at the same moment
        let expected: [u64; 5] = [1, 2, 4, 8, 16];
        assert_eq!(ended.waits.len(), expected.len());
        assert!(ended.waits.iter().zip(expected).all(|(wait, least)| (least..=least + least / 10).contains(wait)));
        assert_eq!(simulator.changes().len(), 6);
    }
}

#[test]
fn an_effect_without_an_answer_is_found_out_in_the_end() {
    let clock = VirtualClock::default();
    let silent = Effect::AfterDoing(Answer::html(502));
    let github = world(&clock, vec![old("pr-1"), old("v1")]);
    let simulator = Simulator::start(github.fault(Fault::on("DELETE", "/versions/", silent)));
    let ended = run_step(&clock, &simulator, &[("tags", "pr-.*")]);
    assert_eq!((ended.status, ended.count("deleted"), ended.count("failed")), (Status::Complete, 1, 0));
    assert_eq!(simulator.github().left("app"), ["v1"]);
}

#[test]
fn a_listing_that_cannot_be_read_changes_nothing() {
    for effect in [Effect::Answer(Answer::observed("server-error")), Effect::Answer(Answer::html(200)), Effect::CutOff]
    {
        let clock = VirtualClock::default();
        let versions = (0..150).map(|number| old(&format!("pr-{number}"))).collect();
        let github = world(&clock, versions).fault(Fault::on("GET", "page=2", effect));
        let simulator = Simulator::start(github);
        let ended = run_step(&clock, &simulator, &[("tags", "pr-1")]);
        assert_eq!((ended.status, simulator.changes().len()), (Status::Failed, 0));
    }
}

#[test]
fn waits_without_a_named_time_double_from_a_minute_and_end_at_the_longest() {
    let clock = VirtualClock::default();
    let limit = Effect::Answer(Answer::observed("secondary-rate-limit"));
    let github = world(&clock, vec![old("pr-1"), old("v1")]);
    let simulator = Simulator::start(github.fault(Fault::on("GET", "/packages/", limit)));
    let ended = run_step(&clock, &simulator, &[("tags", "pr-.*")]);
    assert_eq!(ended.status, Status::Partial);
    let minutes: Vec<_> = ended.waits.iter().map(|wait| wait / 60).collect();
    assert!(minutes.starts_with(&[1, 2, 4, 8]) && minutes.len() == 4, "{:?}", ended.waits);
}

#[test]
fn the_primary_limit_keeps_its_reserve_and_its_reset_is_waited_for() {
    let reset = midnight() + SignedDuration::from_mins(10);
    let token = |remaining| Token::workflow().quota(1000, remaining, reset);
    for (max_wait, status, deleted) in [("15m", Status::Complete, 1), ("5m", Status::Partial, 0)] {
        let clock = VirtualClock::default();
        let github = world(&clock, vec![old("pr-1"), old("v1")]).token(TOKEN, token(103));
        let simulator = Simulator::start(github);
        let ended = run_step(&clock, &simulator, &[("tags", "pr-.*"), ("max-wait", max_wait)]);
        assert_eq!((ended.status, ended.count("deleted")), (status, deleted), "{max_wait}");
        assert_eq!(ended.waits.first().is_some_and(|wait| *wait >= 590), max_wait == "15m");
    }
}

#[test]
fn no_minute_holds_more_than_the_points_that_github_allows() {
    let clock = VirtualClock::default();
    let mut github = world(&clock, (0..400).map(|number| old(&format!("pr-{number}"))).chain([old("v1")]).collect());
    github.limits = Limits::documented();
    let simulator = Simulator::start(github);
    let ended = run_step(&clock, &simulator, &[("tags", "pr-.*"), ("concurrency", "16")]);
    assert_eq!((ended.status, ended.count("deleted")), (Status::Complete, 400));
    // each deletion was sent once: not one limit answer
    assert_eq!(simulator.changes().len(), 400);
    let seconds: u64 = ended.waits.iter().sum();
    assert!(seconds < 200, "{seconds} s");
}

#[test]
fn now_is_the_earlier_of_the_two_clocks() {
    let clock = VirtualClock::default();
    // GitHub's clock is two days behind: a version of 8 days is 6 days old there
    let mut github = world(&clock, Vec::new());
    github = github.clock(Arc::new(|| midnight() - SignedDuration::from_hours(48)));
    let young = Version::new("pr-1").tags(&["pr-1"]).pushed_at(midnight() - SignedDuration::from_hours(8 * 24));
    let github = github.package("octo-org", "docker", "other", vec![young, old("v1")]);
    let simulator = Simulator::start(github);
    let ended = run_step(&clock, &simulator, &[("packages", "other"), ("tags", "pr-.*"), ("older-than", "7d")]);
    assert_eq!((ended.count("deleted"), &ended.report["now"]), (0, &"2026-11-21T00:00:00Z".into()));
}
