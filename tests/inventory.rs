//! `mode: report`: what there is, and nothing changed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

use serde_json::json;

mod runner;
mod simulator;

use runner::{Ended, Step, TOKEN};
use simulator::{GitHub, Simulator, Token, Version, images};

const IMAGES: &str = "V[v1] 400 -> va,vb · S[sha256-V.sig] 400 · R 50 subject V · G[g1] 20 -> !ga · \
                      H[h1] 20 -> ha,!hb · O[sha256-lost.sig] 20 · u 3 · P[pr-1] 3 -> J · J 3 -> pa,!pb";

fn world() -> GitHub {
    let mut github = GitHub::new()
        .organization("octo-org")
        .user("octocat")
        .token(TOKEN, Token::classic("octocat", &["read:packages"]))
        .package("octo-org", "container", "app", images(IMAGES))
        .package("octo-org", "container", "other", images("w[v1] 100"))
        .package(
            "octo-org",
            "npm",
            "left-pad",
            ["1.0.0", "1.1.0"].map(|name| Version::new(name).days_old(10.0)).to_vec(),
        );
    github.conflicts =
        vec![json!({"id": 1, "name": "octo-org/app/image", "package_type": "docker", "visibility": "private"})];
    github
}

fn run(simulator: &Simulator, inputs: &[(&str, &str)]) -> Ended {
    let step = Step::new(simulator.url()).input("mode", "report");
    inputs.iter().fold(step, |step, (name, value)| step.input(name, value)).run()
}

#[test]
fn an_inventory_counts_what_there_is_and_changes_nothing() {
    let simulator = Simulator::start(world());
    let ended = run(&simulator, &[("packages", "*")]);
    println!("{}\n{}\n{}", ended.log, ended.summary, serde_json::to_string_pretty(&ended.report()).unwrap());
    assert_eq!((ended.code, ended.output("status")), (Some(0), "complete"));
    assert!(simulator.changes().is_empty());
}
