//! Laws of plan, apply and undo, over generated packages: shared, nested, tagged and signed parts.

use proptest::{prelude::*, test_runner::RngSeed};

use super::*;

/// Few cases, and the same in every run: each starts a server and the binary several times. More and
/// others are looked at by raising `cases` and changing the seed.
fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 24,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(20_261_123),
        ..ProptestConfig::default()
    }
}

/// A package in the short form of the simulator: what is drawn for each item hangs on items before it.
fn packages() -> impl Strategy<Value = String> {
    let tags = prop::sample::subsequence(vec!["pr", "v", "latest"], 0..=2);
    let item = (tags, 0..6_usize, prop::collection::vec(0..12_usize, 0..3), 2_u8..60);
    prop::collection::vec(item, 2..9).prop_map(|items| {
        let mut text: Vec<String> = Vec::new();
        for (number, (tags, kind, before, days)) in items.into_iter().enumerate() {
            let is_latest = |tag: &&str| **tag == *"latest";
            let tags: Vec<_> = tags
                .iter()
                .filter(|tag| !is_latest(tag) || number == 0)
                .map(|tag| if is_latest(tag) { (*tag).to_owned() } else { format!("{tag}-{number}") })
                .collect();
            let mut earlier: Vec<_> =
                before.iter().filter(|_| number > 0).map(|it| format!("i{}", it % number)).collect();
            earlier.sort();
            earlier.dedup();
            text.push(match (kind, earlier.first()) {
                (0 | 1, Some(_)) => {
                    format!("i{number}[{}] {days} -> {},p{number}", tags.join(","), earlier.join(","))
                }
                (2, Some(of)) => format!("i{number}[sha256-{of}.s{number}] {days}"),
                (3, Some(of)) => format!("i{number} {days} subject {of}"),
                _ => format!("i{number}[{}] {days} -> a{number},b{number}", tags.join(",")),
            });
        }
        text.join(" · ")
    })
}

type Given = Vec<(&'static str, &'static str)>;

fn selections() -> impl Strategy<Value = Given> {
    prop::sample::select(vec![
        vec![("tags", "pr-.*")],
        vec![("tags", ".*"), ("exclude-tags", "v-.*")],
        vec![("tags", ".*"), ("keep-latest", "1"), ("exclude-tags", "none")],
        vec![("tag-status", "untagged"), ("older-than", "10d")],
        vec![("tag-status", "any"), ("tags", "pr-.*"), ("older-than", "20d")],
        vec![("tags", "pr-.*"), ("partial-match", "untag")],
        vec![("delete-orphaned-images", "true"), ("tags", "v-.*")],
        vec![("tags", ".*"), ("delete-empty-package", "true"), ("exclude-tags", "none")],
        vec![("tags", "pr-.*"), ("limit", "1")],
    ])
}

/// What somebody else does in between.
#[derive(Clone, Debug)]
enum Change {
    TagAdded(usize),
    Deleted(usize),
    IndexPushed(usize),
    ImagePushed,
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        (0..20_usize).prop_map(Change::TagAdded),
        (0..20_usize).prop_map(Change::Deleted),
        (0..20_usize).prop_map(Change::IndexPushed),
        Just(Change::ImagePushed),
    ];
    prop::collection::vec(change, 0..3)
}

fn apply(simulator: &Simulator, changes: &[Change]) {
    for (number, change) in changes.iter().enumerate() {
        let mut github = simulator.github();
        let count = github.package_mut("app").versions.len().max(1);
        match change {
            Change::TagAdded(place) => {
                let versions = &mut github.package_mut("app").versions;
                versions[place % count].tags.push(format!("pr-added-{number}"));
            }
            Change::Deleted(place) => {
                let digest = github.package_mut("app").versions[place % count].name.clone();
                github.delete(&digest);
            }
            Change::IndexPushed(place) => {
                let version = github.package_mut("app").versions[place % count].clone();
                let media_type = version.manifest.expect("a manifest").media_type;
                let media_type: &'static str = if media_type.contains("index") {
                    "application/vnd.oci.image.index.v1+json"
                } else {
                    "application/vnd.oci.image.manifest.v1+json"
                };
                let listed = [(version.name, media_type, None)];
                let index = simulator::Manifest::of_index(&format!("new-{number}"), &listed, None);
                github.push("app", Version::with_manifest(index).tags(&[&format!("pr-pushed-{number}")]));
            }
            Change::ImagePushed => {
                github.push("app", Version::image(&format!("new-{number}"), &[&format!("pr-image-{number}")]));
            }
        }
    }
}

fn planned(report: &Value) -> BTreeSet<u64> {
    let versions = report["packages"][0]["versions"].as_array().cloned().unwrap_or_default();
    let going = versions.iter().filter(|version| version["decision"] == "delete");
    going.filter_map(|version| version["id"].as_u64()).collect()
}

fn ids(simulator: &Simulator) -> BTreeSet<u64> {
    state(simulator).into_iter().map(|(id, ..)| id).collect()
}

/// The digests and tags alone: copies that took tags off have ids of their own.
fn named(simulator: &Simulator) -> BTreeSet<(String, Vec<String>)> {
    let exists = simulator.github().package_mut("app").deleted_at.is_none();
    let versions = state(simulator).into_iter().map(|(_, name, tags)| (name, tags));
    if exists { versions.collect() } else { BTreeSet::new() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn undoing_gives_back_ids_tags_and_digests(text in packages(), given in selections()) {
        let simulator = Simulator::start(world(images(&text)));
        let before = state(&simulator);
        let ended = run(&simulator, &given);
        prop_assert_eq!(ended.code, Some(0), "{}", ended.log);
        let undone = with_report(&simulator, &ended.report(), &[("mode", "restore")]);
        prop_assert_eq!(undone.code, Some(0), "{}\n{}", ended.log, undone.log);
        prop_assert!(simulator.github().package_mut("app").deleted_at.is_none(), "{}", undone.log);
        prop_assert_eq!(state(&simulator), before.clone(), "{}\n{}", ended.log, undone.log);
        // and once more
        let changes = simulator.changes().len();
        let again = with_report(&simulator, &ended.report(), &[("mode", "restore")]);
        prop_assert_eq!((again.code, again.count("restored")), (Some(0), 0), "{}", again.log);
        prop_assert_eq!(simulator.changes().len(), changes);
    }

    #[test]
    fn a_plan_that_is_applied_equals_a_run_without_one(text in packages(), given in selections()) {
        let (one, two) = (Simulator::start(world(images(&text))), Simulator::start(world(images(&text))));
        let dry = run(&one, &[&given[..], &[("dry-run", "true")]].concat());
        prop_assert!(one.changes().is_empty());
        let applied = with_report(&one, &dry.report(), &[]);
        let direct = run(&two, &given);
        prop_assert_eq!(applied.code, Some(0), "{}\n{}", dry.log, applied.log);
        prop_assert_eq!(named(&one), named(&two), "{}\n{}", applied.log, direct.log);
        for count in ["selected", "deleted", "untagged", "retained", "failed", "skipped", "kept"] {
            prop_assert_eq!(applied.count(count), direct.count(count), "{}\n{}\n{}", count, applied.log, direct.log);
        }
    }

    #[test]
    fn in_a_changed_world_a_plan_takes_a_part_of_itself_and_breaks_nothing(
        text in packages(), given in selections(), changes in changes(),
    ) {
        let simulator = Simulator::start(world(images(&text)));
        let dry = run(&simulator, &[&given[..], &[("dry-run", "true")]].concat());
        apply(&simulator, &changes);
        let (before, broken) = (ids(&simulator), simulator.github().broken_images());
        let applied = with_report(&simulator, &dry.report(), &[]);
        prop_assert_eq!(applied.code, Some(0), "{}\n{}", dry.log, applied.log);
        let gone: BTreeSet<_> = match simulator.github().package_mut("app").deleted_at {
            Some(_) => before.clone(),
            None => BTreeSet::new(),
        };
        let gone: BTreeSet<_> = before.difference(&ids(&simulator)).copied().chain(gone).collect();
        prop_assert!(gone.is_subset(&planned(&dry.report())), "{}\n{}", dry.log, applied.log);
        let broken_now = simulator.github().broken_images();
        // what was broken before may have lost the tag that it was told by
        prop_assert!(broken_now.len() <= broken.len(), "{:?}\n{}", broken_now, applied.log);
        // what was added a tag to or pushed meanwhile is there
        let tags: BTreeSet<String> = state(&simulator).into_iter().flat_map(|(.., tags)| tags).collect();
        let added = changes.iter().enumerate().filter(|(_, change)| matches!(change, Change::ImagePushed));
        for (number, _) in added {
            prop_assert!(tags.contains(&format!("pr-image-{number}")), "{}", applied.log);
        }
    }

    #[test]
    fn no_order_of_interruptions_and_repeats_deletes_more_than_the_plan(
        text in packages(), given in selections(), cuts in prop::collection::vec(1_u32..12, 1..4),
    ) {
        let simulator = Simulator::start(world(images(&text)));
        let before = ids(&simulator);
        let dry = run(&simulator, &[&given[..], &[("dry-run", "true")]].concat());
        let mut report = dry.report();
        for (number, cut) in cuts.into_iter().enumerate() {
            // a token that expires after so many requests
            let expired = Answer::observed("bad-credentials");
            simulator.github().faults =
                vec![Fault::when(|request| !request.path.starts_with("/v2"), Effect::Answer(expired)).after(5 + cut)];
            let ended = with_report(&simulator, &report, &[]);
            simulator.github().faults.clear();
            prop_assert!(simulator.github().broken_images().is_empty(), "{}", ended.log);
            // the next one goes on with the first report, or with the one before
            if number % 2 == 0 && ended.report()["packages"][0]["versions"].as_array().is_some_and(|it| !it.is_empty()) {
                report = ended.report();
            }
        }
        let is_there = simulator.github().package_mut("app").deleted_at.is_none();
        let left = if is_there { ids(&simulator) } else { BTreeSet::new() };
        let gone: BTreeSet<_> = before.difference(&left).copied().collect();
        prop_assert!(gone.is_subset(&planned(&dry.report())), "{}", dry.log);
        if is_there {
            with_report(&simulator, &report, &[]);
            let gone: BTreeSet<_> = before.difference(&ids(&simulator)).copied().collect();
            prop_assert!(gone.is_subset(&planned(&dry.report())));
        }
    }

    #[test]
    fn a_forged_report_deletes_nothing(text in packages(), given in selections(), place in 0..20_usize, other in 0..20_usize) {
        let simulator = Simulator::start(world(images(&text)));
        let mut report = run(&simulator, &[&given[..], &[("dry-run", "true")]].concat()).report();
        let before = state(&simulator);
        let versions = report["packages"][0]["versions"].as_array_mut().expect("versions");
        let (place, other) = (place % versions.len(), other % versions.len());
        prop_assume!(place != other);
        let (one, two) = (versions[place]["id"].clone(), versions[other]["id"].clone());
        versions[place]["id"] = two;
        versions[other]["id"] = one;
        let ended = with_report(&simulator, &report, &[]);
        prop_assert_eq!((ended.code, ended.output("status")), (Some(1), "refused"), "{}", ended.log);
        prop_assert_eq!(state(&simulator), before);
        prop_assert!(simulator.changes().is_empty());
    }
}
