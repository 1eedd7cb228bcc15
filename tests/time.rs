//! What depends on time, in a time that the tests own: waiting costs nothing here, and the waits
//! are what is looked at.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "these are tests")]

use std::{
    collections::BTreeMap,
    fs,
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::LocalBoxFuture;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tidy_packages::{clock::Clock, inputs::Environment, report::Status, run, stop, tell::log::Log};

mod simulator;

use simulator::{Answer, Effect, Fault, GitHub, Manifest, Simulator, Token, Version, images};

const TOKEN: &str = "ghp_canary0123456789abcdefghijklmnopqr";

/// A clock that stands still but for the waits, which it remembers.
#[derive(Clone, Default)]
struct TestClock {
    milliseconds: Arc<AtomicU64>,
    waits: Arc<Mutex<Vec<u64>>>,
}

fn midnight() -> Timestamp {
    "2026-11-23T00:00:00Z".parse().expect("a moment")
}

impl TestClock {
    fn moment(&self) -> Timestamp {
        midnight() + SignedDuration::from_millis(i64::try_from(self.milliseconds.load(Ordering::SeqCst)).expect("time"))
    }

    /// Whole seconds of every wait.
    fn waits(&self) -> Vec<u64> {
        self.waits.lock().expect("the waits").clone()
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        self.moment()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.milliseconds.load(Ordering::SeqCst))
    }

    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'_, ()> {
        let milliseconds = u64::try_from(duration.as_millis()).expect("time") + 1;
        self.milliseconds.fetch_add(milliseconds, Ordering::SeqCst);
        self.waits.lock().expect("the waits").push(duration.as_secs());
        Box::pin(async {})
    }
}

struct Ended {
    status: Status,
    report: Value,
    waits: Vec<u64>,
}

impl Ended {
    fn count(&self, name: &str) -> u64 {
        self.report["counts"][name].as_u64().expect("a count")
    }

    fn version(&self, name: &str) -> &Value {
        let versions = self.report["packages"][0]["versions"].as_array().expect("versions");
        versions.iter().find(|version| version["name"] == name).expect("the version")
    }
}

fn old(name: &str) -> Version {
    Version::new(name).tags(&[name]).pushed_at(midnight() - SignedDuration::from_hours(24 * 30))
}

fn world(clock: &TestClock, versions: Vec<Version>) -> GitHub {
    let clock = clock.clone();
    GitHub::new()
        .clock(Arc::new(move || clock.moment()))
        .organization("octo-org")
        .user("octocat")
        .token(TOKEN, Token::classic("octocat", &["read:packages", "delete:packages"]))
        .package("octo-org", "docker", "app", versions)
}

fn run_step(clock: &TestClock, simulator: &Simulator, inputs: &[(&str, &str)]) -> Ended {
    let folder = tempfile::tempdir().expect("a folder");
    let mut variables = BTreeMap::from([
        ("INPUT_TOKEN".to_owned(), TOKEN.to_owned()),
        ("INPUT_OWNER".to_owned(), "octo-org".to_owned()),
        ("INPUT_PACKAGE-TYPE".to_owned(), "docker".to_owned()),
        ("INPUT_PACKAGES".to_owned(), "app".to_owned()),
        ("INPUT_CONCURRENCY".to_owned(), "1".to_owned()),
        ("GITHUB_API_URL".to_owned(), simulator.url().to_owned()),
    ]);
    variables
        .extend(inputs.iter().map(|(name, value)| (format!("INPUT_{}", name.to_uppercase()), (*value).to_owned())));
    let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
    let environment = Environment::new(variables, folder.path().to_owned());
    let log = Rc::new(Log::new(Box::new(std::io::sink()), false, false));
    let (_stopper, stop) = stop::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let status = runtime.block_on(run(&environment, Rc::new(clock.clone()), stop, log));
    let report = fs::read(folder.path().join("tidy-packages.json")).expect("a report");
    Ended { status, report: serde_json::from_slice(&report).expect("JSON"), waits: clock.waits() }
}

#[test]
fn case_14_what_was_retagged_after_the_plan_is_left_alone() {
    let clock = TestClock::default();
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
        let clock = TestClock::default();
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
    let clock = TestClock::default();
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
        let clock = TestClock::default();
        let versions = (0..150).map(|number| old(&format!("pr-{number}"))).collect();
        let github = world(&clock, versions).fault(Fault::on("GET", "page=2", effect));
        let simulator = Simulator::start(github);
        let ended = run_step(&clock, &simulator, &[("tags", "pr-1")]);
        assert_eq!((ended.status, simulator.changes().len()), (Status::Failed, 0));
    }
}

#[test]
fn waits_without_a_named_time_double_from_a_minute_and_end_at_the_longest() {
    let clock = TestClock::default();
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
        let clock = TestClock::default();
        let github = world(&clock, vec![old("pr-1"), old("v1")]).token(TOKEN, token(103));
        let simulator = Simulator::start(github);
        let ended = run_step(&clock, &simulator, &[("tags", "pr-.*"), ("max-wait", max_wait)]);
        assert_eq!((ended.status, ended.count("deleted")), (status, deleted), "{max_wait}");
        assert_eq!(ended.waits.first().is_some_and(|wait| *wait >= 590), max_wait == "15m");
    }
}

#[test]
fn no_minute_holds_more_than_the_points_that_github_allows() {
    let clock = TestClock::default();
    let mut github = world(&clock, (0..400).map(|number| old(&format!("pr-{number}"))).chain([old("v1")]).collect());
    github.points_per_minute = Some(900);
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
    let clock = TestClock::default();
    // GitHub's clock is two days behind: a version of 8 days is 6 days old there
    let mut github = world(&clock, Vec::new());
    github = github.clock(Arc::new(|| midnight() - SignedDuration::from_hours(48)));
    let young = Version::new("pr-1").tags(&["pr-1"]).pushed_at(midnight() - SignedDuration::from_hours(8 * 24));
    let github = github.package("octo-org", "docker", "other", vec![young, old("v1")]);
    let simulator = Simulator::start(github);
    let ended = run_step(&clock, &simulator, &[("packages", "other"), ("tags", "pr-.*"), ("older-than", "7d")]);
    assert_eq!((ended.count("deleted"), &ended.report["now"]), (0, &"2026-11-21T00:00:00Z".into()));
}

/// A package of images, pushed as many days before midnight as the short form says.
fn images_of(clock: &TestClock, text: &str) -> GitHub {
    let mut versions = images(text);
    let days = SignedDuration::from_hours(24 * 30);
    versions.iter_mut().for_each(|version| *version = version.clone().pushed_at(midnight() - days));
    let mut github = world(clock, Vec::new()).package("octo-org", "container", "images", versions);
    github.tokens.insert(TOKEN.to_owned(), Token::classic("octocat", &["write:packages", "delete:packages"]));
    github
}

const IMAGES: [(&str, &str); 2] = [("package-type", "container"), ("packages", "images")];

fn left(simulator: &Simulator, text: &str) -> Vec<String> {
    let labels: BTreeMap<_, _> =
        images(text).into_iter().map(|version| (version.name, version.tags.join(","))).collect();
    let mut github = simulator.github();
    let versions = &github.package_mut("images").versions;
    let label = |version: &Version| match labels.get(&version.name) {
        Some(tags) if !tags.is_empty() => tags.clone(),
        _ => version.name.clone(),
    };
    let mut left: Vec<_> = versions.iter().map(label).collect();
    left.sort();
    left
}

#[test]
fn a_manifest_that_fails_for_good_ends_its_package_after_half_a_minute() {
    for effect in [
        Effect::Answer(Answer::observed("server-error")),
        Effect::Answer(Answer::html(502)),
        Effect::Answer(Answer::html(200)),
        // a manifest indeed, but another one
        Effect::Answer(Answer { status: 200, headers: Vec::new(), body: Manifest::of_image("other", None).bytes }),
        Effect::CutOff,
    ] {
        let clock = TestClock::default();
        let text = "P[pr-1] · V[v1]";
        let fault = Fault::on("GET", &simulator::digest_of("V"), effect);
        let simulator = Simulator::start(images_of(&clock, text).fault(fault));
        let ended = run_step(&clock, &simulator, &[&IMAGES[..], &[("tags", "pr-.*")]].concat());
        assert_eq!((ended.status, simulator.changes().len()), (Status::Failed, 0));
        let waited = ended.waits.iter().sum::<u64>();
        assert!((31..=34).contains(&waited), "{waited} s");
        let error = ended.report["packages"][0]["error"].as_str().expect("an error");
        assert!(error.contains(&simulator::digest_of("V")) && error.contains("[v1]"), "{error}");
        assert_eq!((ended.count("kept"), ended.count("selected")), (2, 0));
    }
}

/// Runs a step whose deletions are held up for over a minute after so many of them, while this
/// happens to the package; returns what is left, by first tags.
fn held_up(
    text: &str,
    after: u32,
    change: impl Fn(&mut GitHub) + Send + Sync + 'static,
    inputs: &str,
) -> (Ended, Simulator) {
    let clock = TestClock::default();
    let limit = Answer::observed("secondary-rate-limit").header("retry-after", "61");
    let github = images_of(&clock, text)
        .fault(Fault::on("DELETE", "/packages/container/", Effect::Answer(limit)).after(after).times(1))
        .fault(Fault::on("GET", "/versions?", Effect::Meanwhile(Arc::new(change))).after(1).times(1));
    let simulator = Simulator::start(github);
    let inputs: Vec<_> = inputs.split(' ').map(|input| input.split_once('=').expect("name=value")).collect();
    let ended = run_step(&clock, &simulator, &[&IMAGES[..], &inputs].concat());
    (ended, simulator)
}

fn is_there(simulator: &Simulator, text: &str, label: &str) -> bool {
    let digest = images(text).into_iter().zip(labels(text)).find(|(_, known)| known == label).expect("it").0.name;
    simulator.github().package_mut("images").versions.iter().any(|version| version.name == digest)
}

/// The labels of a short form in which every version is an item of its own.
fn labels(text: &str) -> Vec<String> {
    text.split('·').map(|item| item.trim().split(['[', ' ']).next().expect("a label").to_owned()).collect()
}

#[test]
fn a_referrer_that_changes_while_it_waits_for_the_children_stays() {
    let text = "a · b · I[pr-1] -> a,b · S[sha256-I.sig] · v[v1]";
    let retag = |github: &mut GitHub| {
        for version in &mut github.package_mut("images").versions {
            if version.tags.iter().any(|tag| tag.ends_with(".sig")) {
                version.tags.push("keep-me".to_owned());
            }
        }
    };
    let (ended, simulator) = held_up(text, 1, retag, "tags=pr-.*");
    assert_eq!((ended.count("deleted"), ended.count("skipped")), (3, 1));
    assert!(is_there(&simulator, text, "S"));
}

#[test]
fn a_referrer_that_a_new_index_lists_while_it_waits_stays() {
    let text = "a · b · I[pr-1] -> a,b · R subject I · v[v1]";
    let index = images(&format!("{text} · N[v2] => R")).into_iter().find(|version| version.tags == ["v2"]).expect("it");
    let push = move |github: &mut GitHub| github.push("images", index.clone());
    let (_, simulator) = held_up(text, 1, push, "tags=pr-.* verify=false");
    assert!(simulator.github().broken_images().is_empty() && is_there(&simulator, text, "R"));
}

#[test]
fn a_new_version_that_the_registry_does_not_know_yet_ends_the_package() {
    let text = "x[pr-1] · y[pr-2] · v[v1]";
    let push = |github: &mut GitHub| {
        let version = Version { manifest: None, ..Version::image("late", &["v2"]) };
        github.push("images", version);
    };
    let (ended, simulator) = held_up(text, 1, push, "tags=pr-.*");
    assert_eq!((ended.status, ended.count("deleted"), ended.count("skipped")), (Status::Failed, 1, 1));
    let error = ended.report["packages"][0]["error"].as_str().expect("an error");
    assert!(error.contains("does not know its manifest yet"), "{error}");
    assert_eq!(simulator.github().left("images").len(), 3);
}

#[test]
fn a_version_whose_tags_are_told_no_more_stays() {
    let text = "u · w · v[v1]";
    let digest = simulator::digest_of("w");
    let hide = move |github: &mut GitHub| {
        for version in &mut github.package_mut("images").versions {
            if version.name == digest {
                version.patch = serde_json::json!({"metadata": null});
            }
        }
    };
    let (ended, simulator) = held_up(text, 0, hide, "tag-status=untagged older-than=7d");
    assert!(is_there(&simulator, text, "w") && !is_there(&simulator, text, "u"), "{:?}", ended.report);
}

#[test]
fn a_signature_whose_subject_is_new_stays() {
    // pushed again under another tag, while its old version was to go
    let text = "x[pr-1] · S[pr-2] · T[sha256-S.sig] · v[v1]";
    let again = |github: &mut GitHub| {
        let subject = Version::image("S", &["v2"]);
        github.delete(&subject.name);
        github.push("images", subject);
    };
    let (_, simulator) = held_up(text, 0, again, "tags=pr-.*");
    assert!(is_there(&simulator, text, "T"));
    // pushed after its signature
    let push = |github: &mut GitHub| github.push("images", Version::image("late", &["v2"]));
    let text = "T[sha256-late.sig] · v[v1]";
    let (_, simulator) = held_up(text, 0, push, "delete-orphaned-images=true");
    assert!(is_there(&simulator, text, "T"));
}

#[test]
fn a_package_is_not_deleted_on_a_listing_older_than_a_minute() {
    let push = |github: &mut GitHub| github.push("images", Version::image("new", &["v9"]));
    let clock = TestClock::default();
    let limit = Answer::observed("secondary-rate-limit").header("retry-after", "300");
    let github = images_of(&clock, "a[a] · b[b]")
        .fault(Fault::on("DELETE", "/packages/container/images", Effect::Answer(limit)).times(1))
        .fault(Fault::on("GET", "/versions?", Effect::Meanwhile(Arc::new(push))).after(2).times(1));
    let simulator = Simulator::start(github);
    let inputs = [&IMAGES[..], &[("tags", ".*"), ("delete-empty-package", "true")]].concat();
    let ended = run_step(&clock, &simulator, &inputs);
    assert_eq!((ended.count("deleted"), ended.count("retained")), (1, 1), "{:?}", ended.report);
    assert!(simulator.github().left("images").contains(&"v9".to_owned()));
}

#[test]
fn what_an_index_pushed_since_the_plan_needs_is_left_alone() {
    let clock = TestClock::default();
    let text = "P[pr-1] -> a,b · S[sha256-a.sig] · V[v1]";
    let limit = Answer::observed("secondary-rate-limit").header("retry-after", "61");
    let index = images("N[v2] -> a,b2").into_iter().find(|version| version.tags == ["v2"]).expect("the index");
    let push = Effect::Meanwhile(Arc::new(move |github: &mut GitHub| {
        github.push("images", index.clone());
        github.push("images", Version::image("b2", &[]));
    }));
    // the first deletion is held up for over a minute, and meanwhile an index is pushed that lists a
    let github = images_of(&clock, text)
        .fault(Fault::on("DELETE", "/versions/", Effect::Answer(limit)).times(1))
        .fault(Fault::on("GET", "/versions?", push).after(1).times(1));
    let simulator = Simulator::start(github);
    let ended = run_step(&clock, &simulator, &[&IMAGES[..], &[("tags", "pr-.*")]].concat());
    assert_eq!((ended.status, ended.count("deleted"), ended.count("skipped")), (Status::Complete, 2, 2));
    assert!(simulator.github().broken_images().is_empty());
    let child = ended.version(&simulator::digest_of("a"));
    assert!(child["reason"].as_str().is_some_and(|reason| reason.starts_with("needed by v2")), "{child}");
    // no manifest was read again for it: the child that is new is known from its index
    assert!(simulator.pulls().values().all(|count| *count == 1), "{:?}", simulator.pulls());
}

#[test]
fn the_parts_of_a_root_that_was_retagged_stay_with_it() {
    let clock = TestClock::default();
    let text = "P[pr-1] -> a,b · V[v1]";
    let limit = Answer::observed("secondary-rate-limit").header("retry-after", "61");
    let retag = Effect::Meanwhile(Arc::new(|github: &mut GitHub| {
        for version in &mut github.package_mut("images").versions {
            if version.tags == ["pr-1"] {
                version.tags.push("v2".to_owned());
            }
        }
    }));
    let github = images_of(&clock, text)
        .fault(Fault::on("DELETE", "/versions/", Effect::Answer(limit)).times(1))
        .fault(Fault::on("GET", "/versions?", retag).after(1).times(1));
    let simulator = Simulator::start(github);
    let ended = run_step(&clock, &simulator, &[&IMAGES[..], &[("tags", "pr-.*")]].concat());
    assert_eq!((ended.status, ended.count("deleted"), ended.count("skipped")), (Status::Complete, 0, 3));
    let child = ended.version(&simulator::digest_of("a"));
    assert!(child["reason"].as_str().is_some_and(|reason| reason.starts_with("needed by pr-1")), "{child}");
}

#[test]
fn a_tag_is_taken_off_only_once_the_api_shows_where_it_went() {
    for (stale_listings, status) in [(0, Status::Complete), (3, Status::Complete), (u32::MAX, Status::Failed)] {
        let clock = TestClock::default();
        let text = "S[pr-1,v1] · V[v2]";
        let github = images_of(&clock, text);
        let before = github.listing("images");
        // the listing lags behind: it shows the tag on the version it was on
        let stale = Fault::on("GET", "/versions?", Effect::Answer(before)).after(2).times(stale_listings);
        let simulator = Simulator::start(github.fault(stale));
        let inputs = [&IMAGES[..], &[("tags", "pr-.*"), ("partial-match", "untag"), ("verify", "false")]].concat();
        let ended = run_step(&clock, &simulator, &inputs);
        assert_eq!(ended.status, status, "{:?}", ended.report);
        let untagged = u64::from(status == Status::Complete);
        assert_eq!((ended.count("untagged"), ended.count("failed")), (untagged, 1 - untagged));
        let original = simulator::digest_of("S");
        let mut github = simulator.github();
        let versions = &github.package_mut("images").versions;
        let version = versions.iter().find(|version| version.name == original).expect("the version stays");
        assert_eq!(version.tags, ["v1"]);
        assert_eq!(versions.len(), if status == Status::Complete { 2 } else { 3 }, "the copy is deleted or left");
    }
}

#[test]
fn an_empty_copy_stays_as_long_as_the_api_shows_its_tag_on_the_version_too() {
    let clock = TestClock::default();
    let mut github = images_of(&clock, "S[pr-1,v1] · V[v2]");
    for version in &mut github.package_mut("images").versions {
        if version.tags.contains(&"v1".to_owned()) {
            version.patch = serde_json::json!({"metadata": {"container": {"tags": ["pr-1", "v1"]}}});
        }
    }
    let simulator = Simulator::start(github);
    let inputs = [&IMAGES[..], &[("tags", "pr-.*"), ("partial-match", "untag"), ("verify", "false")]].concat();
    let ended = run_step(&clock, &simulator, &inputs);
    assert_eq!((ended.status, ended.count("failed")), (Status::Failed, 1), "{:?}", ended.report);
    assert!(!simulator.changes().iter().any(|change| change.starts_with("DELETE")), "{:?}", simulator.changes());
}

#[test]
fn an_image_is_begun_only_if_the_limit_holds_it_whole() {
    let clock = TestClock::default();
    let reset = midnight() + SignedDuration::from_mins(30);
    let text = "P1[pr-1] -> a1,b1,c1 · P2[pr-2] -> a2,b2,c2 · V[v1]";
    // what is left beside the reserve is enough for one image and a half
    let mut github = images_of(&clock, text);
    github.tokens.insert(TOKEN.to_owned(), Token::workflow().quota(1000, 109, reset));
    let simulator = Simulator::start(github);
    let ended = run_step(&clock, &simulator, &[&IMAGES[..], &[("tags", "pr-.*")]].concat());
    assert_eq!((ended.status, ended.count("deleted"), ended.count("skipped")), (Status::Partial, 4, 4));
    assert!(simulator.github().broken_images().is_empty());
    assert_eq!(left(&simulator, text).len(), 5);
}
