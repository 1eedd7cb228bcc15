//! The real binary, cancelled or killed while it waits for the answer to each kind of call.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    runner::{Step, TOKEN},
    simulator::{Effect, Fault, GitHub, Simulator, Token, images},
    sweep::{kind_of, line, state, told_is_what_happened},
};

const TEXT: &str = "P[pr-1] -> pa · S[sha256-P.sig] · Q[pr-2] · V[v1] -> va";

fn world() -> GitHub {
    GitHub::new()
        .organization("octo-org")
        .user("octocat")
        .token(TOKEN, Token::classic("octocat", &["read:packages", "write:packages", "delete:packages"]))
        .package("octo-org", "container", "app", images(TEXT))
}

fn step(simulator: &Simulator) -> Step {
    Step::new(simulator.url()).inputs("tags=pr-.* concurrency=1")
}

/// The number of the first call of each kind that a run makes, and of the first calls that come
/// after a change.
fn calls() -> Vec<usize> {
    let simulator = Simulator::start(world());
    assert_eq!(step(&simulator).run().code, Some(0));
    let requests = simulator.requests();
    let mut seen = BTreeSet::new();
    let mut after_a_change = false;
    let mut calls = Vec::new();
    for (number, request) in requests.iter().enumerate() {
        if seen.insert((kind_of(&line(request)), after_a_change)) {
            calls.push(number);
        }
        after_a_change |= request.is_change();
    }
    assert!(calls.len() >= 8, "{calls:?}");
    calls
}

/// A run that hangs at this call.
fn hanging(number: usize, effect: Effect) -> Simulator {
    let skip = u32::try_from(number).expect("a small number");
    Simulator::start(world().fault(Fault::when(|_| true, effect).after(skip)))
}

fn until_it_hangs(simulator: &Simulator) {
    let begun = Instant::now();
    while *simulator.hangs().borrow() == 0 {
        assert!(begun.elapsed() < Duration::from_secs(30), "the run never came so far");
        std::thread::yield_now();
    }
}

/// Without the fault, the same inputs end what was begun.
fn the_next_run_goes_on(simulator: &Simulator) {
    simulator.github().faults.clear();
    let ended = step(simulator).run();
    assert_eq!((ended.code, ended.output("status")), (Some(0), "complete"), "{}", ended.log);
    let left = simulator.github().left("app");
    assert!(!left.iter().any(|tag| tag.starts_with("pr-")) && left.contains(&"v1".to_owned()), "{left:?}");
    assert!(simulator.github().broken_images().is_empty());
}

fn cancelled_by(signal: &str) {
    for number in calls() {
        for effect in [Effect::Hang, Effect::HangAfterDoing] {
            let simulator = hanging(number, effect);
            let before = state(&simulator.github());
            let running = step(&simulator).start();
            until_it_hangs(&simulator);
            let signalled = Instant::now();
            running.signal(signal);
            let ended = running.end();
            let what = format!("{signal} at request {number}: {}", ended.log);
            assert!(signalled.elapsed() < Duration::from_secs(5), "{what}");
            assert_eq!((ended.code, ended.output("status")), (Some(1), "cancelled"), "{what}");
            assert!(!ended.summary.is_empty(), "{what}");
            assert_eq!(*simulator.hangs().borrow(), 1, "nothing more is sent: {what}");
            let github = simulator.github();
            assert!(github.broken_images().is_empty(), "{what}");
            told_is_what_happened(&ended.report(), &before, &state(&github), &what);
            drop(github);
            the_next_run_goes_on(&simulator);
        }
    }
}

#[test]
fn interrupted_at_every_kind_of_call() {
    cancelled_by("INT");
}

#[test]
fn terminated_at_every_kind_of_call() {
    cancelled_by("TERM");
}

#[test]
fn killed_at_every_kind_of_call() {
    for number in calls() {
        for effect in [Effect::Hang, Effect::HangAfterDoing] {
            let simulator = hanging(number, effect);
            let before = state(&simulator.github());
            let step = step(&simulator);
            let workspace = step.workspace();
            let running = step.start();
            until_it_hangs(&simulator);
            let report = std::fs::read(workspace.join("tidy-packages.json")).expect("a report");
            running.signal("KILL");
            assert_eq!(running.end().code, None);
            let report: Value = serde_json::from_slice(&report).expect("a whole document");
            assert_eq!(report["status"], "running");
            let after = state(&simulator.github());
            assert!(simulator.github().broken_images().is_empty(), "killed at request {number}");
            // what went stands in the plan that was written before the first change
            let versions: Vec<_> = report["packages"][0]["versions"].as_array().cloned().unwrap_or_default();
            for (_, id) in before.keys().filter(|version| !after.contains_key(*version)) {
                let version = versions.iter().find(|version| version["id"] == *id).expect("it was planned");
                assert_eq!(version["decision"], "delete", "killed at request {number}: {version}");
            }
            the_next_run_goes_on(&simulator);
        }
    }
}
