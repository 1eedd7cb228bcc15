//! However an undo ends, what it leaves can be pulled, and nothing is left over.

use super::*;

fn undo(simulator: &Simulator, report: &Value, inputs: &[(&str, &str)]) -> Ended {
    let ended = with_report(simulator, report, &[&[("mode", "restore")], inputs].concat());
    let sum = ["restored", "failed", "skipped"].map(|name| ended.count(name)).iter().sum::<u64>();
    assert!(sum == ended.count("selected") || inputs.contains(&("dry-run", "true")), "{}", ended.log);
    ended
}

/// Runs a clean-up of pull requests, and makes GitHub forget an image or index that it deleted.
fn lose(text: &str, lost: Option<&str>) -> (Simulator, Value) {
    let versions = images(text);
    let simulator = Simulator::start(world(versions.clone()));
    let report = run(&simulator, &[("tags", "pr-.*")]).report();
    if let Some(digest) = lost.map(|lost| digest(&versions, lost)) {
        let mut github = simulator.github();
        let deleted = &mut github.package_mut("app").deleted;
        let before = deleted.len();
        deleted.retain(|version| version.name != digest);
        assert_eq!(deleted.len() + 1, before, "{lost:?} was not deleted");
    }
    (simulator, report)
}

fn digest(versions: &[Version], label: &str) -> String {
    let is_it = |version: &&Version| {
        let manifest: Value = serde_json::from_slice(&version.manifest.as_ref().unwrap().bytes).unwrap();
        manifest["annotations"]["label"] == label || version.name == Version::image(label, &[]).name
    };
    versions.iter().find(is_it).unwrap_or_else(|| panic!("no {label}")).name.clone()
}

#[track_caller]
fn nothing_is_broken(simulator: &Simulator, ended: &Ended) {
    let broken = simulator.github().broken_images();
    assert!(broken.is_empty(), "{broken:?}\n{}", ended.log);
}

#[test]
fn a_lost_part_holds_back_whatever_lists_it_at_any_depth_and_in_any_image() {
    for text in [
        "A[pr-1] -> c,x · J -> c · B[pr-2] -> J · V[v1]",
        "J -> c · B[pr-1] -> J · A[pr-2] -> c,x · V[v1]",
        "A[pr-1] 50 -> c,x · J 20 -> c · B[pr-2] 20 -> J · V[v1]",
        "A[pr-1] 20 -> c,x · J 50 -> c · B[pr-2] 50 -> J · V[v1]",
    ] {
        let (simulator, report) = lose(text, Some("c"));
        let ended = undo(&simulator, &report, &[]);
        assert_eq!(ended.code, Some(1), "{}", ended.log);
        nothing_is_broken(&simulator, &ended);
    }
}

#[test]
fn the_deepest_part_comes_first_whatever_the_times_say() {
    for lost in [None, Some("c")] {
        for at in ["null", "\"2026-11-23T00:00:00Z\"", "reversed"] {
            let (simulator, mut report) = lose("J -> c · B[pr-1] -> J · V[v1]", lost);
            let inner = digest(&images("J -> c · B[pr-1] -> J · V[v1]"), "J");
            for version in report["packages"][0]["versions"].as_array_mut().unwrap() {
                let late = if version["name"] == inner.as_str() {
                    "\"2026-11-23T00:00:09Z\""
                } else {
                    "\"2026-11-23T00:00:01Z\""
                };
                let at = if at == "reversed" { late } else { at };
                version["at"] = serde_json::from_str(at).unwrap();
            }
            let ended = undo(&simulator, &report, &[]);
            nothing_is_broken(&simulator, &ended);
            assert_eq!(ended.count("restored"), if lost.is_none() { 3 } else { 0 }, "{at}: {}", ended.log);
        }
    }
}

#[test]
fn what_refers_to_an_image_that_does_not_come_back_stays_deleted_too() {
    let text = "A[pr-1] -> a · S[sha256-A.sig] · R subject A · V[v1]";
    let (simulator, report) = lose(text, Some("A"));
    let ended = undo(&simulator, &report, &[]);
    assert_eq!((ended.code, ended.count("restored")), (Some(1), 1), "the part alone: {}", ended.log);
}

#[test]
fn a_fallback_index_without_its_part_stays_deleted() {
    let (simulator, report) = lose("A[pr-1] -> a · X[sha256-A] => x · V[v1]", Some("x"));
    let ended = undo(&simulator, &report, &[]);
    nothing_is_broken(&simulator, &ended);
    assert_eq!((ended.code, ended.count("restored")), (Some(1), 2), "{}", ended.log);
}

#[test]
fn what_is_excluded_keeps_its_parts_and_what_lists_it() {
    for (text, excluded, restored) in [
        ("A[pr-1] -> a · B[pr-2] -> b · S[sha256-B.sig] · R subject B · V[v1]", "pr-2", 2),
        ("A[pr-1] -> a,s · B[pr-2] -> b,s · V[v1]", "pr-2", 3),
        ("c[pr-9] · A[pr-1] -> c,a · V[v1]", "pr-9", 0),
    ] {
        let (simulator, report) = lose(text, None);
        let ended = undo(&simulator, &report, &[("exclude-tags", excluded)]);
        assert_eq!((ended.code, ended.count("restored")), (Some(0), restored), "{text}: {}", ended.log);
        nothing_is_broken(&simulator, &ended);
    }
}

#[test]
fn an_image_that_is_there_without_its_tag_gets_its_parts_as_well() {
    let simulator = Simulator::start(world(images("A[pr-1] -> a,s · B[pr-2] -> b,s · V[v1]")));
    let first = run(&simulator, &[("tags", "pr-1")]).report();
    run(&simulator, &[("tags", "pr-2")]);
    {
        let mut github = simulator.github();
        let package = github.package_mut("app");
        let place = package.deleted.iter().position(|version| version.tags == ["pr-1"]).unwrap();
        let mut root = package.deleted.remove(place);
        root.deleted_at = None;
        root.tags.clear();
        package.versions.push(root);
    }
    let ended = undo(&simulator, &first, &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    nothing_is_broken(&simulator, &ended);
}

#[test]
fn parts_that_go_with_themselves_are_refused() {
    let (simulator, mut report) = lose("A[pr-1] · B[pr-2] · C[pr-3] · V[v1]", None);
    let versions = report["packages"][0]["versions"].as_array_mut().unwrap();
    let ids: Vec<_> = versions.iter().map(|version| version["id"].clone()).collect();
    for (place, version) in versions.iter_mut().enumerate() {
        version["via"] = ids[(place + 1) % ids.len()].clone();
    }
    let changes = simulator.changes().len();
    let ended = undo(&simulator, &report, &[("limit", "1")]);
    assert_eq!((ended.output("status"), simulator.changes().len()), ("refused", changes), "{}", ended.log);
}

#[test]
fn a_package_that_is_back_and_not_listed_yet_is_looked_for_again() {
    let simulator = Simulator::start(world(images("A[pr-1] -> a · B[pr-2]")));
    let report = run(&simulator, &[("target", "packages"), ("packages", "app")]).report();
    let unknown = Effect::Answer(Answer::observed("package-not-found"));
    simulator.github().faults = vec![Fault::on("GET", "/versions", unknown).times(1)];
    let ended = undo(&simulator, &report, &[]);
    assert_eq!((ended.code, ended.count("restored")), (Some(0), 3), "{}", ended.log);
}

#[test]
fn a_cancelled_restoration_of_a_package_ends_in_time_and_says_what_nobody_knows() {
    let simulator = Simulator::start(world(images("A[pr-1] -> a · B[pr-2]")));
    let report = run(&simulator, &[("target", "packages"), ("packages", "app")]).report();
    simulator.github().faults = vec![Fault::on("POST", "/restore", Effect::HangAfterDoing)];
    let step = Step::new(simulator.url()).input("from-report", "plan.json").input("mode", "restore");
    fs::write(step.workspace().join("plan.json"), report.to_string()).unwrap();
    let running = step.start();
    let mut hangs = simulator.hangs();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(hangs.wait_for(|hangs| *hangs > 0)).unwrap();
    let begun = std::time::Instant::now();
    running.signal("TERM");
    let ended = running.end();
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
    assert_eq!((ended.code, ended.output("status"), ended.count("failed")), (Some(1), "cancelled", 3), "{}", ended.log);
    assert!(ended.versions().iter().all(|version| version["outcome"] == "unknown"), "{}", ended.log);
}

#[test]
fn without_a_report_an_image_is_told_as_incomplete_however_the_run_ends() {
    let limit = Answer::observed("primary-rate-limit")
        .header("x-ratelimit-remaining", "0")
        .header("x-ratelimit-reset", "4000000000");
    for answer in [limit, Answer::error(422, "Validation failed")] {
        let simulator = Simulator::start(world(images("A[pr-1] -> a,b · V[v1]")));
        let id = run(&simulator, &[("tags", "pr-.*")]).version("pr-1")["id"].to_string();
        simulator.github().faults = vec![Fault::on("POST", "/restore", Effect::Answer(answer)).after(1)];
        let ended = run(&simulator, &[("mode", "restore"), ("tags", "pr-.*")]);
        let way_out = format!("Run the job again with version-ids {id}");
        assert_eq!(ended.code, Some(1), "{}", ended.log);
        assert!(ended.log.contains("came back incomplete") && ended.log.contains(&way_out), "{}", ended.log);
        simulator.github().faults.clear();
        let again = run(&simulator, &[("mode", "restore"), ("version-ids", &id)]);
        assert_eq!(again.code, Some(0), "{}", again.log);
        nothing_is_broken(&simulator, &again);
    }
}
