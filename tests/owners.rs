//! Six types, three kinds of owner, three kinds of token, servers: the right paths each time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

use std::fs;

mod runner;
mod simulator;

use runner::{Step, TOKEN};
use simulator::{GitHub, Simulator, Token, Version};

const TYPES: [&str; 6] = ["npm", "maven", "rubygems", "docker", "nuget", "container"];

fn token() -> Token {
    Token::classic("octocat", &["delete:packages", "write:packages"])
}

fn world(owner: &str, package_type: &str, name: &str) -> GitHub {
    let version = |name| match package_type {
        "container" => Version::image(name, &[name]),
        _ => Version::new(name).tags(&[name]),
    };
    let versions = ["1", "2", "3"].map(version).to_vec();
    GitHub::new().organization("octo-org").user("octocat").user("hubot").token(TOKEN, token()).package(
        owner,
        package_type,
        name,
        versions,
    )
}

#[test]
fn every_type_is_deleted_and_restored_for_every_kind_of_owner() {
    for (owner, base) in [("octo-org", "/orgs/octo-org/"), ("octocat", "/user/"), ("hubot", "/users/hubot/")] {
        for package_type in TYPES {
            let simulator = Simulator::start(world(owner, package_type, "app"));
            let step = || {
                Step::new(simulator.url())
                    .inputs("packages=app")
                    .input("package-type", package_type)
                    .input("owner", owner)
            };
            let deleted = step().input("tags", "1|2").run();
            assert_eq!(
                (deleted.code, deleted.count("deleted")),
                (Some(0), 2),
                "{owner} {package_type}: {}",
                deleted.log
            );
            let restored = step().inputs("mode=restore deleted-within=1h").run();
            assert_eq!(
                (restored.code, restored.count("restored")),
                (Some(0), 2),
                "{owner} {package_type}: {}",
                restored.log
            );
            assert_eq!(simulator.github().left("app").len(), 3);
            let changes = simulator.changes();
            assert!(changes.len() == 4 && changes.iter().all(|line| line.contains(base)), "{changes:?}");
        }
    }
}

#[test]
fn a_workflow_token_works_for_users_and_organizations_alike() {
    for owner in ["octo-org", "octocat"] {
        for token in [Token::workflow(), Token::app()] {
            let simulator = Simulator::start(world(owner, "npm", "app").token(TOKEN, token));
            let ended =
                Step::new(simulator.url()).inputs("package-type=npm packages=app tags=1").input("owner", owner).run();
            assert_eq!((ended.code, ended.count("deleted")), (Some(0), 1), "{}", ended.log);
            // `/user/…` is not for a token without a namespace
            assert!(simulator.requests().iter().all(|request| !request.path.starts_with("/user/")));
        }
    }
}

#[test]
fn owners_are_compared_without_case() {
    let simulator = Simulator::start(world("octocat", "npm", "app"));
    let ended = Step::new(simulator.url()).inputs("package-type=npm packages=app tags=1 owner=OctoCat").run();
    assert_eq!((ended.code, ended.count("deleted")), (Some(0), 1), "{}", ended.log);
    assert!(simulator.changes()[0].contains(" /user/packages/"));
}

#[test]
fn the_event_tells_the_kind_of_owner_when_it_speaks_of_the_same() {
    let simulator = Simulator::start(world("octo-org", "npm", "app"));
    let run = |login: &str| {
        let step = Step::new(simulator.url()).inputs("package-type=npm packages=app tags=1 dry-run=true");
        let path = step.workspace().with_file_name("event.json");
        let event = format!(r#"{{"repository": {{"owner": {{"login": "{login}", "type": "Organization"}}}}}}"#);
        fs::write(&path, event).unwrap_or_else(|error| panic!("{error}"));
        let asked_before = simulator.requests().len();
        let ended = step.variable("GITHUB_EVENT_PATH", &path.to_string_lossy()).run();
        assert_eq!(ended.code, Some(0), "{}", ended.log);
        simulator.requests()[asked_before..].iter().any(|request| request.path == "/users/octo-org")
    };
    assert!(!run("Octo-Org"));
    assert!(run("hubot"));
}

#[test]
fn an_owner_that_does_not_exist_is_told() {
    let simulator = Simulator::start(world("octo-org", "npm", "app"));
    let ended = Step::new(simulator.url()).inputs("package-type=npm packages=app tags=1 owner=nobody").run();
    assert_eq!((ended.code, ended.output("status")), (Some(1), "failed"));
    assert!(ended.log.contains("no user or organization `nobody`"), "{}", ended.log);
}

#[test]
fn a_server_below_a_path_is_spoken_to_there() {
    let simulator = Simulator::start(world("octo-org", "maven", "com.example.lib").prefix("/api/v3"));
    let ended = Step::new(simulator.url()).inputs("package-type=maven packages=com.example.lib tags=1").run();
    assert_eq!((ended.code, ended.count("deleted")), (Some(0), 1), "{}", ended.log);
    assert!(simulator.requests().iter().all(|request| request.path.starts_with("/api/v3/")));
    assert_eq!(ended.report()["api_url"], simulator.url());
}

#[test]
fn names_are_one_segment_and_nothing_climbs_out_of_it() {
    for name in ["preview-last/first-next", "@octo-org/left-pad", "com.example.lib", "a b%2F?c#d", "größe"] {
        let simulator = Simulator::start(world("octo-org", "npm", name));
        let ended = Step::new(simulator.url()).inputs("package-type=npm tags=1").input("packages", name).run();
        assert_eq!((ended.code, ended.count("deleted")), (Some(0), 1), "{name}: {}", ended.log);
    }
    // names that a listing brings are not ours to trust
    let climbing = world("octo-org", "npm", "..").package("octo-org", "npm", "versions", Vec::new());
    let simulator = Simulator::start(climbing);
    let ended = Step::new(simulator.url()).inputs("package-type=npm packages=* tags=1").run();
    assert_eq!((ended.code, simulator.changes().len()), (Some(1), 0), "{}", ended.log);
}

#[test]
fn every_request_says_who_asks_and_which_api_is_meant() {
    let simulator = Simulator::start(world("octo-org", "npm", "app"));
    Step::new(simulator.url()).inputs("package-type=npm packages=app tags=1").run();
    for request in simulator.requests() {
        assert!(request.header("user-agent").is_some_and(|agent| agent.starts_with("tidy-packages/")));
        assert_eq!(request.header("x-github-api-version"), Some("2022-11-28"));
        assert_eq!(request.header("accept"), Some("application/vnd.github+json"));
    }
}
