//! `from-report` with `mode: delete`.

use super::*;

const PULL_REQUESTS: [(&str, &str); 2] = [("tags", "pr-.*"), ("partial-match", "untag")];

fn dry_run(simulator: &Simulator, inputs: &[(&str, &str)]) -> Value {
    let ended = run(simulator, &[inputs, &[("dry-run", "true")]].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    ended.report()
}

/// The first tags (or digests) of what is there.
fn left(simulator: &Simulator) -> BTreeSet<String> {
    simulator.github().left("app").into_iter().collect()
}

fn digest(simulator: &Simulator, tag: &str) -> String {
    let mut github = simulator.github();
    let has_it = |version: &&Version| version.tags.iter().any(|other| other == tag);
    github.package_mut("app").versions.iter().find(has_it).expect("a version").name.clone()
}

#[test]
fn a_plan_is_carried_out_as_it_would_have_been_without_it() {
    let one = Simulator::start(world(images(IMAGES)));
    let two = Simulator::start(world(images(IMAGES)));
    let plan = dry_run(&one, &PULL_REQUESTS);
    assert!(one.changes().is_empty());
    let applied = with_report(&one, &plan, &[]);
    let direct = run(&two, &PULL_REQUESTS);
    assert_eq!((applied.code, applied.output("status")), (Some(0), "complete"), "{}", applied.log);
    let names = |simulator: &Simulator| state(simulator).into_iter().map(|it| (it.1, it.2)).collect::<BTreeSet<_>>();
    assert_eq!(names(&one), names(&two), "{}", applied.log);
    for count in ["selected", "deleted", "untagged", "retained", "failed", "skipped", "kept"] {
        assert_eq!(applied.count(count), direct.count(count), "{count}: {}", applied.log);
    }
    // the reasons are those of the plan, and so are the inputs that made it
    let reason = |ended: &Ended, tag: &str| ended.version(tag)["reason"].clone();
    for tag in ["pr-1", "pr-2", "pr-3", "v1"] {
        assert_eq!(reason(&applied, tag), reason(&direct, tag));
    }
    assert_eq!(applied.report()["inputs"]["tags"], "pr-.*");
}

#[test]
fn what_changed_since_is_left_alone_with_its_parts() {
    let simulator = Simulator::start(world(images(IMAGES)));
    let plan = dry_run(&simulator, &PULL_REQUESTS);
    let changed = digest(&simulator, "pr-1");
    for version in &mut simulator.github().package_mut("app").versions {
        if version.name == changed {
            version.tags.push("release".to_owned());
        }
    }
    let ended = with_report(&simulator, &plan, &[]);
    assert_eq!((ended.code, ended.output("status")), (Some(0), "complete"), "{}", ended.log);
    let version = ended.version("pr-1");
    assert_eq!((&version["outcome"], &version["reason"]), (&"skipped".into(), &"changed".into()), "{version:#}");
    assert!(version["error"].as_str().is_some_and(|error| error.contains("release")), "{version:#}");
    // its child, its signature and its referrer stay with it; pr-2 and its parts go
    assert_eq!((ended.count("skipped"), ended.count("deleted"), ended.count("untagged")), (4, 3, 1), "{}", ended.log);
    let parts = ended.versions().into_iter().filter(|version| version["outcome"] == "skipped");
    let reasons: BTreeSet<_> = parts.map(|version| version["reason"].as_str().unwrap().to_owned()).collect();
    assert!(reasons.iter().all(|reason| reason == "changed" || reason.starts_with("needed by pr-1")), "{reasons:?}");
    assert!(simulator.github().broken_images().is_empty());
}

#[test]
fn what_something_new_needs_stays_and_what_is_new_is_not_taken() {
    let simulator = Simulator::start(world(images(IMAGES)));
    let plan = dry_run(&simulator, &PULL_REQUESTS);
    // an index that lists pr-2's inner index, and an image that the rules would pick today
    let inner = images(IMAGES).into_iter().find(|version| version.listed().len() == 1 && version.tags.is_empty());
    let inner = inner.expect("an inner index").name;
    let listed = [(inner.clone(), "application/vnd.oci.image.index.v1+json", None)];
    let index = Version::with_manifest(simulator::Manifest::of_index("new", &listed, None)).tags(&["v9"]);
    simulator.github().push("app", index);
    simulator.github().push("app", Version::image("fresh", &["pr-9"]).days_old(50.0));
    let ended = with_report(&simulator, &plan, &[]);
    assert_eq!((ended.code, ended.output("status")), (Some(0), "complete"), "{}", ended.log);
    let version =
        ended.versions().into_iter().find(|version| version["name"] == inner.as_str()).expect("the inner index");
    assert_eq!((&version["outcome"], &version["reason"]), (&"skipped".into(), &"changed".into()));
    assert!(version["error"].as_str().is_some_and(|error| error.contains("needed by v9")), "{version:#}");
    assert_eq!(ended.version("pr-9")["decision"], "keep");
    assert!(left(&simulator).contains("pr-9") && simulator.github().broken_images().is_empty());
}

#[test]
fn what_is_gone_already_counts_as_deleted_and_a_second_time_nothing_is_sent() {
    let simulator = Simulator::start(world(images(IMAGES)));
    let plan = dry_run(&simulator, &PULL_REQUESTS);
    let first = with_report(&simulator, &plan, &[]);
    assert_eq!(first.code, Some(0), "{}", first.log);
    let (changes, before) = (simulator.changes().len(), state(&simulator));
    for report in [&plan, &first.report()] {
        let again = with_report(&simulator, report, &[]);
        assert_eq!((again.code, again.output("status")), (Some(0), "complete"), "{}", again.log);
        assert_eq!((again.count("deleted"), again.count("selected")), (7, 8), "{}", again.log);
        assert_eq!((simulator.changes().len(), state(&simulator)), (changes, before.clone()));
    }
}

#[test]
fn beside_a_report_inputs_only_add_protection() {
    type Case<'a> = (&'a [(&'a str, &'a str)], Option<&'a str>);
    let cases: [Case<'_>; 6] = [
        (&[("exclude-tags", "pr-2")], Some("pr-2")),
        (&[("limit", "1")], Some("pr-2")),
        (&[("max-deletions", "2")], None),
        (&[("max-delete-percent", "10")], None),
        (&[("dry-run", "true")], None),
        (&[("packages", "!app\n*")], None),
    ];
    for (inputs, stays) in cases {
        let simulator = Simulator::start(world(images(IMAGES)));
        let plan = dry_run(&simulator, &PULL_REQUESTS);
        let ended = with_report(&simulator, &plan, inputs);
        match stays {
            Some(tag) => assert!(left(&simulator).contains(tag), "{inputs:?}: {}", ended.log),
            None => assert!(simulator.changes().is_empty(), "{inputs:?}: {}", ended.log),
        }
        assert_eq!(ended.code == Some(0), !inputs[0].0.starts_with("max-"), "{inputs:?}: {}", ended.log);
    }
}

#[test]
fn the_protection_and_the_guards_of_the_report_hold() {
    let simulator = Simulator::start(world(images("A[a,stable] · B[b] · C[c] · D[d]")));
    let inputs = [("tags", "a|b|stable"), ("exclude-tags", "stable"), ("max-deletions", "1")];
    let mut plan = dry_run(&simulator, &inputs);
    // somebody wrote into it that the protected version goes as well
    for version in plan["packages"][0]["versions"].as_array_mut().unwrap() {
        if version["tags"][0] == "a" {
            version["decision"] = "delete".into();
        }
    }
    let ended = with_report(&simulator, &plan, &[("exclude-tags", "none"), ("max-deletions", "5")]);
    assert_eq!((ended.code, ended.count("deleted")), (Some(0), 1), "{}", ended.log);
    assert_eq!(left(&simulator).into_iter().collect::<Vec<_>>(), ["a", "c", "d"]);
    assert_eq!(ended.version("a")["reason"], "changed");
    // one more would have been too many, then as now
    let simulator = Simulator::start(world(images("A[a] · B[b] · C[c] · D[d]")));
    let ended = run(&simulator, &[("tags", "a|b"), ("max-deletions", "1"), ("dry-run", "true")]);
    let ended = with_report(&simulator, &ended.report(), &[("max-deletions", "5")]);
    assert_eq!((ended.output("status"), simulator.changes().len()), ("refused", 0), "{}", ended.log);
}

#[test]
fn what_selects_is_the_reports_alone() {
    let simulator = Simulator::start(world(images(IMAGES)));
    let plan = dry_run(&simulator, &PULL_REQUESTS);
    for input in [("tags", ".*"), ("older-than", "1d"), ("version-ids", "1"), ("delete-ghost-images", "true")] {
        let before = simulator.requests().len();
        let ended = with_report(&simulator, &plan, &[input]);
        assert_eq!((ended.code, simulator.requests().len()), (Some(1), before), "{input:?}: {}", ended.log);
        assert!(ended.log.contains(&format!("input `{}`", input.0)), "{}", ended.log);
    }
    // the step of the dry run with from-report added says nothing else than the report
    let ended = with_report(&simulator, &plan, &[&PULL_REQUESTS[..], &[("packages", "app")]].concat());
    assert_eq!((ended.code, ended.count("deleted")), (Some(0), 7), "{}", ended.log);
}

#[test]
fn the_last_tagged_image_stays_even_if_the_plan_knew_others() {
    let simulator = Simulator::start(world(images("A[pr-1] · B[pr-2] · C[v1]")));
    let plan = dry_run(&simulator, &[("tags", "pr-.*")]);
    let newest = digest(&simulator, "v1");
    simulator.github().delete(&newest);
    let ended = with_report(&simulator, &plan, &[]);
    assert_eq!((ended.code, ended.count("retained"), left(&simulator).len()), (Some(0), 1, 1), "{}", ended.log);
}

#[test]
fn a_plan_that_retained_something_never_takes_it() {
    let simulator = Simulator::start(world(images("A[pr-1] · B[pr-2]")));
    let plan = dry_run(&simulator, &[("tags", "pr-.*")]);
    simulator.github().push("app", Version::image("new", &["v1"]));
    let ended = with_report(&simulator, &plan, &[]);
    assert_eq!((ended.code, ended.count("deleted"), ended.count("retained")), (Some(0), 1, 1), "{}", ended.log);
    assert_eq!(left(&simulator), ["pr-2", "v1"].map(str::to_owned).into());
}

#[test]
fn a_limit_ends_the_plan_and_the_report_goes_on_from_there() {
    let resets = jiff::Zoned::now().timestamp() + jiff::SignedDuration::from_hours(1);
    let simulator = Simulator::start(world(images(IMAGES)));
    let plan = dry_run(&simulator, &PULL_REQUESTS);
    let quota = Token::classic("octocat", &["write:packages", "delete:packages"]).quota(1_000, 108, resets);
    simulator.github().tokens.insert(TOKEN.to_owned(), quota);
    let partial = with_report(&simulator, &plan, &[("max-wait", "1m")]);
    assert_eq!((partial.code, partial.output("status")), (Some(0), "partial"), "{}", partial.log);
    simulator
        .github()
        .tokens
        .insert(TOKEN.to_owned(), Token::classic("octocat", &["write:packages", "delete:packages"]));
    let rest = with_report(&simulator, &partial.report(), &[]);
    assert_eq!((rest.code, rest.output("status"), rest.count("skipped")), (Some(0), "complete", 0), "{}", rest.log);
    assert_eq!(left(&simulator).iter().filter(|name| name.starts_with("pr-")).count(), 0);
}

/// Changes the tags of the version that has this one.
fn retag(simulator: &Simulator, tag: &str, tags: &[&str]) {
    let mut github = simulator.github();
    let versions = &mut github.package_mut("app").versions;
    let version = versions.iter_mut().find(|version| version.tags.iter().any(|it| it == tag)).expect("a version");
    version.tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
}

#[test]
fn what_was_skipped_as_changed_is_skipped_by_that_runs_report_too() {
    for (tags, again) in [(&["pr-1", "release"][..], "false"), (&["pr-1", "release"], "true"), (&["prod"], "false")] {
        let simulator = Simulator::start(world(images("A[pr-1] · B[pr-2] · V[v1]")));
        let plan = dry_run(&simulator, &[("tags", "pr-.*")]);
        retag(&simulator, "pr-1", tags);
        let first = with_report(&simulator, &plan, &[("dry-run", again)]);
        let second = with_report(&simulator, &first.report(), &[]);
        let left = simulator.github().left("app");
        assert!(tags.iter().any(|tag| left.iter().any(|it| it == tag)), "{tags:?} {left:?}\n{}", second.log);
        assert!(!left.iter().any(|it| it == "pr-2"), "what did not change goes: {}", second.log);
    }
}

#[test]
fn what_somebody_brought_back_is_not_deleted_by_the_same_report_again() {
    let simulator = Simulator::start(world(images("A[pr-1] -> a,b · T[pr-2,v2] · V[v1]")));
    let live = run(&simulator, &[("tags", "pr-.*"), ("partial-match", "untag")]).report();
    let undone = with_report(&simulator, &live, &[("mode", "restore")]);
    assert_eq!(undone.count("restored"), 4, "{}", undone.log);
    let changes = simulator.changes().len();
    let again = with_report(&simulator, &live, &[]);
    assert_eq!((again.code, again.count("deleted"), again.count("skipped")), (Some(0), 0, 4), "{}", again.log);
    assert_eq!(simulator.changes().len(), changes);
}

#[test]
fn an_image_that_lacked_a_part_before_is_not_broken_by_this_run() {
    let simulator = Simulator::start(world(images("A[pr-0] -> a0 · B[pr-1] -> a1,b1 · V[v1]")));
    let plan = dry_run(&simulator, &[("tags", "pr-.*")]);
    let part = {
        let mut github = simulator.github();
        let versions = &github.package_mut("app").versions;
        versions.iter().find(|version| version.tags == ["pr-1"]).expect("an index").listed()[0].clone()
    };
    retag(&simulator, "pr-1", &["pr-1", "release"]);
    simulator.github().delete(&part);
    let ended = with_report(&simulator, &plan, &[]);
    assert_eq!((ended.code, ended.count("deleted")), (Some(0), 2), "{}", ended.log);
}

#[test]
fn what_was_pushed_again_since_makes_no_report_a_forged_one() {
    let simulator = Simulator::start(world(images("A[pr-1] · B[pr-2] · V[v1]")));
    let plan = dry_run(&simulator, &[("tags", "pr-.*")]);
    {
        let mut github = simulator.github();
        let versions = &github.package_mut("app").versions;
        let pushed = versions.iter().find(|version| version.tags == ["pr-1"]).expect("an image").clone();
        github.delete(&pushed.name);
        github.push("app", Version::with_manifest(pushed.manifest.expect("a manifest")).tags(&["pr-1"]));
        // GitHub has forgotten the one before
        github.package_mut("app").deleted.clear();
    }
    let ended = with_report(&simulator, &plan, &[]);
    assert_eq!((ended.code, ended.count("deleted"), ended.count("skipped")), (Some(0), 1, 1), "{}", ended.log);
}
