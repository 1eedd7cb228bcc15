//! Deletions from outside: the real binary, a real server, the files a runner would read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

use serde_json::json;

mod runner;
mod simulator;

use runner::{Step, TOKEN};
use simulator::{Answer, Effect, Fault, GitHub, Paging, Simulator, Token, Version};

/// An organization with one npm package and a token that may do everything.
fn npm(versions: Vec<Version>) -> GitHub {
    GitHub::new()
        .organization("octo-org")
        .user("octocat")
        .token(TOKEN, Token::classic("octocat", &["read:packages", "delete:packages", "write:packages"]))
        .package("octo-org", "npm", "left-pad", versions)
}

/// Versions of that many days, by name.
fn aged(versions: &[(&str, f64)]) -> Vec<Version> {
    versions.iter().map(|(name, days)| Version::new(name).days_old(*days)).collect()
}

fn step(simulator: &Simulator) -> Step {
    Step::new(simulator.url()).inputs("package-type=npm packages=left-pad")
}

#[test]
fn old_builds_go_and_releases_stay() {
    let versions = aged(&[("1.0.0", 50.0), ("1.1.0-pr.1", 40.0), ("1.1.0-pr.2", 2.0), ("1.1.0", 1.0)]);
    let simulator = Simulator::start(npm(versions));
    let ended = step(&simulator).input("tags", r".*-pr\.\d+").input("older-than", "7d").run();
    assert_eq!((ended.code, ended.output("status")), (Some(0), "complete"), "{}", ended.log);
    assert_eq!(simulator.github().left("left-pad"), ["1.0.0", "1.1.0-pr.2", "1.1.0"]);
    assert_eq!((ended.count("selected"), ended.count("deleted"), ended.count("kept")), (1, 1, 3));
    let report = ended.report();
    assert_eq!((&report["status"], &report["schema"]), (&json!("complete"), &json!(1)));
    assert_eq!(ended.version("1.1.0-pr.1")["outcome"], "done");
    assert_eq!(ended.version("1.1.0-pr.2")["reason"], "younger than 7d (older-than)");
    assert_eq!(ended.version("1.0.0")["reason"], "no tag matches tags");
    assert_eq!(ended.json("deleted-versions")[0]["name"], "1.1.0-pr.1");
}

#[test]
fn a_dry_run_decides_the_same_and_writes_nothing() {
    let versions = || aged(&[("1.0.0", 50.0), ("1.1.0-pr.1", 40.0), ("1.1.0-pr.2", 30.0)]);
    let plan = |dry_run: &str| {
        let simulator = Simulator::start(npm(versions()));
        let ended = step(&simulator).input("tags", ".*-pr.*").input("dry-run", dry_run).run();
        (ended.decided("delete"), ended.count("selected"), simulator.changes().len(), ended)
    };
    let (dry, live) = (plan("true"), plan("false"));
    assert_eq!((&dry.0, dry.1), (&live.0, live.1));
    assert_eq!((dry.2, live.2), (0, 2));
    assert_eq!((dry.3.count("deleted"), dry.3.count("skipped"), dry.3.count("kept")), (0, 0, 1));
    assert!(dry.3.summary.contains("nothing was changed"));
}

#[test]
fn a_second_run_deletes_nothing_more() {
    let simulator = Simulator::start(npm(aged(&[("1", 9.0), ("2", 8.0), ("3", 7.0), ("4", 6.0)])));
    let run = || step(&simulator).input("tags", ".*").input("keep-latest", "2").run();
    assert_eq!(run().count("deleted"), 2);
    assert_eq!(run().count("deleted"), 0);
    assert_eq!(simulator.github().left("left-pad"), ["3", "4"]);
}

#[test]
fn the_last_version_is_retained_and_the_package_lives_on() {
    let simulator = Simulator::start(npm(aged(&[("1", 9.0), ("2", 8.0)])));
    let ended = step(&simulator).input("tags", ".*").run();
    assert_eq!(simulator.github().left("left-pad"), ["2"]);
    assert_eq!((ended.count("selected"), ended.count("deleted"), ended.count("retained")), (2, 1, 1));
    assert_eq!((ended.code, &ended.version("2")["reason"]), (Some(0), &json!("last tagged image")));
}

#[test]
fn what_github_refuses_is_retained_and_no_failure() {
    let versions = vec![Version::new("1").downloads(5_001), Version::new("2"), Version::new("3").days_old(1.0)];
    let simulator = Simulator::start(npm(versions));
    let ended = step(&simulator).input("tags", "1|2").run();
    assert_eq!((ended.code, ended.output("status")), (Some(0), "complete"), "{}", ended.log);
    assert_eq!((ended.count("retained"), ended.count("deleted")), (1, 1));
    assert!(ended.log.contains("more than 5000 downloads") && ended.log.contains("request id"), "{}", ended.log);
    assert!(ended.summary.contains("retained"));
}

#[test]
fn gone_already_is_done() {
    let versions = aged(&[("1", 9.0), ("2", 8.0), ("3", 1.0)]);
    let vanish = Effect::Meanwhile(std::sync::Arc::new(|github: &mut GitHub| {
        github.package_mut("left-pad").versions.retain(|version| version.name != "1");
    }));
    let simulator = Simulator::start(npm(versions).fault(Fault::on("DELETE", "/versions/", vanish).times(1)));
    let ended = step(&simulator).input("tags", "1|2").run();
    assert_eq!((ended.code, ended.count("deleted")), (Some(0), 2), "{}", ended.log);
    assert_eq!(ended.version("1")["outcome"], "gone");
}

#[test]
fn a_missing_right_is_found_once_and_told_as_such() {
    let names: Vec<String> = (0..40).map(|number| format!("{number}")).collect();
    let versions = || names.iter().map(|name| Version::new(name)).collect();
    for (token, says) in [
        (Token::classic("octocat", &["read:packages", "delete:packages"]).without_admin(), "still there"),
        (Token::workflow().without_admin(), "Resource not accessible by integration"),
    ] {
        let simulator = Simulator::start(npm(versions()).token(TOKEN, token));
        let ended = step(&simulator).input("tags", "[0-9]").run();
        assert_eq!((ended.code, ended.output("status")), (Some(1), "failed"));
        assert_eq!(simulator.changes().len(), 1, "{:?}", simulator.changes());
        assert!(ended.log.contains(says) && ended.log.contains("Manage Actions access"), "{}", ended.log);
        assert_eq!((ended.count("failed"), ended.count("skipped"), ended.count("deleted")), (1, 9, 0));
    }
}

#[test]
fn a_missing_scope_is_named_before_the_first_change() {
    let github = || npm(aged(&[("1", 9.0), ("2", 8.0)])).token(TOKEN, Token::classic("octocat", &["read:packages"]));
    let simulator = Simulator::start(github());
    let ended = step(&simulator).input("tags", "1").run();
    assert_eq!((ended.code, ended.output("status"), simulator.changes().len()), (Some(1), "failed", 0));
    assert!(ended.log.contains("lacks the scope delete:packages"), "{}", ended.log);
    assert_eq!(ended.count("skipped"), 1);

    let dry = step(&Simulator::start(github())).input("tags", "1").input("dry-run", "true").run();
    assert_eq!((dry.code, dry.output("status")), (Some(0), "complete"));
    assert!(dry.log.contains("::warning") && dry.log.contains("delete:packages"));
}

#[test]
fn a_wrong_token_is_told_as_such() {
    let simulator = Simulator::start(npm(aged(&[("1", 9.0)])));
    let ended = step(&simulator).input("token", "ghp_another_token_entirely").input("tags", "1").run();
    assert_eq!((ended.code, ended.output("status")), (Some(1), "failed"));
    assert!(ended.log.contains("401: Bad credentials") && ended.log.contains("revoked or expired"), "{}", ended.log);
}

#[test]
fn guards_hold_the_whole_plan_back_and_name_it() {
    let versions = || (0..10).map(|number| Version::new(&format!("1.{number}"))).collect();
    let simulator = Simulator::start(npm(versions()));
    let ended = step(&simulator).input("tags", r"1\.[0-5]").input("max-delete-percent", "50").run();
    assert_eq!((ended.code, ended.output("status"), simulator.changes().len()), (Some(1), "refused", 0));
    assert_eq!((ended.count("selected"), ended.count("skipped")), (6, 6));
    for number in 0..6 {
        assert!(ended.summary.contains(&format!("| 1.{number} |")), "{}", ended.summary);
    }
    assert_eq!(ended.decided("delete").len(), 6);
    for told in [&ended.log, &ended.summary] {
        assert!(told.contains("refused: 6 of 10 versions would go") && !told.contains("nothing to do"), "{told}");
    }

    let simulator = Simulator::start(npm(versions()));
    let ended = step(&simulator).input("tags", r"1\.[0-5]").input("max-deletions", "5").run();
    assert_eq!((ended.code, ended.output("status"), simulator.changes().len()), (Some(1), "refused", 0));
}

#[test]
fn a_limit_takes_the_oldest_and_leaves_the_rest_for_the_next_run() {
    let simulator = Simulator::start(npm(aged(&[("a", 3.0), ("b", 9.0), ("c", 6.0), ("d", 1.0)])));
    let ended = step(&simulator).input("tags", "[abc]").input("limit", "2").run();
    assert_eq!((ended.code, ended.output("status")), (Some(0), "complete"));
    assert_eq!(simulator.github().left("left-pad"), ["a", "d"]);
    assert_eq!((ended.count("selected"), ended.count("kept")), (2, 2));
    assert_eq!(ended.version("a")["reason"], "left for the next run (limit 2)");
}

#[test]
fn ids_name_exactly_what_goes_and_one_that_is_not_there_stops_it_all() {
    let versions = || vec![Version::new("1").id(11), Version::new("2").id(22), Version::new("3").id(33)];
    let simulator = Simulator::start(npm(versions()));
    let ended = step(&simulator).input("version-ids", "22").run();
    assert_eq!((ended.code, simulator.github().left("left-pad")), (Some(0), vec!["1".to_owned(), "3".to_owned()]));

    let simulator = Simulator::start(npm(versions()));
    let ended = step(&simulator).input("version-ids", "11\n44").run();
    assert_eq!((ended.code, ended.output("status"), simulator.changes().len()), (Some(1), "failed", 0));
    assert!(ended.log.contains("version-ids: 44 not among"), "{}", ended.log);
}

#[test]
fn all_pages_are_read_even_where_links_are_missing_or_lead_elsewhere() {
    for paging in [Paging::AsGitHub, Paging::WithoutLast, Paging::WithoutLink, Paging::OtherOrigin] {
        let versions = (0..250).map(|number| Version::new(&format!("1.0.{number}"))).collect();
        let name = "preview-last/first-next";
        let github = npm(Vec::new()).package("octo-org", "container", name, versions).paging(paging);
        let simulator = Simulator::start(github);
        let ended = Step::new(simulator.url()).inputs("tag-status=untagged dry-run=true").input("packages", name).run();
        assert_eq!(ended.report()["packages"][0]["active"], 250, "{paging:?}: {}", ended.log);
        let hosts = simulator.requests();
        assert!(hosts.iter().all(|request| request.header("host").is_some_and(|host| host.starts_with("127.0.0.1"))));
    }
}

#[test]
fn an_answer_that_says_it_is_incomplete_ends_the_package() {
    let simulator = Simulator::start(npm(aged(&[("1", 9.0), ("2", 8.0)])).paging(Paging::Partial));
    let ended = step(&simulator).input("tags", "1").run();
    assert_eq!((ended.code, simulator.changes().len()), (Some(1), 0));
    assert!(ended.log.contains("single sign-on"), "{}", ended.log);
}

#[test]
fn one_packages_failure_leaves_the_others_done() {
    let github =
        npm(aged(&[("1", 9.0), ("2", 8.0)])).package("octo-org", "npm", "right-pad", aged(&[("1", 9.0), ("2", 8.0)]));
    let simulator = Simulator::start(github);
    let ended = step(&simulator).input("packages", "left-pda\nright-pad").input("tags", "1").run();
    assert_eq!((ended.code, ended.output("status"), ended.count("deleted")), (Some(1), "failed", 1));
    assert!(ended.log.contains("Did you mean left-pad"), "{}", ended.log);

    let ended = step(&simulator).input("packages", "left-pda").input("tags", "1").input("if-missing", "ignore").run();
    assert_eq!((ended.code, ended.output("status")), (Some(0), "complete"));
}

#[test]
fn globs_take_and_take_away() {
    let two = || aged(&[("1", 9.0), ("2", 8.0)]);
    let github = npm(two()).package("octo-org", "npm", "left-hand", two()).package("octo-org", "npm", "right", two());
    let simulator = Simulator::start(github);
    let ended = step(&simulator).input("packages", "left-*,!*-hand").input("tags", "1").run();
    assert_eq!((ended.code, ended.count("deleted")), (Some(0), 1), "{}", ended.log);
    assert_eq!(simulator.github().left("left-pad"), ["2"]);
    assert_eq!(simulator.github().left("left-hand").len(), 2);
}

#[test]
fn a_glob_of_containers_needs_a_token_that_may_list() {
    let simulator = Simulator::start(npm(Vec::new()).token(TOKEN, Token::workflow()));
    let ended = Step::new(simulator.url()).input("packages", "*").input("tag-status", "untagged").run();
    assert_eq!((ended.code, ended.output("status")), (Some(1), "failed"));
    assert!(ended.log.contains("GITHUB_TOKEN may not") && ended.log.contains("Invalid argument."), "{}", ended.log);
}

#[test]
fn a_lost_answer_is_asked_for_again_and_counted_once() {
    let faults = [
        Fault::on("DELETE", "/versions/", Effect::AfterDoing(Answer::observed("server-error"))).times(1),
        Fault::on("DELETE", "/versions/", Effect::CutOff).times(1),
        Fault::on("GET", "/versions", Effect::Answer(Answer::html(200))).times(1),
        Fault::on("GET", "/packages/npm", Effect::CutOff).times(1),
    ];
    for fault in faults {
        let simulator = Simulator::start(npm(aged(&[("1", 9.0), ("2", 8.0), ("3", 1.0)])).fault(fault));
        let ended = step(&simulator).input("tags", "1|2").run();
        assert_eq!((ended.code, ended.count("deleted"), ended.count("failed")), (Some(0), 2, 0), "{}", ended.log);
        assert_eq!(simulator.github().left("left-pad"), ["3"]);
    }
}

#[test]
fn a_limit_answer_is_waited_out() {
    let limit = Answer::observed("secondary-rate-limit").header("retry-after", "1");
    let fault = Fault::on("DELETE", "/versions/", Effect::Answer(limit)).times(1);
    let simulator = Simulator::start(npm(aged(&[("1", 9.0), ("2", 8.0)])).fault(fault));
    let ended = step(&simulator).input("tags", "1").run();
    assert_eq!((ended.code, ended.output("status"), ended.count("deleted")), (Some(0), "complete", 1), "{}", ended.log);
}

#[test]
fn a_limit_that_resets_too_late_ends_the_run_cleanly() {
    for retry_after in ["3600", "18446744073709551615"] {
        let limit = Answer::observed("secondary-rate-limit").header("retry-after", retry_after);
        let fault = Fault::on("DELETE", "/versions/", Effect::Answer(limit)).after(1);
        let simulator = Simulator::start(npm(aged(&[("1", 9.0), ("2", 8.0), ("3", 7.0), ("4", 1.0)])).fault(fault));
        let ended = step(&simulator).input("tags", "[123]").input("concurrency", "1").run();
        assert_eq!((ended.code, ended.output("status")), (Some(0), "partial"), "{}", ended.log);
        assert_eq!((ended.count("deleted"), ended.count("skipped"), ended.count("failed")), (1, 2, 0));
        assert!(ended.log.contains("::warning"));
    }
}

#[test]
fn the_token_goes_nowhere_else_and_is_written_nowhere() {
    let echo = Answer::error(500, &format!("you sent {TOKEN}"));
    let fault = Fault::on("DELETE", "/versions/", Effect::Answer(echo)).times(1);
    // a server that sends it back in an error, and in a version's name
    let simulator = Simulator::start(npm(aged(&[("1", 9.0), (TOKEN, 8.0)])).fault(fault));
    let ended = step(&simulator).input("tags", "1").variable("RUNNER_DEBUG", "1").run();
    let written: String = ended.everything_written().lines().filter(|line| !line.starts_with("::add-mask::")).collect();
    assert!(!written.contains(TOKEN));
    assert!(ended.log.starts_with("::add-mask::"));
    assert!(written.contains("you sent ***"));
}

#[test]
fn a_redirect_to_another_host_is_not_followed() {
    let away = Answer::error(302, "").header("location", "https://api.example.com/steal");
    let simulator = Simulator::start(npm(aged(&[("1", 9.0)])).fault(Fault::on("GET", "/users/", Effect::Answer(away))));
    let ended = step(&simulator).input("tags", "1").run();
    assert_eq!(ended.code, Some(1));
    assert!(ended.log.contains("redirects to another host"), "{}", ended.log);
}

#[test]
fn unknown_dates_and_tags_keep_a_version() {
    let github = npm(Vec::new()).package(
        "octo-org",
        "docker",
        "app",
        vec![
            Version::new("1").tags(&["pr-1"]).patched(json!({"metadata": null})),
            Version::new("2").tags(&["pr-2"]).patched(json!({"updated_at": "yesterday"})),
            Version::new("3").tags(&["pr-3"]).patched(json!({"metadata": {"docker": {"tag": null, "tags": null}}})),
            Version::new("4").tags(&["pr-4"]).patched(json!({"metadata": {"docker": {"tags": null}}})),
            Version::new("5").tags(&["v1"]),
        ],
    );
    let simulator = Simulator::start(github);
    let ended = Step::new(simulator.url()).inputs("package-type=docker packages=app tags=pr-.*").run();
    assert_eq!(
        (ended.code, simulator.github().left("app")),
        (Some(0), ["pr-1", "pr-2", "pr-3", "v1"].map(str::to_owned).to_vec())
    );
}

#[test]
fn what_others_removed_meanwhile_is_told() {
    let remove = Effect::Meanwhile(std::sync::Arc::new(|github: &mut GitHub| {
        github.package_mut("left-pad").versions.retain(|version| version.name != "3");
    }));
    let run = |verify: &str| {
        let fault = Fault::on("DELETE", "/versions/", remove.clone()).times(1);
        let simulator = Simulator::start(npm(aged(&[("1", 9.0), ("2", 8.0), ("3", 1.0)])).fault(fault));
        let ended = step(&simulator).input("tags", "1").input("verify", verify).run();
        let asked = simulator.requests().len();
        (ended, asked)
    };
    let (told, asked) = run("true");
    assert_eq!((told.code, told.output("status")), (Some(0), "complete"), "{}", told.log);
    assert!(told.log.contains("3 (id") && told.log.contains("was to stay and is gone"), "{}", told.log);
    assert!(told.summary.contains("was to stay and is gone"));
    let (silent, fewer) = run("false");
    assert!(!silent.log.contains("was to stay"));
    // one more listing, and the missing version asked for twice
    assert_eq!(asked, fewer + 3);
}

#[test]
fn a_run_asks_no_more_than_it_has_to() {
    let versions = (0..250).map(|number| Version::new(&format!("1.{number}"))).collect();
    let simulator = Simulator::start(npm(versions));
    step(&simulator).input("tags", "1\\.[0-9]").input("verify", "false").run();
    let lines: Vec<_> = simulator.requests().iter().map(|request| request.method.clone()).collect();
    // who is it, the package, three pages, ten deletions
    assert_eq!((lines.iter().filter(|method| *method == "GET").count(), lines.len()), (5, 15));
}
