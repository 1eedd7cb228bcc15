//! `cargo demo`: the real pipeline against a make-believe GitHub, without a token.
//!
//! An organization with images and packages: an inventory, a dry run that shows the plan, the plan
//! applied, what went brought back, and the summary printed. `cargo demo -- FOLDER` keeps the summaries
//! of the inventory and of the clean-up there, which `docs/pictures/make` renders, and the reports.
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

use simulator::{GitHub, Simulator, Token, Version, images};

const TOKEN: &str = "ghp_demo_token_that_opens_nothing";

fn main() -> ExitCode {
    let simulator = Simulator::start(organization());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let demo = Demo { url: simulator.url().to_owned(), folder: folder.path().to_owned() };
    let pull_requests = [("packages", "app"), ("tag-status", "any"), ("tags", "pr-.*"), ("older-than", "14d")];

    heading("1. What is there? An inventory changes nothing");
    let told = demo.step(&[("mode", "report"), ("packages", "app")]);
    demo.keep("summary", "inventory.md");

    heading("2. A dry run: which images of pull requests would go, and what is left over without a tag?");
    let dry = [("dry-run", "true"), ("report-file", "plan.json")];
    let planned = demo.step(&[&pull_requests[..], &dry].concat());

    heading("3. Its report is the plan: exactly that is carried out");
    let applied = demo.step(&[("from-report", "plan.json"), ("report-file", "applied.json")]);
    println!("\nThe job summary, as Markdown:\n\n{}", demo.read("summary"));
    demo.keep("summary", "clean-up.md");
    ["plan.json", "applied.json"].into_iter().for_each(|report| demo.keep(report, report));

    heading("4. It was needed after all: back it comes, the parts of images first");
    let restored = demo.step(&[("mode", "restore"), ("from-report", "applied.json")]);

    heading("5. Builds of pull requests among the npm packages");
    let snapshots =
        [("package-type", "npm"), ("packages", "left-pad\nright-*"), ("tags", r".*-pr\.\d+"), ("older-than", "7d")];
    let npm = demo.step(&snapshots);

    heading("What is left");
    for package in ["app", "left-pad", "right-pad"] {
        let left = simulator.github().left(package);
        let (parts, names): (Vec<_>, Vec<_>) = left.into_iter().partition(|name| name.starts_with("sha256"));
        let parts = if parts.is_empty() { String::new() } else { format!(", and {} parts of images", parts.len()) };
        println!("{package}: {}{parts}", names.join(", "));
    }
    let broken = simulator.github().broken_images();
    println!("broken images: {}", if broken.is_empty() { "none".to_owned() } else { broken.join(", ") });
    if broken.is_empty() && [told, planned, applied, restored, npm].iter().all(|status| *status == Status::Complete) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Releases and images of pull requests, of two platforms with an attestation each. A release is
/// signed, and one pull request was merged as it was: release and image share their platforms.
const IMAGES: &str = "release[v1.0] 90 -> amd64,arm64,attested-amd64,attested-arm64 · \
                      signature[sha256-release.sig] 90 · \
                      first[pr-41] 60 -> first-amd64,first-arm64,first-attested · \
                      first-signature[sha256-first-amd64.sig] 60 · \
                      second[pr-42] 40 -> amd64,arm64,second-attested · \
                      third[pr-57] 2 -> third-amd64,third-arm64,third-attested · \
                      lost 50 -> lost-amd64,lost-arm64 · \
                      latest[v1.1,latest] 30 -> new-amd64,new-arm64";

/// An organization as there are many: releases, builds of pull requests, and images.
fn organization() -> GitHub {
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
        .package("octo-org", "container", "app", images(IMAGES))
        .package("octo-org", "npm", "left-pad", aged(&left_pad))
        .package("octo-org", "npm", "right-pad", aged(&right_pad))
        .package("octo-org", "npm", "hello-world-npm", documented.iter().map(Version::captured).collect())
        .package("octo-org", "maven", "com.example.lib", aged(&[("2.0.0", 50.0), ("2.1.0-SNAPSHOT", 5.0)]))
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

    /// Keeps a file of the last step under this name, if somebody asked for it.
    fn keep(&self, file: &str, name: &str) {
        if let Some(folder) = std::env::args_os().nth(1) {
            fs::copy(self.folder.join(file), Path::new(&folder).join(name)).expect("the folder for what is kept");
        }
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(Path::new(&self.folder).join(name)).unwrap_or_default()
    }
}
