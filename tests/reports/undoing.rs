//! `from-report` with `mode: restore`.

use super::*;

const PULL_REQUESTS: [(&str, &str); 2] = [("tags", "pr-.*"), ("partial-match", "untag")];

fn undo(simulator: &Simulator, report: &Value, inputs: &[(&str, &str)]) -> Ended {
    with_report(simulator, report, &[&[("mode", "restore")], inputs].concat())
}

#[test]
fn what_a_run_did_is_undone_parts_first_and_referrers_last() {
    let simulator = Simulator::start(world(images(IMAGES)));
    let before = state(&simulator);
    let ended = run(&simulator, &PULL_REQUESTS);
    assert_eq!((ended.code, ended.count("deleted"), ended.count("untagged")), (Some(0), 7, 1), "{}", ended.log);
    let changes = simulator.changes().len();
    let undone = undo(&simulator, &ended.report(), &[]);
    assert_eq!((undone.code, undone.output("status")), (Some(0), "complete"), "{}", undone.log);
    assert_eq!(undone.count("restored"), 8, "{}", undone.log);
    assert_eq!(state(&simulator), before, "{}", undone.log);
    // the parts, the deepest first; then the images; then what refers to them
    let order: Vec<_> = simulator.changes()[changes..].to_vec();
    let place = |wanted: &Value| {
        let id = wanted["id"].to_string();
        order
            .iter()
            .position(|line| line.contains(&format!("/{id}/restore")))
            .unwrap_or_else(|| panic!("{id}: {order:?}"))
    };
    let versions = ended.versions();
    let of = |role: &str| {
        versions
            .iter()
            .filter(|it| it["role"] == role && it["outcome"] == "done" && it["decision"] == "delete")
            .map(place)
            .collect::<Vec<_>>()
    };
    let (children, roots, referrers) = (of("child"), of("root"), of("referrer"));
    assert!(children.iter().max() < roots.iter().min() && roots.iter().max() < referrers.iter().min(), "{order:#?}");
    let nested = images(IMAGES);
    let inner = nested.iter().find(|version| version.listed().len() == 1 && version.tags.is_empty()).expect("an index");
    let by_name = |name: &str| place(versions.iter().find(|it| it["name"] == name).expect("it"));
    assert!(by_name(&inner.listed()[0]) < by_name(&inner.name));
    // once more: harmless
    let changes = simulator.changes().len();
    let again = undo(&simulator, &ended.report(), &[]);
    assert_eq!(
        (again.code, again.output("status"), again.count("restored")),
        (Some(0), "complete", 0),
        "{}",
        again.log
    );
    assert_eq!(simulator.changes().len(), changes);
}

#[test]
fn a_dry_run_of_an_undo_changes_nothing_and_an_undo_of_a_dry_run_neither() {
    let simulator = Simulator::start(world(images(IMAGES)));
    let dry = run(&simulator, &[&PULL_REQUESTS[..], &[("dry-run", "true")]].concat());
    let nothing = undo(&simulator, &dry.report(), &[]);
    assert_eq!((nothing.code, nothing.count("restored")), (Some(0), 0), "{}", nothing.log);
    assert!(nothing.log.contains("::warning") && nothing.log.contains("dry run"), "{}", nothing.log);
    let ended = run(&simulator, &PULL_REQUESTS);
    let changes = simulator.changes().len();
    let dry = undo(&simulator, &ended.report(), &[("dry-run", "true")]);
    assert_eq!((dry.code, dry.count("selected"), dry.count("restored")), (Some(0), 8, 0), "{}", dry.log);
    assert_eq!(simulator.changes().len(), changes);
}

#[test]
fn tags_that_did_not_come_back_are_put_on_again_and_those_elsewhere_stay_there() {
    let simulator = Simulator::start(world(images("A[pr-1,pr-2] -> a,b · V[v1]")));
    let ended = run(&simulator, &[("tags", "pr-.*")]);
    assert_eq!(ended.count("deleted"), 3, "{}", ended.log);
    // one tag was moved on, and GitHub brings the version back without any
    simulator.github().push("app", Version::image("new", &["pr-2"]));
    for version in &mut simulator.github().package_mut("app").deleted {
        version.tags.clear();
    }
    let undone = undo(&simulator, &ended.report(), &[]);
    assert_eq!((undone.code, undone.count("restored")), (Some(0), 3), "{}", undone.log);
    assert!(undone.log.contains("pr-2 is on") && undone.log.contains("stays there"), "{}", undone.log);
    let tags: BTreeSet<_> =
        state(&simulator).into_iter().map(|(_, _, tags)| tags).filter(|it| !it.is_empty()).collect();
    assert_eq!(tags, [vec!["pr-1".to_owned()], vec!["pr-2".to_owned()], vec!["v1".to_owned()]].into());
    assert!(simulator.github().broken_images().is_empty());
    // what is elsewhere is told again, and nothing is tried
    let changes = simulator.changes().len();
    assert_eq!(undo(&simulator, &ended.report(), &[]).code, Some(0));
    assert_eq!(simulator.changes().len(), changes);
}

#[test]
fn a_tag_that_a_listing_does_not_show_yet_is_not_moved() {
    let simulator = Simulator::start(world(images("A[pr-1] · V[v1]")));
    let ended = run(&simulator, &[("tags", "pr-.*")]);
    for version in &mut simulator.github().package_mut("app").deleted {
        version.tags.clear();
    }
    // somebody pushes the tag anew, and the API lags behind its registry
    simulator.github().push(
        "app",
        Version::image("new", &["pr-1"]).patched(serde_json::json!({"metadata": {"container": {"tags": []}}})),
    );
    let changes = simulator.changes().len();
    let undone = undo(&simulator, &ended.report(), &[]);
    assert!(undone.log.contains("pr-1 is on sha256:"), "{}", undone.log);
    assert!(simulator.changes()[changes..].iter().all(|line| line.starts_with("POST")), "{:?}", simulator.changes());
}

#[test]
fn a_token_that_may_not_push_brings_versions_back_and_tells_the_tags() {
    let forbidden = Answer::json(403, &serde_json::json!({"errors": [{"code": "DENIED", "message": "denied"}]}));
    let fault = Fault::on("PUT", "/manifests/", Effect::Answer(forbidden));
    let simulator = Simulator::start(world(images("A[pr-1] · V[v1]")));
    let ended = run(&simulator, &[("tags", "pr-.*")]);
    simulator.github().package_mut("app").deleted[0].tags.clear();
    simulator.github().faults.push(fault);
    let undone = undo(&simulator, &ended.report(), &[]);
    assert_eq!((undone.code, undone.count("restored")), (Some(0), 1), "{}", undone.log);
    assert!(undone.log.contains("imagetools create --tag 127.0.0.1"), "{}", undone.log);
}

#[test]
fn what_cannot_come_back_is_tried_once_and_told() {
    let simulator = Simulator::start(world(images("A[pr-1] -> a,b · B[pr-2] · C[pr-3] · V[v1]")));
    let ended = run(&simulator, &[("tags", "pr-.*")]);
    assert_eq!(ended.count("deleted"), 5, "{}", ended.log);
    let long_ago = jiff::Zoned::now().timestamp() - jiff::SignedDuration::from_hours(24 * 31);
    {
        let mut github = simulator.github();
        let package = github.package_mut("app");
        let lost = package.deleted.iter().position(|version| version.tags == ["pr-2"]).expect("pr-2");
        package.deleted[lost].deleted_at = Some(long_ago);
        // the same manifest was pushed again
        let again = package.deleted.iter().find(|version| version.tags == ["pr-3"]).expect("pr-3").clone();
        github.push("app", Version { tags: vec!["again".to_owned()], ..again });
    }
    let changes = simulator.changes().len();
    let undone = undo(&simulator, &ended.report(), &[]);
    assert_eq!((undone.code, undone.output("status")), (Some(1), "failed"), "{}", undone.log);
    assert_eq!((undone.count("restored"), undone.count("failed")), (3, 2), "{}", undone.log);
    assert!(undone.log.contains("30 days"), "{}", undone.log);
    assert_eq!(simulator.changes()[changes..].len(), 5);
    assert!(simulator.github().broken_images().is_empty());
}

#[test]
fn an_image_that_lacks_a_part_stays_deleted_until_it_is_asked_for_by_its_id() {
    let simulator = Simulator::start(world(images("A[pr-1] -> a,b · V[v1]")));
    let ended = run(&simulator, &[("tags", "pr-.*")]);
    {
        let mut github = simulator.github();
        let deleted = &mut github.package_mut("app").deleted;
        let part = deleted.iter().position(|version| version.tags.is_empty()).expect("a part");
        deleted.remove(part);
    }
    let undone = undo(&simulator, &ended.report(), &[]);
    assert_eq!((undone.code, undone.output("status")), (Some(1), "failed"), "{}", undone.log);
    assert_eq!((undone.count("failed"), undone.count("skipped")), (1, 1), "{}", undone.log);
    assert!(simulator.github().broken_images().is_empty());
    let error = undone.version("pr-1")["error"].as_str().expect("an error").to_owned();
    let id = undone.version("pr-1")["id"].to_string();
    assert!(error.contains(&format!("version-ids {id} brings the rest back")), "{error}");
    let asked = run(&simulator, &[("mode", "restore"), ("version-ids", &id)]);
    assert_eq!((asked.code, asked.count("restored")), (Some(1), 1), "{}", asked.log);
    assert!(asked.log.contains("came back incomplete"), "{}", asked.log);
}

#[test]
fn a_part_that_another_run_took_comes_back_with_its_image() {
    // the part was shared: it stayed when the first image went, and went with the second
    let simulator = Simulator::start(world(images("A[pr-1] -> a,shared · B[pr-2] -> b,shared · V[v1]")));
    let first = run(&simulator, &[("tags", "pr-1")]);
    run(&simulator, &[("tags", "pr-2")]);
    let undone = undo(&simulator, &first.report(), &[]);
    assert_eq!((undone.code, undone.count("restored")), (Some(0), 3), "{}", undone.log);
    assert!(simulator.github().broken_images().is_empty());
}

#[test]
fn a_run_that_was_killed_is_undone_by_the_plan_it_left() {
    let hang = Fault::on("DELETE", "/versions/", Effect::HangAfterDoing).after(3);
    let simulator = Simulator::start(world(images(IMAGES)).fault(hang));
    let before = state(&simulator);
    let running = Step::new(simulator.url()).input("tags", "pr-.*").input("concurrency", "1").start();
    let mut hangs = simulator.hangs();
    let waiting = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    waiting.block_on(hangs.wait_for(|count| *count > 0)).expect("it hangs");
    running.signal("KILL");
    let killed = running.end();
    let report: Value =
        serde_json::from_slice(&fs::read(killed.workspace().join("tidy-packages.json")).unwrap()).unwrap();
    assert_eq!((&report["status"], killed.code), (&"running".into(), None));
    assert!(state(&simulator).len() < before.len());
    simulator.github().faults.clear();
    let undone = undo(&simulator, &report, &[]);
    assert_eq!(
        (undone.code, undone.output("status"), undone.count("restored")),
        (Some(0), "complete", 4),
        "{}",
        undone.log
    );
    assert_eq!(state(&simulator), before);
}

#[test]
fn an_undo_is_narrowed_to_packages_and_kept_from_what_is_excluded() {
    let other = images("A[pr-1] · V[v1]");
    let simulator =
        Simulator::start(world(images("A[pr-1] · B[pr-2] · V[v1]")).package("octo-org", "container", "other", other));
    let ended = run(&simulator, &[("tags", "pr-.*"), ("packages", "app\nother")]);
    assert_eq!(ended.count("deleted"), 3, "{}", ended.log);
    let undone = undo(&simulator, &ended.report(), &[("packages", "app"), ("exclude-tags", "pr-2")]);
    assert_eq!((undone.code, undone.count("restored")), (Some(0), 1), "{}", undone.log);
    assert_eq!(simulator.github().left("other"), ["v1"]);
    let undone = undo(&simulator, &ended.report(), &[("packages", "nonsense")]);
    assert!(undone.log.contains("nonsense is no package of the report"), "{}", undone.log);
}

#[test]
fn versions_of_other_types_come_back_as_well() {
    let versions = ["1.0.0", "1.1.0-pr.1", "1.1.0-pr.2"].map(Version::new).to_vec();
    let simulator = Simulator::start(world(Vec::new()).package("octo-org", "npm", "left-pad", versions));
    let ended = run(&simulator, &[("package-type", "npm"), ("packages", "left-pad"), ("tags", ".*-pr.*")]);
    assert_eq!(ended.count("deleted"), 2, "{}", ended.log);
    for restored in [2, 0] {
        let undone = undo(&simulator, &ended.report(), &[]);
        assert_eq!((undone.code, undone.count("restored")), (Some(0), restored), "{}", undone.log);
    }
    assert_eq!(simulator.github().left("left-pad").len(), 3);
}

#[test]
fn no_image_comes_back_without_a_part_however_it_hangs_together() {
    // a part that two images share, one of an inner index, and what refers to them
    let text = "P[pr-1] -> pa,shared · Q[pr-2] -> J,shared · J -> qa,pa · S[sha256-P.sig] · R subject P · \
                RR subject R · T[sha256-qa.sig] · V[v1]";
    for place in 0..10 {
        let simulator = Simulator::start(world(images(text)));
        let live = run(&simulator, &[("tags", "pr-.*")]);
        let gone: Vec<_> = live.versions().into_iter().filter(|version| version["outcome"] == "done").collect();
        assert_eq!(gone.len(), 10, "{}", live.log);
        let id = gone[place]["id"].as_u64().expect("an id");
        simulator.github().faults =
            vec![Fault::on("POST", &format!("/{id}/restore"), Effect::Answer(Answer::error(422, "no")))];
        let undone = undo(&simulator, &live.report(), &[]);
        assert_eq!(undone.code, Some(1), "{}", undone.log);
        let broken = simulator.github().broken_images();
        assert!(broken.is_empty(), "{broken:?} without {}: {}", gone[place], undone.log);
        let sum = ["restored", "failed", "skipped"].map(|name| undone.count(name)).iter().sum::<u64>();
        assert_eq!(sum, undone.count("selected"), "{}", undone.log);
        // nothing is lost by it: the next one brings all back
        simulator.github().faults.clear();
        let again = undo(&simulator, &live.report(), &[]);
        assert_eq!((again.code, state(&simulator).len()), (Some(0), 11), "{}", again.log);
    }
}

/// Packages of which two went as a whole, and the report of that run.
fn two_that_went() -> (Simulator, Value) {
    let image = || images("A[pr-1] -> a,b · V[v1]");
    let github = ["one", "two"]
        .into_iter()
        .fold(world(images("Z[z]")), |github, name| github.package("octo-org", "container", name, image()));
    let simulator = Simulator::start(github);
    let ended = run(&simulator, &[("target", "packages"), ("packages", "one,two")]);
    assert_eq!(packages(&simulator), ["app"], "{}", ended.log);
    (simulator, ended.report())
}

fn packages(simulator: &Simulator) -> Vec<String> {
    let github = simulator.github();
    let there = github.packages.iter().filter(|package| package.deleted_at.is_none());
    there.map(|package| package.name.clone()).collect()
}

#[test]
fn a_limit_counts_packages_that_come_back_as_a_whole() {
    for (limit, expected, restored) in [("0", 1, 0), ("1", 2, 4), ("2", 3, 8)] {
        let (simulator, report) = two_that_went();
        let undone = undo(&simulator, &report, &[("limit", limit)]);
        assert_eq!((undone.code, undone.count("restored")), (Some(0), restored), "{}", undone.log);
        assert_eq!((packages(&simulator).len(), undone.count("kept")), (expected, 8 - restored), "{}", undone.log);
    }
}

#[test]
fn a_package_with_a_version_that_may_not_come_back_stays_deleted() {
    let (simulator, report) = two_that_went();
    let undone = undo(&simulator, &report, &[("packages", "one"), ("exclude-tags", "v1")]);
    assert_eq!((undone.code, undone.count("restored"), undone.count("kept")), (Some(0), 0, 4), "{}", undone.log);
    assert_eq!(packages(&simulator), ["app"]);
    assert!(undone.log.contains("the package stays deleted as a whole"), "{}", undone.log);
}
