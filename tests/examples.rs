//! The workflows of `.github/examples`, and the clean-up of this project's own image, do what they say: their steps are run one after another, with
//! artifacts handed on, as a runner would.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;

mod runner;
mod simulator;

use runner::{Ended, Step, TOKEN};
use simulator::{GitHub, Simulator, Token, images};

/// Artifacts by name: the name of a file, and what is in it.
type Artifacts = BTreeMap<String, (String, Vec<u8>)>;

fn workflow(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".github").join(name);
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"));
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A value as the runner hands it on, in its first run.
fn evaluated(text: &str) -> String {
    text.replace("${{ github.run_id }}", "42").replace("${{ github.run_attempt }}", "1")
}

/// Runs the steps of a job: ours for real, and what stands around it by its meaning.
fn run(job: &Value, simulator: &Simulator, artifacts: &mut Artifacts) -> Ended {
    let mut workspace: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut ended = None;
    for step in job["steps"].as_array().expect("steps") {
        let uses = step["uses"].as_str().expect("an action");
        let text = |name: &str| step["with"][name].as_str().map(evaluated);
        if uses.starts_with("actions/download-artifact@") {
            let name = text("name").expect("a name");
            let (file, bytes) = artifacts.get(&name).unwrap_or_else(|| panic!("no artifact {name}"));
            workspace.insert(file.clone(), bytes.clone());
        } else if uses.starts_with("actions/upload-artifact@") {
            let (name, path) = (text("name").expect("a name"), text("path").expect("a path"));
            let bytes = workspace.get(&path).unwrap_or_else(|| panic!("no file {path}")).clone();
            // an artifact of one file has it without its folder
            let file = path.rsplit('/').next().expect("a name").to_owned();
            artifacts.insert(name, (file, bytes));
        } else if !uses.starts_with("actions/checkout@") {
            assert!(uses.starts_with("OWNER/tidy-packages@") || uses == "./", "{uses}");
            let with = step["with"].as_object().expect("inputs").iter();
            let given = with.map(|(name, value)| (name, value.as_str().map_or_else(|| value.to_string(), evaluated)));
            let ours = given.fold(Step::new(simulator.url()), |step, (name, value)| step.input(name, &value));
            for (file, bytes) in &workspace {
                fs::write(ours.workspace().join(file), bytes).expect("a file");
            }
            let run = ours.run();
            let report = run.workspace().join(run.output("report"));
            workspace.insert(run.output("report").to_owned(), fs::read(report).expect("a report"));
            ended = Some(run);
        }
    }
    ended.expect("a step of ours")
}

#[test]
fn a_plan_is_reviewed_applied_and_undone() {
    let simulator = Simulator::start(GitHub::new().organization("octo-org").token(TOKEN, Token::workflow()).package(
        "octo-org",
        "container",
        "app",
        images("P[pr-1] -> a,b · Q[pr-2] 3 · V[v1] -> va,b"),
    ));
    let before = simulator.github().package_mut("app").versions.clone();
    let review = workflow("examples/review-before-deleting.yml");
    let mut artifacts = Artifacts::new();

    let plan = run(&review["jobs"]["plan"], &simulator, &mut artifacts);
    assert_eq!((plan.code, plan.output("selected"), simulator.changes().len()), (Some(0), "2", 0), "{}", plan.log);
    // only what the plan's job may read is needed for it
    assert_eq!(review["jobs"]["plan"]["permissions"], serde_json::json!({"packages": "read"}));

    let applied = run(&review["jobs"]["apply"], &simulator, &mut artifacts);
    assert_eq!((applied.code, applied.count("deleted")), (Some(0), 2), "{}", applied.log);
    assert_eq!(review["jobs"]["apply"]["environment"], "package-clean-up");

    let undone = run(&workflow("examples/undo.yml")["jobs"]["undo"], &simulator, &mut artifacts);
    assert_eq!((undone.code, undone.count("restored")), (Some(0), 2), "{}", undone.log);
    let mut after = simulator.github().package_mut("app").versions.clone();
    after.sort_by_key(|version| version.id);
    let known = |versions: &[simulator::Version]| {
        versions.iter().map(|it| (it.id, it.name.clone(), it.tags.clone())).collect::<Vec<_>>()
    };
    assert_eq!(known(&after), known(&before));
}

#[test]
fn the_clean_up_of_this_projects_own_image_never_touches_a_release() {
    // each architecture is pushed as an index of its own, which the release's index replaces
    let release = "R[1.0.0] 60 -> amd,arm,attested-amd,attested-arm · S[sha256-R.sig] 60 · \
                   half-amd 60 -> amd,attested-amd · half-arm 60 -> arm,attested-arm";
    let rest = "failed 60 -> failed-amd,failed-attested · young 2 -> young-amd";
    let simulator = Simulator::start(GitHub::new().organization("octo-org").token(TOKEN, Token::workflow()).package(
        "octo-org",
        "container",
        "app",
        images(&format!("{release} · {rest}")),
    ));
    let job = &workflow("workflows/tidy.yml")["jobs"]["tidy"];
    let ended = run(job, &simulator, &mut Artifacts::new());
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(ended.count("deleted"), 5, "two halves, and the failed one with its parts: {}", ended.log);
    let left = simulator.github().left("app");
    assert!(left.iter().any(|name| name == "1.0.0"), "{left:?}");
    assert_eq!((left.len(), simulator.github().broken_images().len()), (8, 0), "{left:?}");
}

#[test]
fn an_example_stands_in_the_readme() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("the README");
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/examples")).expect("a folder") {
        let name = entry.expect("a file").file_name();
        let path = format!(".github/examples/{}", name.to_string_lossy());
        assert!(readme.contains(&path), "{path}");
    }
}
