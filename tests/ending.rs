//! How a run ends when it does not end by itself, and what it leaves in the workspace.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    time::{Duration, Instant},
};

mod runner;
mod simulator;

use runner::{Step, TOKEN};
use simulator::{Effect, Fault, GitHub, Simulator, Token, Version};

fn npm(fault: Option<Fault>) -> GitHub {
    let versions =
        (0..6).map(|number| Version::new(&format!("1.{number}")).days_old(60.0 - f64::from(number))).collect();
    let github = GitHub::new()
        .organization("octo-org")
        .user("octocat")
        .token(TOKEN, Token::classic("octocat", &["read:packages", "delete:packages"]))
        .package("octo-org", "npm", "left-pad", versions);
    fault.into_iter().fold(github, GitHub::fault)
}

fn step(simulator: &Simulator) -> Step {
    Step::new(simulator.url()).inputs("package-type=npm packages=left-pad tags=1\\.[0-4] concurrency=1")
}

/// Waits until the server has seen this many requests of a method.
fn until_seen(simulator: &Simulator, method: &str, count: usize) {
    let patience = Instant::now();
    while simulator.requests().iter().filter(|request| request.method == method).count() < count {
        assert!(patience.elapsed() < Duration::from_secs(20), "the run never came so far");
        std::thread::yield_now();
    }
}

#[test]
fn a_cancelled_run_tells_what_it_did_and_what_it_does_not_know() {
    for signal in ["INT", "TERM"] {
        let hang = Fault::on("DELETE", "/versions/", Effect::HangAfterDoing).after(2);
        let simulator = Simulator::start(npm(Some(hang)));
        let running = step(&simulator).start();
        until_seen(&simulator, "DELETE", 3);
        let signalled = Instant::now();
        running.signal(signal);
        let ended = running.end();
        assert!(signalled.elapsed() < Duration::from_secs(5));
        assert_eq!((ended.code, ended.output("status")), (Some(1), "cancelled"), "{}", ended.log);
        assert_eq!((ended.count("deleted"), ended.count("failed"), ended.count("skipped")), (2, 1, 2));
        assert_eq!(ended.version("1.2")["outcome"], "unknown");
        assert_eq!(ended.version("1.3")["outcome"], "skipped");
        assert_eq!(ended.report()["status"], "cancelled");
        assert!(ended.summary.contains("cancelled"));
        assert_eq!(simulator.changes().len(), 3);
    }
}

#[test]
fn cancelled_while_it_reads_it_changes_nothing() {
    let simulator = Simulator::start(npm(Some(Fault::on("GET", "/versions", Effect::Hang))));
    let running = step(&simulator).start();
    until_seen(&simulator, "GET", 3);
    running.signal("TERM");
    let ended = running.end();
    assert_eq!((ended.code, ended.output("status"), simulator.changes().len()), (Some(1), "cancelled", 0));
}

#[test]
fn a_server_that_hangs_while_it_reads_holds_it_no_longer_than_its_time_limit() {
    let simulator = Simulator::start(npm(Some(Fault::on("GET", "/versions", Effect::Hang))));
    let begun = Instant::now();
    let ended = step(&simulator).input("time-limit", "1s").run();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!((ended.code, ended.output("status"), simulator.changes().len()), (Some(0), "partial", 0));
    assert!(ended.log.contains("::warning") && ended.log.contains("time-limit"), "{}", ended.log);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let simulator = Simulator::start(npm(Some(Fault::on("DELETE", "/versions/", Effect::Hang))));
    let running = step(&simulator).start();
    until_seen(&simulator, "DELETE", 1);
    let signalled = Instant::now();
    running.signal("INT");
    running.signal("TERM");
    assert_eq!(running.end().code, Some(1));
    assert!(signalled.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_killed_run_leaves_its_plan_in_the_workspace() {
    let simulator = Simulator::start(npm(Some(Fault::on("DELETE", "/versions/", Effect::Hang).after(1))));
    let step = step(&simulator);
    let path = step.workspace().join("tidy-packages.json");
    let running = step.start();
    until_seen(&simulator, "DELETE", 2);
    let report: serde_json::Value = serde_json::from_slice(&fs::read(path).expect("a report")).expect("JSON");
    running.signal("KILL");
    assert_eq!(running.end().code, None);
    assert_eq!(report["status"], "running");
    let planned = report["packages"][0]["versions"].as_array().expect("versions");
    assert!(planned.iter().filter(|version| version["outcome"] == "planned").count() >= 4);
}

#[test]
fn the_report_is_readable_belongs_to_the_workspace_and_overwrites_nothing() {
    let simulator = Simulator::start(npm(None));
    let step = step(&simulator).input("dry-run", "true");
    let workspace = step.workspace();
    fs::write(workspace.join("tidy-packages.json"), "mine").expect("a file");
    let ended = step.run();
    assert_eq!(ended.output("report"), "tidy-packages-2.json");
    assert_eq!(fs::read_to_string(workspace.join("tidy-packages.json")).expect("a file"), "mine");
    let file = fs::metadata(workspace.join("tidy-packages-2.json")).expect("a report");
    let folder = fs::metadata(&workspace).expect("a workspace");
    assert_eq!((file.permissions().mode() & 0o777, file.uid(), file.gid()), (0o644, folder.uid(), folder.gid()));
    let names: Vec<_> =
        fs::read_dir(&workspace).expect("a workspace").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(names.len(), 2, "nothing half-written is left: {names:?}");
}

#[test]
fn a_report_that_cannot_be_written_refuses_before_the_first_request() {
    let simulator = Simulator::start(npm(None));
    let step = step(&simulator).input("report-file", "folder/report.json");
    fs::write(step.workspace().join("folder"), "a file where a folder should be").expect("a file");
    let ended = step.run();
    assert_eq!(
        (ended.code, ended.output("status"), simulator.requests().len()),
        (Some(1), "refused", 0),
        "{}",
        ended.log
    );
    assert!(ended.log.contains("report-file") && ended.summary.contains("report"), "{}", ended.log);
}

#[test]
fn a_link_out_of_the_workspace_is_not_followed() {
    let simulator = Simulator::start(npm(None));
    let elsewhere = tempfile::tempdir().expect("a folder");
    let step = step(&simulator).input("report-file", "link/report.json");
    symlink(elsewhere.path(), step.workspace().join("link")).expect("a link");
    let ended = step.run();
    assert_eq!((ended.code, ended.output("status")), (Some(1), "refused"));
    assert_eq!(fs::read_dir(elsewhere.path()).expect("a folder").count(), 0);
}

#[test]
fn without_a_report_everything_else_is_the_same() {
    let simulator = Simulator::start(npm(None));
    let step = step(&simulator).input("report-file", "none");
    let workspace = step.workspace();
    let ended = step.run();
    assert_eq!((ended.code, ended.output("report"), ended.count("deleted")), (Some(0), "", 5));
    assert_eq!(fs::read_dir(workspace).expect("a workspace").count(), 0);
}
