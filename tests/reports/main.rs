//! Reports as input: what was planned is carried out, and what was done is undone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

use std::{collections::BTreeSet, fs};

use serde_json::{Value, json};

#[path = "../runner/mod.rs"]
mod runner;
#[path = "../simulator/mod.rs"]
mod simulator;

mod applying;
mod forging;
mod laws;
mod refusing;
mod undoing;
mod wholeness;

use runner::{Ended, Step, TOKEN};
use simulator::{Answer, Effect, Fault, GitHub, Simulator, Token, Version, images};

/// Images of pull requests and releases: shared, nested and signed.
const IMAGES: &str = "V[v1] -> va,shared · P[pr-1] -> pa,shared · S[sha256-P.sig] · R subject P · \
                      Q[pr-2] -> J · J -> qa · T[pr-3,v2]";

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

/// A step that has this report in its workspace.
fn with_report(simulator: &Simulator, report: &Value, inputs: &[(&str, &str)]) -> Ended {
    let step = Step::new(simulator.url()).input("from-report", "plan.json");
    fs::write(step.workspace().join("plan.json"), report.to_string()).expect("a report");
    inputs.iter().fold(step, |step, (name, value)| step.input(name, value)).run()
}

/// Everything a version is known by, of all versions of a package.
fn state(simulator: &Simulator) -> BTreeSet<(u64, String, Vec<String>)> {
    let mut github = simulator.github();
    let versions = github.package_mut("app").versions.iter();
    versions
        .map(|version| {
            let mut tags = version.tags.clone();
            tags.sort();
            (version.id, version.name.clone(), tags)
        })
        .collect()
}
