//! Whole packages, and all 27 endpoints of the Packages API by documented inputs alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

use std::{collections::BTreeSet, fs};

use serde_json::{Value, json};

mod runner;
mod simulator;

use runner::{Ended, Step, TOKEN};
use simulator::{Answer, Effect, Fault, GitHub, Simulator, Token, Version, images};

fn world() -> GitHub {
    GitHub::new()
        .organization("octo-org")
        .user("octocat")
        .user("hubot")
        .token(TOKEN, Token::classic("octocat", &["read:packages", "write:packages", "delete:packages"]))
}

fn three() -> GitHub {
    let versions = || images("A[pr-1] -> a,b · V[v1]");
    ["one", "two", "three"]
        .into_iter()
        .fold(world(), |world, name| world.package("octo-org", "container", name, versions()))
}

fn run(simulator: &Simulator, inputs: &[(&str, &str)]) -> Ended {
    let step = Step::new(simulator.url()).input("target", "packages");
    inputs.iter().fold(step, |step, (name, value)| step.input(name, value)).run()
}

fn there(simulator: &Simulator) -> Vec<String> {
    let mut github = simulator.github();
    let packages = github.packages.iter_mut().filter(|package| package.deleted_at.is_none());
    packages.map(|package| package.name.clone()).collect()
}

#[test]
fn whole_packages_go_and_come_back_by_their_exact_names() {
    let simulator = Simulator::start(three());
    let dry = run(&simulator, &[("packages", "one,two"), ("dry-run", "true")]);
    assert_eq!((dry.code, dry.count("selected"), simulator.changes().len()), (Some(0), 8, 0), "{}", dry.log);
    let gone = run(&simulator, &[("packages", "one,two")]);
    assert_eq!((gone.code, gone.output("status"), gone.count("deleted")), (Some(0), "complete", 8), "{}", gone.log);
    assert_eq!(there(&simulator), ["three"]);
    assert_eq!(simulator.changes().len(), 2, "one change a package: {:?}", simulator.changes());
    assert_eq!(gone.report()["packages"][0]["decision"], "delete");
    assert!(simulator.pulls().is_empty(), "nothing depends on manifests");
    let back = run(&simulator, &[("mode", "restore"), ("packages", "one,two")]);
    assert_eq!((back.code, back.count("restored")), (Some(0), 8), "{}", back.log);
    assert_eq!((there(&simulator).len(), &back.report()["packages"][0]["decision"]), (3, &json!("restore")));
    let again = run(&simulator, &[("mode", "restore"), ("packages", "one,two")]);
    assert_eq!((again.code, again.count("restored"), simulator.changes().len()), (Some(0), 0, 4), "{}", again.log);
}

#[test]
fn the_report_of_a_run_that_took_packages_brings_them_back_and_the_one_of_a_dry_run_takes_them() {
    let simulator = Simulator::start(three());
    let with_report = |report: &Value, inputs: &[(&str, &str)]| {
        let step = Step::new(simulator.url()).input("from-report", "plan.json");
        fs::write(step.workspace().join("plan.json"), report.to_string()).expect("a report");
        inputs.iter().fold(step, |step, (name, value)| step.input(name, value)).run()
    };
    let dry = run(&simulator, &[("packages", "one,two"), ("dry-run", "true")]);
    // something is pushed to one of them before the plan is applied
    simulator.github().push("two", Version::image("new", &["v2"]));
    let applied = with_report(&dry.report(), &[]);
    assert_eq!((applied.code, applied.count("deleted"), applied.count("skipped")), (Some(0), 4, 5), "{}", applied.log);
    assert_eq!(there(&simulator), ["two", "three"]);
    assert_eq!(applied.report()["packages"][1]["versions"][0]["reason"], "changed");
    let undone = with_report(&applied.report(), &[("mode", "restore")]);
    assert_eq!((undone.code, undone.count("restored")), (Some(0), 4), "{}", undone.log);
    assert_eq!(there(&simulator).len(), 3);
}

#[test]
fn a_package_to_which_something_is_added_meanwhile_stays() {
    let push = Effect::Meanwhile(std::sync::Arc::new(|github: &mut GitHub| {
        github.push("one", Version::image("new", &["v2"]));
    }));
    let simulator = Simulator::start(three().fault(Fault::on("GET", "/versions?", push).after(1).times(1)));
    let ended = run(&simulator, &[("packages", "one")]);
    assert_eq!((ended.code, ended.count("skipped"), simulator.changes().len()), (Some(0), 4, 0), "{}", ended.log);
}

#[test]
fn what_is_excluded_keeps_its_package_and_says_so() {
    let simulator = Simulator::start(three());
    let ended = run(&simulator, &[("packages", "one"), ("exclude-tags", "v1")]);
    assert_eq!((ended.code, ended.count("kept"), there(&simulator).len()), (Some(0), 4, 3), "{}", ended.log);
    assert!(ended.log.contains("its package stays as a whole"), "{}", ended.log);
    // by default that is latest, whatever selects
    simulator.github().package_mut("one").versions[0].tags.push("latest".to_owned());
    let ended = run(&simulator, &[("packages", "one")]);
    assert_eq!((ended.code, there(&simulator).len()), (Some(0), 3), "{}", ended.log);
    assert!(ended.log.contains("::warning") && ended.log.contains("set exclude-tags: none"), "{}", ended.log);
    let ended = run(&simulator, &[("packages", "one"), ("exclude-tags", "none")]);
    assert_eq!((ended.count("deleted"), there(&simulator).len()), (4, 2), "{}", ended.log);
}

#[test]
fn a_push_that_may_be_under_way_keeps_its_package() {
    let young = images("V[v1] 0.1 -> a,b · x 0.1");
    let loose = young.last().expect("a version").clone();
    let simulator = Simulator::start(world().package("octo-org", "container", "one", young));
    let ended = run(&simulator, &[("packages", "one")]);
    assert_eq!((ended.code, ended.count("kept"), there(&simulator).len()), (Some(0), 4, 1), "{}", ended.log);
    assert_eq!(
        ended.version(&loose.name)["reason"],
        "protected: untagged and younger than 1d (untagged-grace)",
        "the parts of v1 would go with it"
    );
    assert!(ended.log.contains("set untagged-grace: 0s"), "{}", ended.log);
    simulator.github().delete(&loose.name);
    let ended = run(&simulator, &[("packages", "one")]);
    assert_eq!((ended.count("deleted"), there(&simulator).len()), (3, 0), "{}", ended.log);
}

#[test]
fn a_version_of_which_too_little_is_told_keeps_its_package() {
    for patch in [json!({"metadata": null}), json!({"updated_at": "soon"})] {
        let mut versions = images("A[pr-1] · V[v1]");
        versions[0] = versions[0].clone().patched(patch);
        let simulator = Simulator::start(world().package("octo-org", "container", "one", versions));
        for dry_run in ["true", "false"] {
            let ended = run(&simulator, &[("packages", "one"), ("dry-run", dry_run)]);
            assert_eq!((ended.code, ended.count("kept"), ended.count("selected")), (Some(0), 2, 0), "{}", ended.log);
            assert!(ended.log.contains("one stays as a whole: GitHub does not say"), "{}", ended.log);
        }
        assert!(simulator.changes().is_empty());
    }
}

#[test]
fn limits_and_guards_count_packages() {
    let names = ("packages", "one,two,three");
    let simulator = Simulator::start(three());
    let refused = run(&simulator, &[names, ("max-deletions", "2")]);
    assert_eq!((refused.code, refused.output("status"), there(&simulator).len()), (Some(1), "refused", 3));
    let limited = run(&simulator, &[names, ("limit", "2"), ("max-deletions", "2")]);
    assert_eq!((limited.code, limited.count("kept")), (Some(0), 4), "{}", limited.log);
    assert_eq!(there(&simulator), ["three"]);
}

#[test]
fn a_package_that_github_keeps_is_retained_and_told_in_its_words() {
    let mut github = three();
    github.package_mut("one").versions[0].downloads = 6_000;
    let simulator = Simulator::start(github);
    let ended = run(&simulator, &[("packages", "one,two")]);
    assert_eq!((ended.code, ended.output("status")), (Some(0), "complete"), "{}", ended.log);
    assert_eq!((ended.count("retained"), ended.count("deleted")), (4, 4), "{}", ended.log);
    assert!(ended.log.contains("more than 5000 downloads cannot be deleted"), "{}", ended.log);
}

#[test]
fn what_is_not_there_fails_alone_and_what_cannot_come_back_is_told() {
    let simulator = Simulator::start(three());
    let ended = run(&simulator, &[("packages", "one,nothing")]);
    assert_eq!((ended.code, ended.output("status"), ended.count("deleted")), (Some(1), "failed", 4), "{}", ended.log);
    assert!(ended.log.contains("no container package nothing"), "{}", ended.log);
    let ended = run(&simulator, &[("mode", "restore"), ("packages", "nothing,one")]);
    assert_eq!((ended.code, ended.count("restored")), (Some(1), 4), "{}", ended.log);
    assert!(ended.log.contains("30 days"), "{}", ended.log);
}

#[test]
fn a_token_without_the_right_is_told_before_anything_is_tried() {
    let simulator = Simulator::start(three().token(TOKEN, Token::classic("octocat", &["read:packages"])));
    simulator.github().package_mut("one").deleted_at = Some(jiff::Zoned::now().timestamp());
    for (inputs, scope) in [
        ([("mode", "delete"), ("packages", "two")], "delete:packages"),
        ([("mode", "restore"), ("packages", "one")], "write:packages"),
    ] {
        let ended = run(&simulator, &inputs);
        assert_eq!((ended.code, simulator.changes().len()), (Some(1), 0), "{}", ended.log);
        assert!(ended.log.contains(&format!("lacks the scope {scope}")), "{}", ended.log);
    }
}

#[test]
fn a_lost_answer_to_a_package_that_comes_back_is_a_success() {
    let lost = Fault::on("POST", "/restore", Effect::AfterDoing(Answer::observed("server-error"))).times(1);
    let simulator = Simulator::start(three().fault(lost));
    simulator.github().package_mut("one").deleted_at = Some(jiff::Zoned::now().timestamp());
    let ended = run(&simulator, &[("mode", "restore"), ("packages", "one")]);
    assert_eq!((ended.code, ended.count("restored")), (Some(0), 4), "{}", ended.log);
}

#[test]
fn ids_are_looked_up_one_by_one() {
    let simulator =
        Simulator::start(world().package("octo-org", "npm", "app", ["1", "2", "3"].map(Version::new).to_vec()));
    let ids: Vec<_> = simulator.github().package_mut("app").versions.iter().map(|version| version.id).collect();
    let step = Step::new(simulator.url()).inputs("package-type=npm packages=app");
    let ended = step.input("version-ids", &format!("{},{}", ids[0], ids[1])).run();
    assert_eq!((ended.code, ended.count("deleted")), (Some(0), 2), "{}", ended.log);
    let asked: Vec<_> =
        simulator.requests().into_iter().filter(|request| request.method == "GET").map(|it| it.path).collect();
    for id in &ids[..2] {
        assert!(asked.contains(&format!("/orgs/octo-org/packages/npm/app/versions/{id}")), "{asked:#?}");
    }
}

/// An endpoint as GitHub's description writes it.
fn endpoint(request: &simulator::Request, owner: &str) -> String {
    let path = request.path.replace(&format!("/{owner}/"), "/{owner}/");
    let mut segments: Vec<String> = path.split('/').map(str::to_owned).collect();
    if let Some(place) = segments.iter().position(|segment| segment == "packages") {
        for (offset, name) in [(1, "{package_type}"), (2, "{package_name}"), (4, "{package_version_id}")] {
            if let Some(segment) = segments.get_mut(place + offset).filter(|segment| *segment != "restore") {
                *segment = name.to_owned();
            }
        }
    }
    format!("{} {}", request.method, segments.join("/"))
}

#[test]
fn every_one_of_the_27_endpoints_is_called_for_some_documented_input() {
    let description: Value = serde_json::from_str(include_str!("data/github/packages.json")).expect("the description");
    let mut documented = BTreeSet::new();
    for (path, methods) in description["paths"].as_object().expect("paths") {
        let path = path.replace("{org}", "{owner}").replace("{username}", "{owner}");
        documented.extend(
            methods.as_object().expect("methods").keys().map(|method| format!("{} {path}", method.to_uppercase())),
        );
    }
    assert_eq!(documented.len(), 27);
    let mut called = BTreeSet::new();
    for owner in ["octo-org", "octocat", "hubot"] {
        let simulator =
            Simulator::start(world().package(owner, "container", "app", images("A[pr-1] -> a · B[pr-2] · V[v1]")));
        let id =
            simulator.github().package_mut("app").versions.last().map(|version| version.id.to_string()).expect("it");
        let steps: [&[(&str, &str)]; 6] = [
            // lists packages and their versions, and the conflicts
            &[("mode", "report"), ("packages", "a*")],
            // reads a package, and deletes versions
            &[("packages", "app"), ("tags", "pr-1")],
            // looks a version up
            &[("packages", "app"), ("version-ids", &id), ("dry-run", "true")],
            &[("mode", "restore"), ("packages", "app"), ("deleted-within", "1h")],
            &[("target", "packages"), ("packages", "app")],
            &[("mode", "restore"), ("target", "packages"), ("packages", "app")],
        ];
        for inputs in steps {
            let step = Step::new(simulator.url()).input("owner", owner);
            let ended = inputs.iter().fold(step, |step, (name, value)| step.input(name, value)).run();
            assert_eq!(
                (ended.code, ended.output("status")),
                (Some(0), "complete"),
                "{owner} {inputs:?}: {}",
                ended.log
            );
        }
        called.extend(simulator.requests().iter().map(|request| endpoint(request, owner)));
        assert_eq!(simulator.github().left("app").len(), 4);
    }
    let missing: Vec<_> = documented.difference(&called).collect();
    assert!(missing.is_empty(), "never called: {missing:#?}");
}
