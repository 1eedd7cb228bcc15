//! Images in a time that the tests own: registries that fail for good, and what happens to a package
//! while its clean-up is held up.

use super::{
    simulator::{Manifest, images},
    *,
};

/// A package of images, pushed as many days before midnight as the short form says.
pub(crate) fn images_of(clock: &VirtualClock, text: &str) -> GitHub {
    let mut versions = images(text);
    let days = SignedDuration::from_hours(24 * 30);
    versions.iter_mut().for_each(|version| *version = version.clone().pushed_at(midnight() - days));
    let mut github = world(clock, Vec::new()).package("octo-org", "container", "images", versions);
    github.tokens.insert(TOKEN.to_owned(), Token::classic("octocat", &["write:packages", "delete:packages"]));
    github
}

pub(crate) const IMAGES: [(&str, &str); 2] = [("package-type", "container"), ("packages", "images")];

fn left(simulator: &Simulator, text: &str) -> Vec<String> {
    let labels: BTreeMap<_, _> =
        images(text).into_iter().map(|version| (version.name, version.tags.join(","))).collect();
    let mut github = simulator.github();
    let versions = &github.package_mut("images").versions;
    let label = |version: &Version| match labels.get(&version.name) {
        Some(tags) if !tags.is_empty() => tags.clone(),
        _ => version.name.clone(),
    };
    let mut left: Vec<_> = versions.iter().map(label).collect();
    left.sort();
    left
}

#[test]
fn a_manifest_that_fails_for_good_ends_its_package_after_half_a_minute() {
    for effect in [
        Effect::Answer(Answer::observed("server-error")),
        Effect::Answer(Answer::html(502)),
        Effect::Answer(Answer::html(200)),
        // a manifest indeed, but another one
        Effect::Answer(Answer { status: 200, headers: Vec::new(), body: Manifest::of_image("other", None).bytes }),
        Effect::CutOff,
    ] {
        let clock = VirtualClock::default();
        let text = "P[pr-1] · V[v1]";
        let fault = Fault::on("GET", &simulator::digest_of("V"), effect);
        let simulator = Simulator::start(images_of(&clock, text).fault(fault));
        let ended = run_step(&clock, &simulator, &[&IMAGES[..], &[("tags", "pr-.*")]].concat());
        assert_eq!((ended.status, simulator.changes().len()), (Status::Failed, 0));
        let waited = ended.waits.iter().sum::<u64>();
        assert!((31..=34).contains(&waited), "{waited} s");
        let error = ended.report["packages"][0]["error"].as_str().expect("an error");
        assert!(error.contains(&simulator::digest_of("V")) && error.contains("[v1]"), "{error}");
        assert_eq!((ended.count("kept"), ended.count("selected")), (2, 0));
    }
}

#[test]
fn a_manifest_of_8_mib_is_read_and_a_larger_one_ends_its_package() {
    for (bytes, status, deleted) in [(8 << 20, Status::Complete, 1), ((8 << 20) + 1, Status::Failed, 0)] {
        let clock = VirtualClock::default();
        let mut large = Manifest::of_image("V", None);
        large.bytes.resize(bytes, b' ');
        let kept = Version::with_manifest(large).tags(&["v1"]).pushed_at(midnight());
        let simulator = Simulator::start(images_of(&clock, "P[pr-1]"));
        simulator.github().package_mut("images").versions.push(kept.id(7));
        let ended = run_step(&clock, &simulator, &[&IMAGES[..], &[("tags", "pr-.*")]].concat());
        assert_eq!((ended.status, ended.count("deleted")), (status, deleted), "{bytes}: {}", ended.report);
        if deleted == 0 {
            let error = ended.report["packages"][0]["error"].as_str().expect("an error");
            assert!(error.contains("the answer is larger than 8388608 bytes"), "{error}");
        }
    }
}

/// Runs a step whose deletions are held up for over a minute after so many of them, while this
/// happens to the package; returns what is left, by first tags.
fn held_up(
    text: &str,
    after: u32,
    change: impl Fn(&mut GitHub) + Send + Sync + 'static,
    inputs: &str,
) -> (Ended, Simulator) {
    let clock = VirtualClock::default();
    let limit = Answer::observed("secondary-rate-limit").header("retry-after", "61");
    let github = images_of(&clock, text)
        .fault(Fault::on("DELETE", "/packages/container/", Effect::Answer(limit)).after(after).times(1))
        .fault(Fault::on("GET", "/versions?", Effect::Meanwhile(Arc::new(change))).after(1).times(1));
    let simulator = Simulator::start(github);
    let inputs: Vec<_> = inputs.split(' ').map(|input| input.split_once('=').expect("name=value")).collect();
    let ended = run_step(&clock, &simulator, &[&IMAGES[..], &inputs].concat());
    (ended, simulator)
}

fn is_there(simulator: &Simulator, text: &str, label: &str) -> bool {
    let digest = images(text).into_iter().zip(labels(text)).find(|(_, known)| known == label).expect("it").0.name;
    simulator.github().package_mut("images").versions.iter().any(|version| version.name == digest)
}

/// The labels of a short form in which every version is an item of its own.
fn labels(text: &str) -> Vec<String> {
    text.split('·').map(|item| item.trim().split(['[', ' ']).next().expect("a label").to_owned()).collect()
}

#[test]
fn a_referrer_that_changes_while_it_waits_for_the_children_stays() {
    let text = "a · b · I[pr-1] -> a,b · S[sha256-I.sig] · v[v1]";
    let retag = |github: &mut GitHub| {
        for version in &mut github.package_mut("images").versions {
            if version.tags.iter().any(|tag| tag.ends_with(".sig")) {
                version.tags.push("keep-me".to_owned());
            }
        }
    };
    let (ended, simulator) = held_up(text, 1, retag, "tags=pr-.*");
    assert_eq!((ended.count("deleted"), ended.count("skipped")), (3, 1));
    assert!(is_there(&simulator, text, "S"));
}

#[test]
fn a_referrer_that_a_new_index_lists_while_it_waits_stays() {
    let text = "a · b · I[pr-1] -> a,b · R subject I · v[v1]";
    let index = images(&format!("{text} · N[v2] => R")).into_iter().find(|version| version.tags == ["v2"]).expect("it");
    let push = move |github: &mut GitHub| github.push("images", index.clone());
    let (_, simulator) = held_up(text, 1, push, "tags=pr-.* verify=false");
    assert!(simulator.github().broken_images().is_empty() && is_there(&simulator, text, "R"));
}

#[test]
fn a_new_version_that_the_registry_does_not_know_yet_ends_the_package() {
    let text = "x[pr-1] · y[pr-2] · v[v1]";
    let push = |github: &mut GitHub| {
        let version = Version { manifest: None, ..Version::image("late", &["v2"]) };
        github.push("images", version);
    };
    let (ended, simulator) = held_up(text, 1, push, "tags=pr-.*");
    assert_eq!((ended.status, ended.count("deleted"), ended.count("skipped")), (Status::Failed, 1, 1));
    let error = ended.report["packages"][0]["error"].as_str().expect("an error");
    assert!(error.contains("does not know its manifest yet"), "{error}");
    assert_eq!(simulator.github().left("images").len(), 3);
}

#[test]
fn a_version_whose_tags_are_told_no_more_stays() {
    let text = "u · w · v[v1]";
    let digest = simulator::digest_of("w");
    let hide = move |github: &mut GitHub| {
        for version in &mut github.package_mut("images").versions {
            if version.name == digest {
                version.patch = serde_json::json!({"metadata": null});
            }
        }
    };
    let (ended, simulator) = held_up(text, 0, hide, "tag-status=untagged older-than=7d");
    assert!(is_there(&simulator, text, "w") && !is_there(&simulator, text, "u"), "{:?}", ended.report);
}

#[test]
fn a_signature_whose_subject_is_new_stays() {
    // pushed again under another tag, while its old version was to go
    let text = "x[pr-1] · S[pr-2] · T[sha256-S.sig] · v[v1]";
    let again = |github: &mut GitHub| {
        let subject = Version::image("S", &["v2"]);
        github.delete(&subject.name);
        github.push("images", subject);
    };
    let (_, simulator) = held_up(text, 0, again, "tags=pr-.*");
    assert!(is_there(&simulator, text, "T"));
    // pushed after its signature
    let push = |github: &mut GitHub| github.push("images", Version::image("late", &["v2"]));
    let text = "T[sha256-late.sig] · v[v1]";
    let (_, simulator) = held_up(text, 0, push, "delete-orphaned-images=true");
    assert!(is_there(&simulator, text, "T"));
}

#[test]
fn a_package_is_not_deleted_on_a_listing_older_than_a_minute() {
    let push = |github: &mut GitHub| github.push("images", Version::image("new", &["v9"]));
    let clock = VirtualClock::default();
    let limit = Answer::observed("secondary-rate-limit").header("retry-after", "300");
    let github = images_of(&clock, "a[a] · b[b]")
        .fault(Fault::on("DELETE", "/packages/container/images", Effect::Answer(limit)).times(1))
        .fault(Fault::on("GET", "/versions?", Effect::Meanwhile(Arc::new(push))).after(2).times(1));
    let simulator = Simulator::start(github);
    let inputs = [&IMAGES[..], &[("tags", ".*"), ("delete-empty-package", "true")]].concat();
    let ended = run_step(&clock, &simulator, &inputs);
    assert_eq!((ended.count("deleted"), ended.count("retained")), (1, 1), "{:?}", ended.report);
    assert!(simulator.github().left("images").contains(&"v9".to_owned()));
}

#[test]
fn what_an_index_pushed_since_the_plan_needs_is_left_alone() {
    let clock = VirtualClock::default();
    let text = "P[pr-1] -> a,b · S[sha256-a.sig] · V[v1]";
    let limit = Answer::observed("secondary-rate-limit").header("retry-after", "61");
    let index = images("N[v2] -> a,b2").into_iter().find(|version| version.tags == ["v2"]).expect("the index");
    let push = Effect::Meanwhile(Arc::new(move |github: &mut GitHub| {
        github.push("images", index.clone());
        github.push("images", Version::image("b2", &[]));
    }));
    // the first deletion is held up for over a minute, and meanwhile an index is pushed that lists a
    let github = images_of(&clock, text)
        .fault(Fault::on("DELETE", "/versions/", Effect::Answer(limit)).times(1))
        .fault(Fault::on("GET", "/versions?", push).after(1).times(1));
    let simulator = Simulator::start(github);
    let ended = run_step(&clock, &simulator, &[&IMAGES[..], &[("tags", "pr-.*")]].concat());
    assert_eq!((ended.status, ended.count("deleted"), ended.count("skipped")), (Status::Complete, 2, 2));
    assert!(simulator.github().broken_images().is_empty());
    let child = ended.version(&simulator::digest_of("a"));
    assert!(child["reason"].as_str().is_some_and(|reason| reason.starts_with("needed by v2")), "{child}");
    // no manifest was read again for it: the child that is new is known from its index
    assert!(simulator.pulls().values().all(|count| *count == 1), "{:?}", simulator.pulls());
}

#[test]
fn the_parts_of_a_root_that_was_retagged_stay_with_it() {
    let clock = VirtualClock::default();
    let text = "P[pr-1] -> a,b · V[v1]";
    let limit = Answer::observed("secondary-rate-limit").header("retry-after", "61");
    let retag = Effect::Meanwhile(Arc::new(|github: &mut GitHub| {
        for version in &mut github.package_mut("images").versions {
            if version.tags == ["pr-1"] {
                version.tags.push("v2".to_owned());
            }
        }
    }));
    let github = images_of(&clock, text)
        .fault(Fault::on("DELETE", "/versions/", Effect::Answer(limit)).times(1))
        .fault(Fault::on("GET", "/versions?", retag).after(1).times(1));
    let simulator = Simulator::start(github);
    let ended = run_step(&clock, &simulator, &[&IMAGES[..], &[("tags", "pr-.*")]].concat());
    assert_eq!((ended.status, ended.count("deleted"), ended.count("skipped")), (Status::Complete, 0, 3));
    let child = ended.version(&simulator::digest_of("a"));
    assert!(child["reason"].as_str().is_some_and(|reason| reason.starts_with("needed by pr-1")), "{child}");
}

#[test]
fn a_tag_is_taken_off_only_once_the_api_shows_where_it_went() {
    for (stale_listings, status) in [(0, Status::Complete), (3, Status::Complete), (u32::MAX, Status::Failed)] {
        let clock = VirtualClock::default();
        let text = "S[pr-1,v1] · V[v2]";
        let github = images_of(&clock, text);
        let before = github.listing("images");
        // the listing lags behind: it shows the tag on the version it was on
        let stale = Fault::on("GET", "/versions?", Effect::Answer(before)).after(2).times(stale_listings);
        let simulator = Simulator::start(github.fault(stale));
        let inputs = [&IMAGES[..], &[("tags", "pr-.*"), ("partial-match", "untag"), ("verify", "false")]].concat();
        let ended = run_step(&clock, &simulator, &inputs);
        assert_eq!(ended.status, status, "{:?}", ended.report);
        let untagged = u64::from(status == Status::Complete);
        assert_eq!((ended.count("untagged"), ended.count("failed")), (untagged, 1 - untagged));
        let original = simulator::digest_of("S");
        let mut github = simulator.github();
        let versions = &github.package_mut("images").versions;
        let version = versions.iter().find(|version| version.name == original).expect("the version stays");
        assert_eq!(version.tags, ["v1"]);
        assert_eq!(versions.len(), if status == Status::Complete { 2 } else { 3 }, "the copy is deleted or left");
    }
}

#[test]
fn an_empty_copy_stays_as_long_as_the_api_shows_its_tag_on_the_version_too() {
    let clock = VirtualClock::default();
    let mut github = images_of(&clock, "S[pr-1,v1] · V[v2]");
    for version in &mut github.package_mut("images").versions {
        if version.tags.contains(&"v1".to_owned()) {
            version.patch = serde_json::json!({"metadata": {"container": {"tags": ["pr-1", "v1"]}}});
        }
    }
    let simulator = Simulator::start(github);
    let inputs = [&IMAGES[..], &[("tags", "pr-.*"), ("partial-match", "untag"), ("verify", "false")]].concat();
    let ended = run_step(&clock, &simulator, &inputs);
    assert_eq!((ended.status, ended.count("failed")), (Status::Failed, 1), "{:?}", ended.report);
    assert!(!simulator.changes().iter().any(|change| change.starts_with("DELETE")), "{:?}", simulator.changes());
}

#[test]
fn an_image_is_begun_only_if_the_limit_holds_it_whole() {
    let clock = VirtualClock::default();
    let reset = midnight() + SignedDuration::from_mins(30);
    let text = "P1[pr-1] -> a1,b1,c1 · P2[pr-2] -> a2,b2,c2 · V[v1]";
    // what is left beside the reserve is enough for one image and a half
    let mut github = images_of(&clock, text);
    github.tokens.insert(TOKEN.to_owned(), Token::workflow().quota(1000, 109, reset));
    let simulator = Simulator::start(github);
    let ended = run_step(&clock, &simulator, &[&IMAGES[..], &[("tags", "pr-.*")]].concat());
    assert_eq!((ended.status, ended.count("deleted"), ended.count("skipped")), (Status::Partial, 4, 4));
    assert!(simulator.github().broken_images().is_empty());
    assert_eq!(left(&simulator, text).len(), 5);
}
