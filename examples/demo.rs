//! `cargo demo`: the real pipeline against a make-believe GitHub, without a token.
//!
//! An organization with packages of several types, real captured objects among them: a dry run
//! shows the plan, a run applies it, one version comes back, and the summaries are printed.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example prints, and may stop"
)]

use std::{fs, path::Path, process::ExitCode, rc::Rc};

use serde_json::Value;
use tidy_packages::{clock::SystemClock, inputs::Environment, report::Status, run, stop, tell::log::Log};

#[path = "../tests/simulator/mod.rs"]
mod simulator;

use simulator::{GitHub, Simulator, Token, Version};

const TOKEN: &str = "ghp_demo_token_that_opens_nothing";

fn main() -> ExitCode {
    let simulator = Simulator::start(organization());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let demo = Demo { url: simulator.url().to_owned(), folder: folder.path().to_owned() };
    let snapshots =
        [("package-type", "npm"), ("packages", "left-pad\nright-*"), ("tags", r".*-pr\.\d+"), ("older-than", "7d")];

    heading("1. A dry run: which pull request builds of the npm packages would go?");
    let planned = demo.step(&[&snapshots[..], &[("dry-run", "true")]].concat());

    heading("2. The same step for real");
    let applied = demo.step(&snapshots);
    println!("\nThe job summary, as Markdown:\n\n{}", demo.read("summary"));

    heading("3. One of them was needed after all: back it comes");
    let id = demo.first_deleted();
    let restored =
        demo.step(&[("mode", "restore"), ("package-type", "npm"), ("packages", "left-pad"), ("version-ids", &id)]);

    heading("4. Images of the container registry are planned and shown (changing them comes with the image graph)");
    let images = demo.step(&[("packages", "vuls-data-db"), ("tags", "vuls-data-raw-.*"), ("dry-run", "true")]);

    heading("What is left");
    for package in ["left-pad", "right-pad", "vuls-data-db"] {
        println!("{package}: {}", simulator.github().left(package).join(", "));
    }
    if [planned, applied, restored, images].iter().all(|status| *status == Status::Complete) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// An organization as there are many: releases, builds of pull requests, and images.
fn organization() -> GitHub {
    let captured = include_str!("../tests/data/github/observed/real-versions-2025-07.json");
    let captured: Vec<Value> = serde_json::from_str(captured).expect("captured versions");
    let documented = include_str!("../tests/data/github/examples/package-versions-for-org.json");
    let documented: Vec<Value> = serde_json::from_str(documented).expect("documented versions");
    let left_pad =
        [("1.0.0", 90.0), ("1.1.0-pr.41", 60.0), ("1.1.0-pr.42", 40.0), ("1.1.0", 30.0), ("1.2.0-pr.57", 2.0)];
    let right_pad = [("0.1.0", 80.0), ("0.2.0-pr.7", 20.0), ("0.2.0-pr.8", 15.0)];
    let aged =
        |versions: &[(&str, f64)]| versions.iter().map(|(name, days)| Version::new(name).days_old(*days)).collect();
    GitHub::new()
        .organization("octo-org")
        .user("octocat")
        .token(TOKEN, Token::classic("octocat", &["delete:packages", "write:packages"]))
        .package("octo-org", "npm", "left-pad", aged(&left_pad))
        .package("octo-org", "npm", "right-pad", aged(&right_pad))
        .package("octo-org", "npm", "hello-world-npm", documented.iter().map(Version::captured).collect())
        .package("octo-org", "maven", "com.example.lib", aged(&[("2.0.0", 50.0), ("2.1.0-SNAPSHOT", 5.0)]))
        .package("octo-org", "container", "vuls-data-db", captured.iter().map(Version::captured).collect())
}

fn heading(text: &str) {
    println!("\n{text}\n{}", "=".repeat(text.len()));
}

struct Demo {
    url: String,
    folder: std::path::PathBuf,
}

impl Demo {
    /// Runs the action's own pipeline with these inputs.
    fn step(&self, inputs: &[(&str, &str)]) -> Status {
        let file = |name: &str| self.folder.join(name).to_string_lossy().into_owned();
        for name in ["output", "summary"] {
            let _ = fs::remove_file(self.folder.join(name));
        }
        println!("with:");
        for (name, value) in inputs {
            println!("  {name}: {}", value.replace('\n', ", "));
        }
        println!();
        let around = [
            ("INPUT_TOKEN".to_owned(), TOKEN.to_owned()),
            ("INPUT_OWNER".to_owned(), "octo-org".to_owned()),
            ("GITHUB_API_URL".to_owned(), self.url.clone()),
            ("GITHUB_OUTPUT".to_owned(), file("output")),
            ("GITHUB_STEP_SUMMARY".to_owned(), file("summary")),
        ];
        let inputs = inputs.iter().map(|(name, value)| (format!("INPUT_{}", name.to_uppercase()), (*value).to_owned()));
        let variables = around.into_iter().chain(inputs).map(|(name, value)| (name.into(), value.into()));
        let environment = Environment::new(variables, self.folder.clone());
        let log = Rc::new(Log::new(Box::new(std::io::stdout()), false, false));
        let (_stopper, stop) = stop::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(run(&environment, Rc::new(SystemClock::start()), stop, log))
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(Path::new(&self.folder).join(name)).unwrap_or_default()
    }

    /// The id of a deleted version, from the outputs of the last step.
    fn first_deleted(&self) -> String {
        let outputs = self.read("output");
        let deleted = outputs.lines().skip_while(|line| !line.starts_with("deleted-versions<<")).nth(1).unwrap_or("[]");
        let deleted: Vec<Value> = serde_json::from_str(deleted).unwrap_or_default();
        let in_left_pad = deleted.iter().find(|version| version["package"] == "left-pad");
        in_left_pad.map(|version| version["id"].to_string()).unwrap_or_default()
    }
}
