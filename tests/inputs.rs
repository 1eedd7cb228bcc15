//! Wrong inputs from outside: every complaint at once, and no request.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "these are tests")]

use std::os::unix::ffi::OsStrExt;

mod runner;
mod simulator;

use runner::{Ended, Step};
use simulator::{GitHub, Simulator};

/// Runs with the inputs and returns what was complained of; no request may have been sent.
#[track_caller]
fn complaints(inputs: &[(&str, &str)]) -> Vec<String> {
    let simulator = Simulator::start(GitHub::new());
    let step = inputs.iter().fold(Step::new(simulator.url()), |step, (name, value)| step.input(name, value));
    refused(step.run(), &simulator)
}

#[track_caller]
fn refused(ended: Ended, simulator: &Simulator) -> Vec<String> {
    assert_eq!((ended.code, simulator.requests().len()), (Some(1), 0), "{}", ended.log);
    assert_eq!((ended.output("status"), ended.output("deleted")), ("failed", "0"));
    let errors = ended.log.lines().filter_map(|line| {
        let line = line.strip_prefix("::error title=Tidy Packages::").or_else(|| line.strip_prefix("error: "))?;
        Some(line.to_owned())
    });
    let errors: Vec<_> = errors.collect();
    assert!(!errors.is_empty() && ended.summary.contains("nothing was done"), "{}", ended.summary);
    errors
}

/// The inputs, and the words that the only complaint has to have.
type Row = (&'static [(&'static str, &'static str)], &'static [&'static str]);

#[test]
fn each_wrong_input_is_named_with_the_nearest_form() {
    let rows: &[Row] = &[
        (&[("tags", "a"), ("older-than", "30")], &["`older-than`", "30d"]),
        (&[("tags", "a"), ("older-than", "30 days ago")], &["`older-than`"]),
        (&[("tags", "a"), ("older-than", "-3d")], &["`older-than`"]),
        (&[("tags", "a"), ("older-than", "1M")], &["`older-than`", "mo"]),
        (&[("tags", "a"), ("mode", "delte")], &["`mode`", "delete"]),
        (&[("mode", "undo")], &["`mode`", "restore"]),
        (&[("tags", "*")], &["`tags`", "is .* here"]),
        (&[("tags", "a"), ("max-delete-percent", "20.5")], &["`max-delete-percent`", "whole number"]),
        (&[("tags", "a"), ("package-type", "Container")], &["`package-type`", "container"]),
        (&[("tags", "a"), ("dry-run", "yes")], &["`dry-run`", "true", "false"]),
        (&[("tags", "a"), ("keep-latest", "-1")], &["`keep-latest`"]),
        (&[("tags", "a"), ("keep-latest", "2.5")], &["`keep-latest`"]),
        (&[("tags", "a"), ("concurrency", "91")], &["`concurrency`", "1 to 90"]),
        (&[("tags", "a"), ("max-delete-percent", "120")], &["`max-delete-percent`"]),
        (&[("tags", "(")], &["`tags`", "("]),
        (&[("tags", "a(?!b)")], &["`tags`", "look-around"]),
        (&[("tags", "v1,v2")], &["`tags`", "one pattern a line"]),
        (&[("tags", "feature/.*")], &["`tags`", "'/'"]),
        (&[("tags", "a"), ("exclude-tags", "b c")], &["`exclude-tags`", "' '"]),
        (&[("tags", "a"), ("exclude-tags", "none\nb")], &["`exclude-tags`", "none"]),
        (&[("tags", "a"), ("exclude-tags", "None")], &["`exclude-tags`", "spelled none"]),
        (&[("tag-status", "untagged"), ("tags", "a")], &["`tag-status`", "tags"]),
        (&[("tag-status", "Tagged"), ("tags", "a")], &["`tag-status`", "tagged"]),
        (&[("tag-status", "tagged")], &["`tag-status`", "everything"]),
        (&[("tag-status", "any"), ("keep-latest", "0")], &["`tag-status`", "everything"]),
        (&[("tag-status", "tagged"), ("older-than", "0s")], &["`tag-status`", "everything"]),
        (&[], &["`tags`", "nothing says what may be deleted"]),
        (&[("keep-latest", "3")], &["`tags`", "only narrow"]),
        (&[("tags", "a"), ("group-by", "^(a)")], &["`group-by`", "keep-latest"]),
        (&[("tags", "a"), ("keep-latest", "1"), ("group-by", "^a")], &["`group-by`", "parentheses"]),
        (&[("version-ids", "1"), ("older-than", "1d")], &["`older-than`", "version-ids"]),
        (&[("version-ids", "1"), ("packages", "a,b")], &["`packages`", "version-ids"]),
        (&[("version-ids", "v1.2")], &["`version-ids`", "v1.2"]),
        (&[("tags", "a"), ("packages", "!b")], &["`packages`", "take away"]),
        (&[("tags", "a"), ("packages", "ghcr.io/octo-org/app")], &["`packages`", "did you mean app?"]),
        (&[("tags", "a"), ("packages", "..")], &["`packages`"]),
        (&[("tags", "a"), ("packages", "a/../b")], &["`packages`"]),
        (&[("tags", "a"), ("packages", ",")], &["`packages`", "no package"]),
        (&[("tags", "a"), ("api-url", "user:secret@h")], &["`api-url`", "no user"]),
        (&[("tags", "a"), ("package-type", "npm")], &["`packages`", "empty"]),
        (
            &[("tags", "a"), ("package-type", "npm"), ("packages", "b"), ("tag-status", "tagged")],
            &["`tag-status`", "container"],
        ),
        (&[("tags", "a"), ("owner", "octo-org/app")], &["`owner`", "octo-org?"]),
        (&[("tags", "a"), ("token", " ")], &["`token`", "empty", "fork"]),
        (&[("tags", "a"), ("token", "ghp_a\nghp_b")], &["`token`"]),
        (
            &[("tags", "a"), ("api-url", "http://github.example.com/api/v3")],
            &["`api-url`", "https://github.example.com"],
        ),
        (&[("tags", "a"), ("api-url", "https://gïthub.example")], &["`api-url`", "international"]),
        (&[("tags", "a"), ("registry-url", "ghcr.io")], &["`registry-url`", "https://"]),
        (&[("tags", "a"), ("report-file", "../../out.json")], &["`report-file`", "workspace"]),
        (&[("tags", "a"), ("deleted-within", "1d")], &["`deleted-within`", "restore"]),
        (&[("mode", "restore")], &["`mode`", "version-ids"]),
        (&[("mode", "restore"), ("tags", "a"), ("older-than", "1d")], &["`older-than`", "delete"]),
        (&[("tags", "a"), ("dryrun", "true")], &["`dryrun`", "`dry-run`", "`env:`"]),
        (&[("tags", "a"), ("dry_run", "true")], &["`dry_run`", "`dry-run`", "`env:`"]),
        (&[("mode", "report"), ("deleted-within", "1d")], &["`deleted-within`", "restore"]),
        (&[("target", "packages")], &["`packages`", "empty"]),
        (&[("target", "packages"), ("packages", "app*")], &["`packages`", "exact names"]),
        (&[("target", "packages"), ("packages", "app"), ("tags", "a")], &["`tags`", "without filters"]),
        (&[("target", "packages"), ("packages", "app"), ("version-ids", "1")], &["`version-ids`", "without filters"]),
        (&[("from-report", "plan.json")], &["`from-report`", "plan.json", "cannot be read"]),
        (&[("from-report", "../plan.json")], &["`from-report`", "workspace"]),
        (&[("tags", "a"), ("points-per-minute", "5")], &["`points-per-minute`", "6 or more"]),
        (&[("tags", "a"), ("time-limit", "90")], &["`time-limit`", "90s"]),
    ];
    for (inputs, words) in rows {
        let complaints = complaints(inputs);
        assert_eq!(complaints.len(), 1, "{inputs:?}: {complaints:#?}");
        for word in *words {
            assert!(complaints[0].contains(word), "{inputs:?}: {} has no {word}", complaints[0]);
        }
    }
}

#[test]
fn all_complaints_are_told_at_once_in_the_order_of_the_documentation() {
    let inputs = [
        ("older-than", "x"),
        ("dry-run", "maybe"),
        ("olderthan", "1d"),
        ("mode", "x"),
        ("tags", "("),
        ("concurrency", "0"),
    ];
    let complaints = complaints(&inputs);
    let named = ["`olderthan`", "`mode`", "`tags`", "`older-than`", "`dry-run`", "`concurrency`"];
    assert_eq!(complaints.len(), named.len(), "{complaints:#?}");
    for (complaint, name) in complaints.iter().zip(named) {
        assert!(complaint.starts_with(&format!("input {name}")), "{complaint}");
    }
}

#[test]
fn more_than_ten_complaints_are_all_in_the_log() {
    let names: Vec<_> = (0..15).map(|number| format!("nonsense-{number}")).collect();
    let inputs: Vec<_> = names.iter().map(|name| (name.as_str(), "1")).chain([("tags", "a")]).collect();
    assert_eq!(complaints(&inputs).len(), 15);
}

#[test]
fn a_value_that_is_no_text_is_an_error_and_elsewhere_in_the_environment_it_is_none() {
    let simulator = Simulator::start(GitHub::new());
    let broken = std::ffi::OsStr::from_bytes(b"a\xff");
    let step = || Step::new(simulator.url()).inputs("tags=a");
    let errors = refused(
        step().run_with(|command| {
            command.env("INPUT_EXCLUDE-TAGS", broken);
        }),
        &simulator,
    );
    assert!(errors.len() == 1 && errors[0].contains("`exclude-tags`") && errors[0].contains("UTF-8"), "{errors:?}");
    let ended = step().run_with(|command| {
        command.env("UNRELATED", broken);
    });
    assert!(!ended.log.contains("UTF-8") && !simulator.requests().is_empty(), "{}", ended.log);
}

#[test]
fn what_the_runner_and_unset_inputs_bring_is_no_error() {
    let simulator = Simulator::start(GitHub::new());
    let mut step = Step::new(simulator.url()).inputs("tags=a args=x entrypoint=y");
    for input in tidy_packages::inputs::ALL.iter().filter(|input| !matches!(input.name, "token" | "tags")) {
        step = step.input(input.name, "");
    }
    let ended = step.run();
    assert!(ended.log.contains("401: Bad credentials"), "{}", ended.log);
}

#[test]
fn outside_of_a_workflow_the_defaults_are_asked_for() {
    let simulator = Simulator::start(GitHub::new());
    let step =
        Step::new(simulator.url()).inputs("tags=a").without("GITHUB_REPOSITORY").without("GITHUB_REPOSITORY_OWNER");
    let errors = refused(step.run(), &simulator);
    assert!(errors.len() == 2 && errors[0].contains("`owner`") && errors[1].contains("`packages`"), "{errors:?}");
}

#[test]
fn without_files_for_outputs_and_summary_the_log_tells_it_all() {
    let ended = Step::new("http://127.0.0.1:9")
        .without("GITHUB_ACTIONS")
        .without("GITHUB_OUTPUT")
        .without("GITHUB_STEP_SUMMARY")
        .inputs("tags=a older-than=30")
        .run();
    assert_eq!(ended.code, Some(1));
    assert!(ended.log.starts_with("error: input `older-than`"), "{}", ended.log);
}

#[test]
fn another_spelling_beside_an_input_is_an_error_and_never_wins() {
    let simulator = Simulator::start(GitHub::new());
    let step = Step::new(simulator.url()).inputs("tags=a dry-run=true").variable("INPUT_dry-run", "false");
    let errors = refused(step.run(), &simulator);
    assert!(errors.len() == 1 && errors[0].contains("INPUT_dry-run") && errors[0].contains("`dry-run`"), "{errors:?}");
}
