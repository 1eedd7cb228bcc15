//! `cargo bench`: how much a run asks for and how long it takes, each beside the floor that the
//! server's distance and GitHub's limits leave.
//!
//! Counts come first: requests and manifest reads decide, and are the same on every machine. Whole
//! runs are the real binary against the simulator, which answers as late as a real server would:
//! 80 ms for a call of the API, 40 ms for a manifest. `cargo bench -- deleting` runs one part.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a benchmark prints")]
#![allow(clippy::disallowed_methods, reason = "a benchmark measures real time")]

#[path = "../../tests/runner/mod.rs"]
mod runner;
#[path = "../../tests/simulator/mod.rs"]
mod simulator;
#[path = "../../tests/virtual_time/mod.rs"]
mod virtual_time;

mod deleting;
mod planning;
mod process;

use std::{fs, time::Duration};

use runner::{Ended, Step, TOKEN};
use simulator::{GitHub, Simulator, Token, Version};

/// How long the API takes to answer.
const API: Duration = Duration::from_millis(80);
/// How long the registry takes to answer.
const REGISTRY: Duration = Duration::from_millis(40);

fn main() {
    let wanted: Vec<_> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let is_wanted = |part: &str| wanted.is_empty() || wanted.iter().any(|wanted| part.contains(wanted.as_str()));
    println!("| what | counted | took | floor | times the floor | memory |");
    println!("| --- | --- | ---: | ---: | ---: | ---: |");
    for (part, run) in [
        ("process", process::run as fn()),
        ("planning-ten-thousand", planning::ten_thousand),
        ("planning-hundred-thousand", planning::hundred_thousand),
        ("planning-packages", planning::two_thousand_packages),
        ("deleting", deleting::run),
        ("deleting-of-many", deleting::of_many),
        ("deleting-in-real-time", deleting::in_real_time),
    ] {
        if is_wanted(part) {
            run();
        }
    }
}

/// A line of the table.
fn line(what: &str, counted: &str, took: Duration, floor: Option<Duration>, memory: Option<u64>) {
    let took_seconds = seconds(took);
    let ratio = floor.map(|floor| format!("{:.1}", took.as_secs_f64() / floor.as_secs_f64())).unwrap_or_default();
    let floor = floor.map(seconds).unwrap_or_default();
    let memory = memory.map(|bytes| format!("{} MB", bytes / 1_000_000)).unwrap_or_default();
    println!("| {what} | {counted} | {took_seconds} | {floor} | {ratio} | {memory} |");
}

fn seconds(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{:.1} ms", duration.as_secs_f64() * 1_000.0)
    } else {
        format!("{:.2} s", duration.as_secs_f64())
    }
}

/// An organization with a token that may do everything.
fn organization() -> GitHub {
    GitHub::new()
        .organization("octo-org")
        .user("octocat")
        .token(TOKEN, Token::classic("octocat", &["read:packages", "write:packages", "delete:packages"]))
}

/// Serves one package of images from as far away as GitHub is.
fn far_away(versions: Vec<Version>) -> Simulator {
    let mut github = organization().package("octo-org", "container", "app", versions);
    github.latency = (API, REGISTRY);
    Simulator::start(github)
}

/// What one run asked for and took.
struct Measured {
    ended: Ended,
    took: Duration,
    /// The most memory it had, in bytes.
    memory: u64,
    api_reads: usize,
    changes: usize,
    manifests: usize,
}

impl Measured {
    fn counted(&self) -> String {
        let Self { api_reads, changes, manifests, .. } = self;
        format!("{api_reads} API reads, {manifests} manifests, {changes} changes")
    }
}

/// Runs a step to its end and looks at its memory meanwhile.
fn measure(simulator: &Simulator, inputs: &[(&str, &str)]) -> Measured {
    measure_with(simulator, inputs, None)
}

/// The same, with the report of an earlier run as `plan.json` in the workspace.
fn measure_with(simulator: &Simulator, inputs: &[(&str, &str)], report: Option<Vec<u8>>) -> Measured {
    let step = inputs.iter().fold(Step::new(simulator.url()), |step, (name, value)| step.input(name, value));
    if let Some(report) = report {
        fs::write(step.workspace().join("plan.json"), report).unwrap();
    }
    let before = simulator.requests().len();
    let begun = std::time::Instant::now();
    let running = step.start();
    let process = running.id();
    let watcher = std::thread::spawn(move || {
        let mut most = 0;
        while let Some(now) = peak_memory(process) {
            most = now;
            std::thread::sleep(Duration::from_millis(5));
        }
        most
    });
    let ended = running.end();
    let took = begun.elapsed();
    let requests = simulator.requests().split_off(before);
    let of_registry = |path: &str| path.starts_with("/v2/") || path == "/token";
    let count =
        |wanted: &dyn Fn(&simulator::Request) -> bool| requests.iter().filter(|request| wanted(request)).count();
    Measured {
        took,
        memory: watcher.join().expect("the watcher"),
        api_reads: count(&|request| !request.is_change() && !of_registry(&request.path)),
        changes: count(&|request| request.is_change()),
        manifests: count(&|request| request.path.contains("/manifests/")),
        ended,
    }
}

/// The most memory that a process has had so far; `None` once it has ended.
fn peak_memory(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1_024)
}
