//! The image, run as GitHub's runner runs a container action. Needs Docker and an image, so that it
//! is left out unless asked for: `TIDY_PACKAGES_IMAGE=… cargo test --test image -- --ignored`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

use std::process::{Command, Stdio};

mod runner;
mod simulator;

use runner::{Ended, Step, TOKEN};
use simulator::{GitHub, Simulator, Token, images};

/// Runs a step in the image: variables are handed on by name, and the runner's folders are mounted
/// (<https://docs.github.com/actions/reference/dockerfile-support-for-github-actions>).
#[expect(clippy::disallowed_methods, reason = "which image is meant is no input of the action")]
fn run(step: Step) -> Ended {
    let image = std::env::var("TIDY_PACKAGES_IMAGE").expect("TIDY_PACKAGES_IMAGE names the image");
    let workspace = step.workspace();
    let folder = workspace.parent().expect("the step's folder").to_owned();
    let step = step
        .variable("GITHUB_OUTPUT", "/github/file_commands/output")
        .variable("GITHUB_STEP_SUMMARY", "/github/file_commands/summary")
        .variable("GITHUB_WORKSPACE", "/github/workspace");
    step.run_with(|command| {
        let mut docker = Command::new("docker");
        // loopback is this machine's, where the make-believe GitHub is
        docker.args(["run", "--rm", "--network", "host", "--workdir", "/github/workspace"]);
        docker.args(["--volume", &format!("{}:/github/file_commands", folder.display())]);
        docker.args(["--volume", &format!("{}:/github/workspace", workspace.display())]);
        for (name, value) in command.get_envs() {
            docker.arg("--env").arg(name).env(name, value.expect("a value"));
        }
        docker.arg(image).current_dir(&folder);
        docker.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        *command = docker;
    })
}

#[test]
#[ignore = "needs Docker and TIDY_PACKAGES_IMAGE"]
fn an_image_of_a_pull_request_goes_and_the_release_stays_whole() {
    let world = GitHub::new().organization("octo-org").token(TOKEN, Token::workflow()).package(
        "octo-org",
        "container",
        "app",
        images("v1[v1] 90 -> amd,arm · pr[pr-1] 60 -> amd,extra"),
    );
    let simulator = Simulator::start(world);
    let ended = run(Step::new(simulator.url()).input("tags", "pr-.*").input("older-than", "14d"));
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!((ended.output("status"), ended.output("deleted"), ended.output("kept")), ("complete", "2", "3"));
    assert!(ended.summary.contains("pr-1"), "{}", ended.summary);
    assert!(ended.workspace().join(ended.output("report")).exists());
    assert!(simulator.github().broken_images().is_empty());
}

#[test]
#[ignore = "needs Docker and TIDY_PACKAGES_IMAGE"]
fn wrong_input_ends_the_step_and_names_the_input() {
    let ended = run(Step::new("http://127.0.0.1:9").input("older-than", "30"));
    assert_eq!(ended.code, Some(1), "{}", ended.log);
    assert!(ended.log.contains("::error") && ended.log.contains("older-than"), "{}", ended.log);
    assert_eq!(ended.output("status"), "failed");
}
