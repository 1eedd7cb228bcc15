//! Every fault at every call of every scenario.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::Value;
use tidy_packages::report::Status;

use crate::{
    scenarios::{self, Scenario},
    simulator::{Answer, Effect, Fault, GitHub, Request, Simulator},
    virtual_time::{Ended, VirtualClock, run_step, run_step_with},
};

/// The longest that a run may take in its own time, whatever happens.
const LONGEST: Duration = Duration::from_secs(2 * 3_600);

/// When a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum When {
    /// At this call, the first time that it is sent.
    Once,
    /// At this call, however often it is sent.
    ForGood,
    /// At this call and at everything after it.
    FromThenOn,
}

/// What a fault is to a run.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// Over soon: the call is repeated, and the run ends as without it.
    Passing,
    /// A limit: the same, and it is no failure if it does not end.
    Limit,
    /// An answer: no repetition changes it.
    Refusal,
}

fn faults() -> Vec<(&'static str, Kind, Effect)> {
    let answer = |answer: Answer| Effect::Answer(answer);
    let observed = |name: &str| Answer::observed(name);
    let later = |seconds: &str| observed("secondary-rate-limit").header("retry-after", seconds);
    vec![
        ("reset", Kind::Passing, Effect::Reset),
        ("reset after the effect", Kind::Passing, Effect::ResetAfterDoing),
        ("hang", Kind::Passing, Effect::Hang),
        ("hang after the effect", Kind::Passing, Effect::HangAfterDoing),
        ("a cut-off body", Kind::Passing, Effect::CutOff),
        ("HTML with 200", Kind::Passing, answer(Answer::html(200))),
        ("HTML with 200 after the effect", Kind::Passing, Effect::AfterDoing(Answer::html(200))),
        ("500", Kind::Passing, answer(observed("server-error"))),
        ("500 after the effect", Kind::Passing, Effect::AfterDoing(observed("server-error"))),
        ("502", Kind::Passing, answer(Answer::html(502))),
        ("503", Kind::Passing, answer(Answer::html(503))),
        ("503 after the effect", Kind::Passing, Effect::AfterDoing(Answer::html(503))),
        ("429", Kind::Limit, answer(Answer::error(429, "too many requests"))),
        ("403, secondary limit", Kind::Limit, answer(later("7"))),
        ("403, secondary limit without a time", Kind::Limit, answer(observed("secondary-rate-limit"))),
        ("403, primary limit", Kind::Limit, answer(observed("primary-rate-limit"))),
        ("401", Kind::Refusal, answer(observed("bad-credentials"))),
        ("403, no right", Kind::Refusal, answer(observed("integration-forbidden"))),
        ("403, single sign-on", Kind::Refusal, answer(observed("saml"))),
        ("403, scope", Kind::Refusal, answer(observed("scope-get-versions"))),
        ("404, package", Kind::Refusal, answer(observed("package-not-found"))),
        ("404, version", Kind::Refusal, answer(observed("version-not-found"))),
        ("404", Kind::Refusal, answer(observed("generic-not-found"))),
    ]
}

/// What is there: the tags of every version, by package and id.
pub(crate) type State = BTreeMap<(String, u64), BTreeSet<String>>;

pub(crate) fn state(github: &GitHub) -> State {
    let packages = github.packages.iter().filter(|package| package.deleted_at.is_none());
    let versions = packages.flat_map(|package| {
        package
            .versions
            .iter()
            .map(|version| ((package.name.clone(), version.id), version.tags.iter().cloned().collect::<BTreeSet<_>>()))
    });
    versions.collect()
}

/// A run, and the world before and after it.
struct Run {
    ended: Ended,
    before: State,
    after: State,
    /// Images of which a part is not there, before and after it.
    broken: (Vec<String>, Vec<String>),
    requests: Vec<Request>,
}

fn run(scenario: &Scenario, fault: Option<Fault>) -> Run {
    let clock = VirtualClock::default();
    let simulator = Simulator::start(scenario.begin(&clock));
    let clock = clock.watching(simulator.hangs());
    let first = scenario.first.map(|inputs| run_step(&clock, simulator.url(), inputs).report);
    let (before, broken_before, already_sent) = {
        let mut github = simulator.github();
        github.faults.extend(fault);
        (state(&github), github.broken_images(), simulator.requests().len())
    };
    let ended = run_step_with(&clock, simulator.url(), scenario.inputs, first.as_ref());
    let github = simulator.github();
    Run {
        ended,
        before,
        after: state(&github),
        broken: (broken_before, github.broken_images()),
        requests: simulator.requests().split_off(already_sent),
    }
}

/// The call in full, as a fault knows it again.
pub(crate) fn line(request: &Request) -> String {
    format!("{}?{}", request.line(), request.query)
}

/// Strikes with every fault at every call that the scenario makes without one.
fn sweep(scenario: &Scenario) {
    let plain = run(scenario, None);
    assert_eq!(plain.ended.status, Status::Complete, "{}", plain.ended.log);
    assert_ne!(plain.before, plain.after, "the scenario changes something");
    let lines: Vec<_> = plain.requests.iter().map(line).collect();
    let mut seen = BTreeSet::new();
    for (number, struck) in lines.iter().enumerate() {
        let earlier = lines[..number].iter().filter(|line| *line == struck).count();
        // the hundredth manifest is read like the first
        let is_new_kind = seen.insert((kind_of(struck), earlier));
        for (name, kind, effect) in faults() {
            for when in [When::Once, When::ForGood, When::FromThenOn] {
                if !is_new_kind && when != When::FromThenOn {
                    continue;
                }
                // what a limit or a refusal does to everything is what it does to the first
                let ends_all = matches!(name, "reset" | "hang" | "500" | "401" | "403, secondary limit without a time");
                if when == When::FromThenOn && !ends_all {
                    continue;
                }
                let fault = match when {
                    When::Once => Fault::when(|_| true, effect.clone()).after(count(number)).times(1),
                    When::ForGood => {
                        let struck = struck.clone();
                        Fault::when(move |request| line(request) == struck, effect.clone()).after(count(earlier))
                    }
                    When::FromThenOn => Fault::when(|_| true, effect.clone()).after(count(number)),
                };
                let run = run(scenario, Some(fault));
                let what = format!("{name}, {when:?}, at {struck} (request {number})\n{}", run.ended.log);
                check(&run, &plain, kind, when, &what);
                if when == When::Once {
                    nothing_is_done_twice(&run, struck, &what);
                }
                if when == When::ForGood && kind != Kind::Limit {
                    the_others_are_done(&run, &plain, struck, &what);
                }
            }
        }
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).expect("a small number")
}

/// What kind of call it is: its address without what differs from version to version.
pub(crate) fn kind_of(line: &str) -> String {
    let is_id = |part: &str| part.len() >= 8 && part.chars().all(|character| character.is_ascii_hexdigit());
    let parts = line.split(['/', ':', '?']).map(|part| if is_id(part) { "…" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

fn check(run: &Run, plain: &Run, kind: Kind, when: When, what: &str) {
    let Run { ended, before, after, broken, .. } = run;
    assert!(ended.took < LONGEST, "{:?}: {what}", ended.took);
    assert!(broken.1.iter().all(|image| broken.0.contains(image)), "an image is broken: {what}");
    // nothing more than without the fault; a copy that was pushed to take a tag off may be left over
    for (version, tags) in before {
        match (after.get(version), plain.after.get(version)) {
            (None, Some(_)) => panic!("{version:?} {tags:?} is gone, and would have stayed: {what}"),
            (Some(left), Some(would_be)) => {
                let would_keep: BTreeSet<_> = tags.intersection(would_be).cloned().collect();
                assert!(left.is_superset(&would_keep), "{version:?} lost more tags than without it: {what}");
            }
            _ => {}
        }
    }
    for version in after.keys().filter(|version| !before.contains_key(*version)) {
        let is_told = ended.log.contains("empty manifest") || ended.log.contains("perhaps");
        assert!(plain.after.contains_key(version) || is_told, "{version:?} is new, and nobody says so: {what}");
    }
    told_is_what_happened(&ended.report, before, after, what);
    if ended.status == Status::Complete {
        assert_eq!(after, &plain.after, "complete, and not everything is done: {what}");
    } else {
        let is_explained = ended.log.contains("error: ") || ended.log.contains("warning: ");
        assert!(is_explained, "{:?} without a word: {what}", ended.status);
    }
    match (kind, when) {
        (Kind::Passing | Kind::Limit, When::Once) => {
            assert_eq!((ended.status, after), (Status::Complete, &plain.after), "{what}");
        }
        (Kind::Limit, _) => {
            // but that a tag is left on an empty manifest is one
            let is_left_over = ended.log.contains("empty manifest");
            assert!(is_left_over || matches!(ended.status, Status::Complete | Status::Partial), "no failure: {what}");
        }
        _ => {}
    }
    if kind == Kind::Refusal && when == When::ForGood {
        let more = run.requests.len().saturating_sub(plain.requests.len());
        assert!(more <= 6, "{more} requests more than without it: {what}");
    }
}

/// What was answered is not sent again.
fn nothing_is_done_twice(run: &Run, struck: &str, what: &str) {
    let mut sent: BTreeMap<String, usize> = BTreeMap::new();
    // a push may first be sent away for a token of the registry
    for request in run.requests.iter().filter(|request| request.is_change() && request.method != "PUT") {
        *sent.entry(line(request)).or_default() += 1;
    }
    for (line, count) in sent {
        assert!(count <= 1 + usize::from(line == struck), "{line} was sent {count} times: {what}");
    }
}

/// The report, its counts and the world say the same.
pub(crate) fn told_is_what_happened(report: &Value, before: &State, after: &State, what: &str) {
    let counted = |name: &str| report["counts"][name].as_u64().expect("a count");
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for package in report["packages"].as_array().expect("packages") {
        let name = package["name"].as_str().expect("a name");
        for version in package["versions"].as_array().expect("versions") {
            let key = (name.to_owned(), version["id"].as_u64().expect("an id"));
            let (was, is) = (before.get(&key), after.get(&key));
            let text = |field: &str| version[field].as_str().unwrap_or_default().to_owned();
            let (decision, outcome) = (text("decision"), text("outcome"));
            match (decision.as_str(), outcome.as_str()) {
                ("delete", "done" | "gone") => assert!(is.is_none(), "{version} is there: {what}"),
                ("restore", "done") => assert!(is.is_some(), "{version} is not there: {what}"),
                ("untag", "done") => {
                    let off = version["untag"].as_array().expect("tags");
                    let off: Vec<_> = off.iter().filter_map(Value::as_str).collect();
                    assert!(is.is_some_and(|tags| !off.iter().any(|tag| tags.contains(*tag))), "{version}: {what}");
                }
                ("untag", "failed") => assert!(is.is_some(), "{version}: {what}"),
                (_, "unknown") => {}
                (_, "failed" | "skipped" | "retained") | ("keep", "") => {
                    assert_eq!(is, was, "{version} is not as it was: {what}");
                }
                other => panic!("{other:?} at the end of a run: {what}"),
            }
            let count = match (decision.as_str(), outcome.as_str()) {
                ("keep", _) => "kept",
                ("delete", "done" | "gone") => "deleted",
                ("restore", _) if outcome == "done" => "restored",
                ("untag", "done") => "untagged",
                (_, "unknown") => "failed",
                (_, outcome) => match outcome {
                    "failed" => "failed",
                    "retained" => "retained",
                    _ => "skipped",
                },
            };
            *counts.entry(count).or_default() += 1;
        }
    }
    for name in ["kept", "deleted", "restored", "untagged", "failed", "retained", "skipped"] {
        assert_eq!(counted(name), counts.get(name).copied().unwrap_or_default(), "{name}: {what}");
    }
    let settled = ["deleted", "restored", "untagged", "failed", "retained", "skipped"].map(counted);
    assert_eq!(counted("selected"), settled.iter().sum::<u64>(), "{what}");
}

/// One package's failure leaves the others as they would have been.
fn the_others_are_done(run: &Run, plain: &Run, struck: &str, what: &str) {
    let packages: BTreeSet<_> = run.before.keys().map(|(package, _)| package.as_str()).collect();
    let struck = packages.iter().find(|package| struck.contains(&format!("/{package}")));
    let Some(struck) = struck else { return };
    let of_others = |state: &State| {
        state
            .iter()
            .filter(|((package, _), _)| package != struck)
            .map(|(key, tags)| (key.clone(), tags.clone()))
            .collect::<State>()
    };
    assert_eq!(of_others(&run.after), of_others(&plain.after), "another package suffers: {what}");
}

#[test]
fn at_every_call_of_a_clean_up_of_images() {
    sweep(&scenarios::IMAGES);
}

#[test]
fn at_every_call_of_a_clean_up_of_own_packages() {
    sweep(&scenarios::OWN_PACKAGES);
}

#[test]
fn at_every_call_of_a_restoration() {
    sweep(&scenarios::RESTORATION);
}

#[test]
fn at_every_call_of_taking_tags_off() {
    sweep(&scenarios::UNTAGGING);
}

#[test]
fn at_every_call_of_deleting_a_package() {
    sweep(&scenarios::WHOLE_PACKAGE);
}

#[test]
fn at_every_call_of_a_plan_that_grows_old() {
    sweep(&scenarios::AGED);
}

#[test]
fn at_every_call_of_a_plan_that_was_reviewed() {
    sweep(&scenarios::APPLIED);
}

#[test]
fn at_every_call_of_an_undo() {
    sweep(&scenarios::UNDONE);
}

#[test]
fn at_every_call_of_bringing_packages_back() {
    sweep(&scenarios::PACKAGES_BACK);
}

#[test]
fn at_every_call_of_a_sweep_of_litter() {
    sweep(&scenarios::SWEEP);
}
