//! Images from outside: what a person who pulls finds after the real binary ran against a real
//! server with an API and a registry.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "these are tests")]

use std::collections::BTreeMap;

#[path = "../runner/mod.rs"]
mod runner;
#[path = "../simulator/mod.rs"]
mod simulator;

mod belonging;
mod cases;
mod changing;
mod reading;
mod untagging;

use runner::{Ended, Step, TOKEN};
use simulator::{Answer, Effect, Fault, GitHub, Manifest, Simulator, Token, Version, attested_images, images};

fn world(versions: Vec<Version>) -> GitHub {
    GitHub::new()
        .organization("octo-org")
        .user("octocat")
        .token(TOKEN, Token::classic("octocat", &["read:packages", "write:packages", "delete:packages"]))
        .package("octo-org", "container", "app", versions)
}

fn run(simulator: &Simulator, inputs: &[(&str, &str)]) -> Ended {
    inputs.iter().fold(Step::new(simulator.url()), |step, (name, value)| step.input(name, value)).run()
}

/// A package under a short form, and what its versions are called there.
struct Package {
    simulator: Simulator,
    names: BTreeMap<String, String>,
}

impl Package {
    fn new(text: &str) -> Self {
        Self::with(text, |github| github)
    }

    fn with(text: &str, change: impl FnOnce(GitHub) -> GitHub) -> Self {
        let versions = images(text);
        let names = names(text, &versions);
        Self { simulator: Simulator::start(change(world(versions))), names }
    }

    fn name(&self, digest: &str) -> String {
        self.names.get(digest).cloned().unwrap_or_else(|| digest.to_owned())
    }

    fn digest(&self, name: &str) -> String {
        let found = self.names.iter().find(|(_, known)| *known == name);
        found.map(|(digest, _)| digest.clone()).unwrap_or_else(|| panic!("no {name}"))
    }

    /// What is there, by the names of the short form, sorted.
    fn left(&self) -> Vec<String> {
        let digests: Vec<_> =
            self.simulator.github().package_mut("app").versions.iter().map(|version| version.name.clone()).collect();
        let mut left: Vec<_> = digests.iter().map(|digest| self.name(digest)).collect();
        left.sort();
        left
    }

    /// Runs a step that has to succeed, and says what went.
    #[track_caller]
    fn goes(&self, inputs: &[(&str, &str)]) -> Vec<String> {
        let before = self.left();
        let ended = run(&self.simulator, inputs);
        assert_eq!((ended.code, ended.output("status")), (Some(0), "complete"), "{}", ended.log);
        let after = self.left();
        before.into_iter().filter(|name| !after.contains(name)).collect()
    }

    fn reason(&self, ended: &Ended, name: &str) -> String {
        let digest = self.digest(name);
        ended.version(&digest)["reason"].as_str().expect("a reason").to_owned()
    }

    fn outcome(&self, ended: &Ended, name: &str) -> String {
        let digest = self.digest(name);
        ended.version(&digest)["outcome"].as_str().unwrap_or("none").to_owned()
    }
}

/// The labels of a short form by digest: items in their order, children before the item that
/// brings them in.
fn names(text: &str, versions: &[Version]) -> BTreeMap<String, String> {
    let mut labels: Vec<String> = Vec::new();
    for item in text.split('·').map(str::trim).filter(|item| !item.is_empty()) {
        let label = item.split(['[', ' ']).next().unwrap_or_default().to_owned();
        let listed = item.split_once("->").or_else(|| item.split_once("=>")).map(|(_, listed)| listed);
        let listed = listed.unwrap_or_default().split("subject ").next().unwrap_or_default();
        for child in listed.split(',').map(str::trim).filter(|child| !child.is_empty() && !child.starts_with('!')) {
            if !labels.iter().any(|known| known == child) {
                labels.push(child.to_owned());
            }
        }
        labels.retain(|known| *known != label);
        labels.push(label);
    }
    assert_eq!(labels.len(), versions.len());
    versions.iter().map(|version| version.name.clone()).zip(labels).collect()
}

/// Checks what goes, that nothing that is left is broken by it, that a dry run says the same and
/// writes nothing, that a second run deletes nothing more, and that a listing need not be up to date.
#[track_caller]
fn goes(text: &str, inputs: &[(&str, &str)], expected: &str) {
    let mut expected: Vec<_> = expected.split_whitespace().collect();
    expected.sort_unstable();
    let package = Package::new(text);
    let broken_before = package.simulator.github().broken_images();

    let dry = run(&package.simulator, &[inputs, &[("dry-run", "true")]].concat());
    assert_eq!(dry.code, Some(0), "{}", dry.log);
    assert!(package.simulator.changes().is_empty(), "{:?}", package.simulator.changes());
    let versions = dry.versions();
    let planned = versions.iter().filter(|version| version["decision"] == "delete");
    let mut planned: Vec<_> = planned.map(|version| package.name(version["name"].as_str().expect("a name"))).collect();
    planned.sort();
    assert_eq!(planned, expected, "a dry run: {}", dry.log);

    let mut gone = package.goes(inputs);
    gone.sort();
    assert_eq!(gone, expected);
    let broken_after = package.simulator.github().broken_images();
    assert!(broken_after.iter().all(|image| broken_before.contains(image)), "{broken_after:?} is broken");
    assert!(package.goes(inputs).is_empty(), "a second run deletes more");
    let pulls = package.simulator.pulls();
    assert!(pulls.values().all(|count| *count <= 3), "three runs read no manifest more than once each: {pulls:?}");
    goes_under_a_listing_that_lags_behind(text, inputs, &expected);
}

/// The same where the listing shows for ever what was there in the beginning: neither is anything
/// missed, nor does a run on what is long gone take more.
#[track_caller]
fn goes_under_a_listing_that_lags_behind(text: &str, inputs: &[(&str, &str)], expected: &[&str]) {
    let package = Package::with(text, |github| {
        let before = github.listing("app");
        github.fault(Fault::on("GET", "state=active", Effect::Answer(before)))
    });
    let mut gone = package.goes(inputs);
    gone.sort();
    assert_eq!(gone, expected, "where the listing lags behind");
    let again = run(&package.simulator, inputs);
    assert_eq!(again.code, Some(0), "{}", again.log);
    let there = package.left();
    assert!(gone.iter().all(|name| !there.contains(name)) && there.len() + gone.len() == package.names.len());
}

/// Something else that happens at a request.
fn meanwhile(change: impl Fn(&mut GitHub) + Send + Sync + 'static) -> Effect {
    Effect::Meanwhile(std::sync::Arc::new(change))
}

const UNTAGGED: [(&str, &str); 2] = [("tag-status", "untagged"), ("older-than", "7d")];
const DUMMY: [(&str, &str); 2] = [("exclude-tags", "dummy"), ("untagged-grace", "0s")];

fn dummy(inputs: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    [&DUMMY[..], inputs].concat()
}

/// An index of seven platforms, as `M36[tags]`.
fn seven(name: &str, tags: &str) -> String {
    let children = (1..=7).map(|number| format!("{name}-{number}")).collect::<Vec<_>>();
    format!("{name}[{tags}] -> {}", children.join(","))
}

fn with_children(name: &str) -> String {
    let children = (1..=7).map(|number| format!(" {name}-{number}")).collect::<String>();
    format!("{name}{children}")
}
