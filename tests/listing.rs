//! Listings of many pages: how many are asked for, how many at a time, and what is made of them when
//! they do not fit together.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

use std::{sync::Arc, time::Duration};

mod runner;
mod simulator;

use runner::{Ended, Step, TOKEN};
use simulator::{Effect, Fault, GitHub, Paging, Simulator, Token, Version};

/// A package of so many versions, of which every tenth is old.
fn world(count: u32) -> GitHub {
    let version = |number: u32| {
        let days = if number.is_multiple_of(10) { 90.0 } else { 2.0 };
        Version::new(&format!("1.{number}")).tags(&[&format!("t{number}")]).days_old(days)
    };
    GitHub::new()
        .organization("octo-org")
        .user("octocat")
        .token(TOKEN, Token::classic("octocat", &["read:packages", "delete:packages"]))
        .package("octo-org", "docker", "app", (0..count).map(version).collect())
}

fn run(simulator: &Simulator, inputs: &str) -> Ended {
    let step =
        Step::new(simulator.url()).inputs("package-type=docker packages=app tags=t.* older-than=30d dry-run=true");
    step.inputs(inputs).run()
}

fn pages_read(simulator: &Simulator) -> usize {
    simulator.requests().iter().filter(|request| request.path.ends_with("/versions")).count()
}

#[test]
fn every_page_is_read_once_whatever_the_links_say() {
    for (count, paging, pages) in [
        (1_000, Paging::AsGitHub, 10),
        (1_001, Paging::AsGitHub, 11),
        // the package says how many there are
        (1_000, Paging::WithoutLast, 10),
        (999, Paging::WithoutLast, 10),
        (999, Paging::WithoutLink, 10),
        // behind a full page there may be more
        (1_000, Paging::WithoutLink, 11),
        (1_000, Paging::OtherOrigin, 10),
        (99, Paging::AsGitHub, 1),
        (100, Paging::WithoutLink, 2),
    ] {
        let simulator = Simulator::start(world(count).paging(paging));
        let ended = run(&simulator, "");
        assert_eq!((ended.code, ended.count("selected")), (Some(0), u64::from(count.div_ceil(10))), "{}", ended.log);
        assert_eq!(pages_read(&simulator), pages, "{count} versions, {paging:?}");
        assert_eq!(simulator.requests().len(), pages + 2, "the owner and the package besides");
    }
}

#[test]
fn pages_are_read_side_by_side_and_never_more_than_allowed() {
    for concurrency in [1, 4, 16] {
        let mut github = world(2_000);
        github.latency.0 = Duration::from_millis(20);
        let simulator = Simulator::start(github);
        let ended = run(&simulator, &format!("concurrency={concurrency}"));
        assert_eq!((ended.code, ended.count("selected")), (Some(0), 200), "{}", ended.log);
        assert_eq!(simulator.most_in_flight(), concurrency);
    }
}

#[test]
fn a_listing_that_changes_under_way_is_read_until_it_keeps_still() {
    let delete = |github: &mut GitHub| {
        let versions = &mut github.package_mut("app").versions;
        versions.pop();
    };
    let push = |github: &mut GitHub| github.push("app", Version::new("2.0").tags(&["new"]));
    for change in [Effect::Meanwhile(Arc::new(delete)), Effect::Meanwhile(Arc::new(push))] {
        for page in ["page=2", "page=3"] {
            let fault = Fault::on("GET", page, change.clone()).times(1);
            let simulator = Simulator::start(world(300).fault(fault));
            let ended = run(&simulator, "concurrency=1");
            let there = simulator.github().package_mut("app").versions.len() as u64;
            assert_eq!(ended.code, Some(0), "{}", ended.log);
            assert_eq!(ended.count("selected") + ended.count("kept"), there, "every version, each once");
            assert!(pages_read(&simulator) >= 6, "one listing is not enough");
        }
    }
}

#[test]
fn a_package_that_never_keeps_still_is_left_alone() {
    let delete = |github: &mut GitHub| drop(github.package_mut("app").versions.pop());
    let fault = Fault::on("GET", "page=2", Effect::Meanwhile(Arc::new(delete)));
    let simulator = Simulator::start(world(300).fault(fault));
    let ended = run(&simulator, "dry-run=false");
    assert_eq!((ended.code, simulator.changes().len()), (Some(1), 0));
    assert!(ended.log.contains("changed each of the 6 times it was listed"), "{}", ended.log);
}

#[test]
fn a_count_that_is_wrong_costs_reads_and_nothing_else() {
    for (count, pages) in [(serde_json::json!(5_000), 4), (serde_json::json!(7), 4), (serde_json::Value::Null, 4)] {
        let package = simulator::Answer::json(200, &serde_json::json!({"name": "app", "version_count": count}));
        let fault = Fault::when(|request| request.path.ends_with("/docker/app"), Effect::Answer(package));
        let simulator = Simulator::start(world(150).fault(fault));
        let ended = run(&simulator, "");
        assert_eq!((ended.code, ended.count("selected")), (Some(0), 15), "{}", ended.log);
        assert_eq!(pages_read(&simulator), pages, "{count}: it is read twice, and comes twice the same");
    }
}

#[test]
fn a_page_that_fails_for_good_ends_its_package_and_no_other() {
    let refused = Effect::Answer(simulator::Answer::observed("integration-forbidden"));
    let github = world(500)
        .package(
            "octo-org",
            "docker",
            "other",
            vec![Version::new("a").tags(&["t1"]).days_old(90.0), Version::new("b").tags(&["v1"])],
        )
        .fault(Fault::when(|request| request.path.contains("/app/") && request.query.contains("page=4"), refused));
    let simulator = Simulator::start(github);
    let ended = run(&simulator, "packages=* dry-run=false");
    assert_eq!((ended.code, ended.output("status"), ended.count("deleted")), (Some(1), "failed", 1), "{}", ended.log);
    assert_eq!(simulator.github().left("app").len(), 500);
}
