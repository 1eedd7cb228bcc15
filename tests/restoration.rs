//! Restorations from outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

use serde_json::json;

mod runner;
mod simulator;

use runner::{Step, TOKEN};
use simulator::{Answer, Effect, Fault, GitHub, Simulator, Token, Version};

fn npm(versions: Vec<Version>) -> GitHub {
    GitHub::new()
        .organization("octo-org")
        .user("octocat")
        .token(TOKEN, Token::classic("octocat", &["delete:packages", "write:packages"]))
        .package("octo-org", "npm", "left-pad", versions)
}

fn versions() -> Vec<Version> {
    ["1.0.0", "1.1.0-pr.1", "1.1.0-pr.2", "1.1.0"].map(Version::new).to_vec()
}

fn step(simulator: &Simulator) -> Step {
    Step::new(simulator.url()).inputs("package-type=npm packages=left-pad")
}

fn left(simulator: &Simulator) -> Vec<String> {
    let mut left = simulator.github().left("left-pad");
    left.sort();
    left
}

#[test]
fn restoring_undoes_deleting_by_ids_tags_or_time() {
    for select in ["ids", "tags", "time"] {
        let simulator = Simulator::start(npm(versions()));
        let before = simulator.github().package_mut("left-pad").versions.clone();
        let deleted = step(&simulator).input("tags", ".*-pr.*").run();
        assert_eq!((deleted.count("deleted"), left(&simulator).len()), (2, 2), "{}", deleted.log);
        let ids: Vec<_> = deleted
            .json("deleted-versions")
            .as_array()
            .into_iter()
            .flatten()
            .map(|version| version["id"].to_string())
            .collect();
        let restore = step(&simulator).input("mode", "restore");
        let restored = match select {
            "ids" => restore.input("version-ids", &ids.join(",")),
            "tags" => restore.input("tags", ".*-pr.*"),
            _ => restore.input("deleted-within", "1h"),
        }
        .run();
        assert_eq!((restored.code, restored.output("status")), (Some(0), "complete"), "{select}: {}", restored.log);
        assert_eq!(
            (restored.count("restored"), restored.json("restored-versions").as_array().map(Vec::len)),
            (2, Some(2))
        );
        let mut after = simulator.github().package_mut("left-pad").versions.clone();
        after.sort_by_key(|version| version.id);
        assert_eq!(after, before, "{select}");
    }
}

#[test]
fn restoring_twice_is_harmless() {
    let simulator = Simulator::start(npm(versions()));
    let deleted = step(&simulator).input("tags", "1.1.0-pr.1").run();
    let id = deleted.json("deleted-versions")[0]["id"].to_string();
    let restore = || step(&simulator).input("mode", "restore").input("version-ids", &id).run();
    assert_eq!(restore().count("restored"), 1);
    let again = restore();
    assert_eq!(
        (again.code, again.output("status"), again.count("restored")),
        (Some(0), "complete", 0),
        "{}",
        again.log
    );
    assert_eq!(
        again
            .versions()
            .iter()
            .find(|version| version["id"].to_string().as_str() == id)
            .map(|version| version["reason"].clone()),
        Some(json!("not deleted, nothing to restore"))
    );
}

#[test]
fn a_dry_run_restores_nothing() {
    let simulator = Simulator::start(npm(versions()));
    step(&simulator).input("tags", ".*-pr.*").run();
    let changes = simulator.changes().len();
    let ended = step(&simulator).inputs("mode=restore tags=.*-pr.* dry-run=true").run();
    assert_eq!((ended.code, ended.count("selected"), ended.count("restored")), (Some(0), 2, 0));
    assert_eq!(simulator.changes().len(), changes);
}

#[test]
fn what_cannot_come_back_is_told_once_and_tried_once() {
    let simulator = Simulator::start(npm(versions()));
    step(&simulator).input("tags", ".*-pr.*").run();
    // somebody published a version of that name since
    simulator.github().package_mut("left-pad").versions.push(Version::new("1.1.0-pr.1").id(77).days_old(0.0));
    let ended = step(&simulator).inputs("mode=restore tags=.*-pr.*").run();
    assert_eq!((ended.code, ended.output("status")), (Some(1), "failed"));
    assert_eq!((ended.count("restored"), ended.count("failed")), (1, 1), "{}", ended.log);
    assert!(ended.log.contains("30 days") && ended.log.contains("taken"), "{}", ended.log);
    assert_eq!(simulator.changes().iter().filter(|line| line.starts_with("POST")).count(), 2);
}

#[test]
fn an_id_that_never_was_stops_it_all() {
    let simulator = Simulator::start(npm(versions()));
    let deleted = step(&simulator).input("tags", ".*-pr.*").run();
    let id = deleted.json("deleted-versions")[0]["id"].to_string();
    let ended = step(&simulator).input("mode", "restore").input("version-ids", &format!("{id},99")).run();
    assert_eq!((ended.code, ended.output("status"), left(&simulator).len()), (Some(1), "failed", 2));
    assert!(ended.log.contains("version-ids: 99"), "{}", ended.log);
}

#[test]
fn a_lost_answer_to_a_restoration_is_counted_once() {
    let fault = Fault::on("POST", "/restore", Effect::AfterDoing(Answer::observed("server-error"))).times(1);
    let simulator = Simulator::start(npm(versions()).fault(fault));
    step(&simulator).input("tags", ".*-pr.*").run();
    let ended = step(&simulator).inputs("mode=restore deleted-within=1d").run();
    assert_eq!((ended.code, ended.count("restored"), ended.count("failed")), (Some(0), 2, 0), "{}", ended.log);
    assert_eq!(left(&simulator).len(), 4);
}

#[test]
fn a_token_that_may_only_delete_is_told_what_it_lacks() {
    let github = npm(versions()).token(TOKEN, Token::classic("octocat", &["read:packages", "delete:packages"]));
    let simulator = Simulator::start(github);
    step(&simulator).input("tags", "1.1.0-pr.1").run();
    let ended = step(&simulator).inputs("mode=restore deleted-within=1d").run();
    assert_eq!((ended.code, ended.output("status")), (Some(1), "failed"));
    assert!(ended.log.contains("lacks the scope write:packages"), "{}", ended.log);
    assert_eq!(simulator.changes().len(), 1);
}

#[test]
fn a_whole_image_comes_back_however_it_is_selected() {
    for select in ["version-ids", "deleted-within", "tags"] {
        let images = simulator::images("I[pr-1] -> J,a,b · J -> c · R[sha256-a.sig] => r · v[v1] -> w,a");
        let simulator = Simulator::start(npm(Vec::new()).package("octo-org", "container", "app", images));
        let before = simulator.github().package_mut("app").versions.len();
        let deleted = Step::new(simulator.url()).input("tags", "pr-.*").run();
        assert_eq!((deleted.code, deleted.count("deleted")), (Some(0), 4), "{}", deleted.log);
        let root = deleted.version("pr-1");
        let value = match select {
            "version-ids" => root["id"].to_string(),
            "deleted-within" => "1h".to_owned(),
            _ => "pr-.*".to_owned(),
        };
        let restored = Step::new(simulator.url()).inputs("mode=restore packages=app").input(select, &value).run();
        assert_eq!((restored.code, restored.count("restored")), (Some(0), 4), "{select}: {}", restored.log);
        assert!(simulator.github().broken_images().is_empty(), "{select}");
        assert_eq!(simulator.github().package_mut("app").versions.len(), before);
    }
}

#[test]
fn an_image_that_is_there_and_lacks_parts_is_made_whole_by_its_id() {
    let images = simulator::images("I[v2] -> a,b · v[v1] 200");
    let simulator = Simulator::start(npm(Vec::new()).package("octo-org", "container", "app", images));
    let (root, part) = {
        let mut github = simulator.github();
        let package = github.package_mut("app");
        let mut part = package.versions.remove(1);
        part.deleted_at = Some(jiff::Zoned::now().timestamp());
        package.deleted.push(part.clone());
        let root = package.versions.iter().find(|version| version.tags == ["v2"]).expect("the index");
        (root.id, part.id)
    };
    assert_eq!(simulator.github().broken_images(), ["v2"]);
    let step =
        || Step::new(simulator.url()).inputs("mode=restore packages=app").input("version-ids", &root.to_string());
    let restored = step().run();
    assert_eq!((restored.code, restored.count("restored")), (Some(0), 1), "{}", restored.log);
    assert_eq!(simulator.changes(), [format!("POST /orgs/octo-org/packages/container/app/versions/{part}/restore")]);
    assert!(simulator.github().broken_images().is_empty());
    assert_eq!(step().run().count("restored"), 0);
}

#[test]
fn of_what_was_deleted_twice_the_last_deletion_is_undone() {
    for restore in [("tags", "1.1.0-pr.1"), ("deleted-within", "1h")] {
        let simulator = Simulator::start(npm(versions()));
        step(&simulator).input("tags", "1.1.0-pr.1").run();
        simulator.github().push("left-pad", Version::new("1.1.0-pr.1").id(7_000_000_000));
        let again = step(&simulator).input("tags", "1.1.0-pr.1").run();
        assert_eq!(again.count("deleted"), 1, "{}", again.log);
        let ended = step(&simulator).input("mode", "restore").input(restore.0, restore.1).run();
        assert_eq!((ended.code, ended.count("restored"), ended.count("kept")), (Some(0), 1, 1), "{}", ended.log);
        assert_eq!(left(&simulator), ["1.0.0", "1.1.0", "1.1.0-pr.1", "1.1.0-pr.2"]);
    }
}
