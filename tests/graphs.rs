//! Laws of the image graph, over generated packages: shared, nested and tagged children, referrers
//! at every level, missing pieces, circles of fallback tags.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

use std::collections::{BTreeMap, BTreeSet};

use proptest::{prelude::*, test_runner::RngSeed};
use tidy_packages::{
    inputs::{self, Environment, Inputs},
    manifest,
    model::{self, PackageType, subject_of_fallback_tag},
    plan::{self, Listing, Plan},
    report::{Decision, Role},
};

mod runner;
mod simulator;

use runner::{Ended, Step, TOKEN};
use simulator::{GitHub, Manifest, Simulator, Token, Version};

/// A version in the making; what it speaks of are numbers of versions pushed before it.
#[derive(Clone, Debug)]
struct Sketch {
    /// `None` for an image; children of an index, whether they are there, and for a platform or not.
    children: Option<Vec<(usize, bool)>>,
    missing: bool,
    /// `Some(None)` refers to something that is not there.
    subject: Option<Option<usize>>,
    tags: Vec<&'static str>,
    /// Whose fallback tag it has, and the tag's suffix.
    fallback: Option<(usize, &'static str)>,
    days: u8,
}

fn sketch(number: usize) -> impl Strategy<Value = Sketch> {
    let before = move |most| prop::collection::vec((0..number.max(1), any::<bool>()), 0..=most);
    let children = prop_oneof![2 => Just(None), 3 => before(3).prop_map(Some)];
    let subject = prop_oneof![
        5 => Just(None),
        2 => (0..number.max(1)).prop_map(|subject| Some(Some(subject))),
        1 => Just(Some(None)),
    ];
    let tags = prop::sample::subsequence(vec!["v1", "v2", "v3", "pr-1", "pr-2", "pr-3", "latest"], 0..=2);
    let tags = prop_oneof![2 => Just(Vec::new()), 2 => tags];
    let suffix = prop::sample::select(vec!["", ".sig", ".att"]);
    let fallback = prop_oneof![3 => Just(None), 1 => (0_usize..12, suffix).prop_map(Some)];
    (children, prop::bool::weighted(0.1), subject, tags, fallback, 0_u8..60).prop_map(
        move |(children, missing, subject, tags, fallback, days)| {
            let (children, subject) = if number == 0 { (None, None) } else { (children, subject) };
            Sketch { children, missing, subject, tags, fallback, days }
        },
    )
}

fn packages() -> impl Strategy<Value = Vec<Version>> {
    (1_usize..12).prop_flat_map(|size| (0..size).map(sketch).collect::<Vec<_>>()).prop_map(|sketches| build(&sketches))
}

/// The versions of a package, in the order they were pushed; a tag is on one of them alone.
fn build(sketches: &[Sketch]) -> Vec<Version> {
    const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
    const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    let mut manifests: Vec<Manifest> = Vec::new();
    for (number, sketch) in sketches.iter().enumerate() {
        let label = format!("version-{number}");
        let gone = simulator::digest_of(&format!("gone-{number}"));
        let subject = sketch.subject.map(|subject| subject.map_or(gone.clone(), |subject| manifests[subject].digest()));
        let manifest = match &sketch.children {
            None => Manifest::of_image(&label, subject.as_deref()),
            Some(children) => {
                let mut listed: Vec<_> = children
                    .iter()
                    .map(|(child, for_platform)| {
                        let is_index = sketches[*child].children.is_some();
                        // a child that refers to something is not listed for a platform: that is what is assumed
                        let for_platform = *for_platform && sketches[*child].subject.is_none();
                        let media_type = if is_index { INDEX } else { IMAGE };
                        (manifests[*child].digest(), media_type, for_platform.then_some("amd64"))
                    })
                    .collect();
                if sketch.missing {
                    listed.push((gone, IMAGE, Some("arm64")));
                }
                Manifest::of_index(&label, &listed, subject.as_deref())
            }
        };
        manifests.push(manifest);
    }
    let mut taken = BTreeSet::new();
    let versions = sketches.iter().enumerate().map(|(number, sketch)| {
        let mut tags: Vec<String> = sketch.tags.iter().map(|tag| (*tag).to_owned()).collect();
        if let Some((of, suffix)) = sketch.fallback {
            let digest = manifests[of % manifests.len()].digest();
            tags.push(format!("{}{suffix}", digest.replace(':', "-")));
        }
        tags.retain(|tag| taken.insert(tag.clone()));
        let tags: Vec<_> = tags.iter().map(String::as_str).collect();
        let id = 1_000 + number as u64;
        Version::with_manifest(manifests[number].clone()).tags(&tags).days_old(f64::from(sketch.days) + 0.5).id(id)
    });
    versions.collect()
}

type Given = Vec<(&'static str, &'static str)>;

fn inputs() -> impl Strategy<Value = Given> {
    let what = prop::sample::select(vec![
        vec![("tags", "pr-.*")],
        vec![("tags", ".*")],
        vec![("tags", "pr-.*\nv[12]")],
        vec![("tag-status", "untagged")],
        vec![("tag-status", "any"), ("tags", "pr-.*")],
        vec![("tag-status", "tagged"), ("keep-latest", "2")],
        vec![("delete-ghost-images", "true"), ("delete-orphaned-images", "true")],
        vec![("delete-partial-images", "true"), ("tags", "v.*")],
        vec![("tags", "pr-.*"), ("partial-match", "untag")],
        vec![("tags", "pr-.*"), ("partial-match", "untag"), ("delete-orphaned-images", "true")],
    ]);
    let more = prop::sample::subsequence(
        vec![
            ("older-than", "20d"),
            ("keep-latest", "1"),
            ("exclude-tags", "v2"),
            ("limit", "2"),
            ("untagged-grace", "5d"),
        ],
        0..4,
    );
    (what, more).prop_map(|(what, more)| {
        let sweeps_alone = what[0].0.starts_with("delete");
        let known: BTreeSet<_> = what.iter().map(|(name, _)| *name).collect();
        let more = more.into_iter().filter(|(name, _)| !known.contains(name));
        let more = more.filter(|(name, _)| !(sweeps_alone && *name == "keep-latest"));
        what.iter().copied().chain(more).collect()
    })
}

/// The inputs as the binary reads them.
fn read(given: &Given) -> Inputs {
    let around = [("token", TOKEN), ("owner", "octo-org"), ("packages", "app")];
    let variables = around.iter().chain(given).map(|(name, value)| (format!("INPUT_{}", name.to_uppercase()), *value));
    let variables = variables.map(|(name, value)| (name.into(), value.into()));
    inputs::read(&Environment::new(variables, std::env::temp_dir())).expect("inputs")
}

/// The plan that is made of these versions when everything of them is read.
fn planned(versions: &[Version], inputs: &Inputs) -> Plan {
    let mut manifests = manifest::Manifests::default();
    for version in versions {
        let Manifest { media_type, bytes } = version.manifest.as_ref().expect("a manifest");
        let read = manifest::Manifest::parse(Some(media_type), bytes).expect("a manifest");
        manifests.read.insert(version.name.clone(), read);
    }
    let there: BTreeSet<_> = versions.iter().map(|version| version.name.clone()).collect();
    let spoken_of = versions.iter().flat_map(|version| version.listed().into_iter().chain(referred(version)));
    manifests.absent.extend(spoken_of.filter(|digest| !there.contains(digest)));
    let package = model::Package { package_type: PackageType::Container, name: "app".into(), visibility: None };
    let versions = versions.iter().map(|version| model::Version {
        id: version.id,
        name: version.name.clone(),
        tags: Some(version.tags.clone()),
        created_at: version.created_at.parse().ok(),
        updated_at: version.updated_at.parse().ok(),
        deleted_at: None,
    });
    let listing = Listing { versions: versions.collect(), manifests, ..Listing::new(package) };
    let now = jiff::Zoned::now().timestamp();
    plan::deletion(vec![listing], &inputs.rules, inputs.guards, now)
}

/// What a version refers to, by its manifest or its fallback tags.
fn referred(version: &Version) -> BTreeSet<String> {
    let by_tag = version.tags.iter().filter_map(|tag| subject_of_fallback_tag(tag));
    by_tag.chain(version.subject()).filter(|digest| *digest != version.name).collect()
}

/// What each version needs as long as it stays: found by asking every version of every other.
fn needs(versions: &[Version]) -> BTreeMap<String, BTreeSet<String>> {
    let of = |version: &Version| {
        let listed = version.listed();
        let needed = versions.iter().filter(|other| {
            other.name != version.name && (listed.contains(&other.name) || referred(other).contains(&version.name))
        });
        needed.map(|other| other.name.clone()).collect()
    };
    versions.iter().map(|version| (version.name.clone(), of(version))).collect()
}

/// Whether one thing needs another, by whatever lies between. Of a circle one has to go first: if
/// GitHub then keeps another, that has lost it.
fn reaches(needs: &BTreeMap<String, BTreeSet<String>>, from: &str, to: &str) -> bool {
    let mut reached = BTreeSet::from([from.to_owned()]);
    let mut next = vec![from.to_owned()];
    while let Some(place) = next.pop() {
        next.extend(needs[&place].iter().filter(|needed| reached.insert((*needed).clone())).cloned());
    }
    reached.contains(to)
}

fn names(plan: &Plan, wanted: impl Fn(Decision) -> bool) -> BTreeSet<String> {
    let verdicts = plan.packages.iter().flat_map(|package| &package.verdicts);
    verdicts.filter(|verdict| wanted(verdict.decision)).map(|verdict| verdict.version.name.clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_stays_has_everything_it_needs(versions in packages(), given in inputs()) {
        let plan = planned(&versions, &read(&given));
        let gone = names(&plan, |decision| decision == Decision::Delete);
        for (name, needed) in needs(&versions) {
            if !gone.contains(&name) {
                prop_assert!(needed.is_disjoint(&gone), "{name} stays and needs {needed:?}, of which {gone:?} goes");
            }
        }
    }

    #[test]
    fn nothing_goes_that_nobody_asked_for(versions in packages(), given in inputs()) {
        let inputs = read(&given);
        let plan = planned(&versions, &inputs);
        let gone = names(&plan, |decision| decision == Decision::Delete);
        let protects = |tag: &String| inputs.rules.exclude_tags.iter().any(|pattern| pattern.matches(tag));
        let asked = |tag: &str| inputs.rules.tags.as_ref().is_none_or(|tags| tags.iter().any(|tag_| tag_.matches(tag)));
        let sweeps = inputs.rules.sweeps.any();
        for verdict in &plan.packages[0].verdicts {
            if verdict.decision != Decision::Delete {
                continue;
            }
            let tags = verdict.version.tags.clone().unwrap_or_default();
            prop_assert!(!tags.iter().any(protects), "{tags:?} is protected");
            let own: Vec<_> = verdict.version.own_tags().collect();
            prop_assert!(sweeps || own.iter().all(|tag| asked(tag)), "nobody asked for all of {own:?}");
            // a part goes with something that goes, after everything that needs it
            let verdicts = &plan.packages[0].verdicts;
            match verdict.image {
                Some(image) => prop_assert_eq!(verdicts[image].decision, Decision::Delete),
                None => prop_assert!(verdict.role == Role::Root || verdict.after.is_empty()),
            }
            for needer in &verdict.after {
                prop_assert!(gone.contains(&verdicts[*needer].version.name));
            }
        }
    }

    #[test]
    fn a_tagged_image_is_left_where_there_was_one(versions in packages(), given in inputs()) {
        let plan = planned(&versions, &read(&given));
        let refers: BTreeSet<_> = versions.iter().filter(|it| !referred(it).is_empty()).map(|it| it.name.clone()).collect();
        let is_tagged = |verdict: &&plan::Verdict| {
            verdict.version.own_tags().next().is_some() && !refers.contains(&verdict.version.name)
        };
        let tagged: Vec<_> = plan.packages[0].verdicts.iter().filter(is_tagged).collect();
        // a part is an image of its own once nothing lists it any more
        let gone = names(&plan, |decision| decision == Decision::Delete);
        let needs = needs(&versions);
        let is_free = |name: &String| needs.iter().all(|(needer, needed)| gone.contains(needer.as_str()) || !needed.contains(name.as_str()));
        let is_left = |verdict: &&&plan::Verdict| {
            let is_image = verdict.role == Role::Root || is_free(&verdict.version.name);
            verdict.decision != Decision::Delete && is_image
        };
        let has_images = tagged.iter().any(|verdict| verdict.role == Role::Root);
        prop_assert!(!has_images || tagged.iter().any(|verdict| is_left(&verdict)));
        prop_assert!(plan.packages[0].verdicts.iter().any(|verdict| verdict.decision != Decision::Delete));
    }

    #[test]
    fn what_goes_takes_along_all_that_it_alone_needed(versions in packages(), given in inputs()) {
        let inputs = read(&given);
        let plan = planned(&versions, &inputs);
        let gone = names(&plan, |decision| decision == Decision::Delete);
        let needs = needs(&versions);
        let protects = |tag: &String| inputs.rules.exclude_tags.iter().any(|pattern| pattern.matches(tag));
        for version in versions.iter().filter(|version| !gone.contains(&version.name)) {
            let needers: Vec<_> = needs.iter().filter(|(_, needed)| needed.contains(&version.name)).collect();
            let has_a_name = version.tags.iter().any(|tag| subject_of_fallback_tag(tag).is_none() || protects(tag));
            let all_gone = !needers.is_empty() && needers.iter().all(|(needer, _)| gone.contains(*needer));
            prop_assert!(!all_gone || has_a_name, "{} is left alone by {needers:?}", version.name);
        }
    }

    #[test]
    fn the_plan_does_not_depend_on_the_order_of_the_listing(
        (versions, shuffled) in packages().prop_flat_map(|versions| (Just(versions.clone()), Just(versions).prop_shuffle())),
        given in inputs(),
    ) {
        let told = |versions: &[Version]| -> Vec<String> {
            let plan = planned(versions, &read(&given));
            let verdicts = plan.packages[0].verdicts.iter();
            verdicts.map(|it| format!("{} {:?} {} {:?} {:?}", it.version.name, it.decision, it.reason, it.role, it.image)).collect()
        };
        prop_assert_eq!(told(&versions), told(&shuffled));
    }
}

/// Fewer cases, and the same in every run: each starts a server and the binary several times. More
/// and others are looked at by raising `cases` and changing the seed.
fn with_the_binary() -> ProptestConfig {
    ProptestConfig {
        cases: 60,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(20_261_123),
        ..ProptestConfig::default()
    }
}

fn world(versions: &[Version]) -> GitHub {
    GitHub::new()
        .organization("octo-org")
        .user("octocat")
        .token(TOKEN, Token::classic("octocat", &["delete:packages", "write:packages"]))
        .package("octo-org", "container", "app", versions.to_vec())
}

fn run(simulator: &Simulator, given: &[(&str, &str)]) -> Ended {
    let ended = given.iter().fold(Step::new(simulator.url()), |step, (name, value)| step.input(name, value)).run();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    ended
}

/// What a report decides on every version, in its order, and why.
fn told(ended: &Ended) -> Vec<String> {
    let fields = ["name", "decision", "role", "via", "untag", "reason"];
    ended.versions().iter().map(|version| fields.map(|field| version[field].to_string()).join(" ")).collect()
}

/// Whether the outcome says why, and no longer the plan: what GitHub keeps needs it.
fn is_skipped(ended: &Ended) -> Vec<bool> {
    ended.versions().iter().map(|version| version["outcome"] == "skipped").collect()
}

/// Indexes that lack a child, by digest.
fn broken(versions: &[Version], there: &BTreeSet<String>) -> BTreeSet<String> {
    let lacks = |version: &&Version| version.listed().iter().any(|digest| !there.contains(digest));
    versions.iter().filter(|version| there.contains(&version.name)).filter(lacks).map(|it| it.name.clone()).collect()
}

proptest! {
    #![proptest_config(with_the_binary())]

    #[test]
    fn however_a_run_ends_no_image_that_is_left_is_broken(versions in packages(), given in inputs()) {
        let simulator = Simulator::start(world(&versions));
        let dry = run(&simulator, &[&given[..], &[("dry-run", "true")]].concat());
        prop_assert!(simulator.changes().is_empty());
        prop_assert!(simulator.pulls().values().all(|count| *count == 1), "a manifest was read twice");

        let live = run(&simulator, &given);
        for ((planned, done), skipped) in told(&dry).into_iter().zip(told(&live)).zip(is_skipped(&live)) {
            prop_assert!(planned == done || (skipped && done.contains("needed by")), "{planned} and then {done}");
        }
        let sum = ["deleted", "untagged", "retained", "failed", "skipped"].map(|name| live.count(name)).iter().sum::<u64>();
        prop_assert_eq!((sum, live.count("kept") + live.count("selected")), (live.count("selected"), versions.len() as u64));

        // after any number of deletions: what is there is as whole as it was, and what stays has its referrers
        let ids: BTreeMap<_, _> = versions.iter().map(|version| (version.id.to_string(), version.name.clone())).collect();
        let mut there: BTreeSet<_> = ids.values().cloned().collect();
        let before = broken(&versions, &there);
        let needs = needs(&versions);
        let stays: BTreeSet<_> = {
            let mut github = simulator.github();
            github.package_mut("app").versions.iter().map(|version| version.name.clone()).collect()
        };
        for change in simulator.changes().iter().filter(|change| change.starts_with("DELETE")) {
            let Some(name) = ids.get(change.rsplit('/').next().expect("an id")) else { continue };
            there.remove(name);
            prop_assert!(broken(&versions, &there).is_subset(&before), "broken after {name}");
            for (needer, needed) in needs.iter().filter(|(needer, _)| stays.contains(*needer)) {
                let lost: Vec<_> = needed.iter().filter(|it| !there.contains(*it) && !reaches(&needs, it, needer)).collect();
                prop_assert!(lost.is_empty(), "{needer} lost {name}");
            }
        }

        // what has no tags any more may be asked for as untagged, and a limit goes on: else nothing more goes
        let goes_on = given.iter().any(|(name, _)| *name == "limit");
        if !goes_on {
            let again = run(&simulator, &given);
            prop_assert_eq!(again.count("deleted") + again.count("untagged"), 0, "{}", again.log);
        }
    }
}

proptest! {
    #![proptest_config(with_the_binary())]

    #[test]
    fn whatever_github_refuses_keeps_what_it_needs(
        versions in packages(),
        given in inputs(),
        popular in prop::collection::vec(prop::bool::weighted(0.3), 12),
    ) {
        let mut versions = versions;
        for (version, popular) in versions.iter_mut().zip(popular) {
            version.downloads = if popular { 6_000 } else { 0 };
        }
        let simulator = Simulator::start(world(&versions));
        let ended = run(&simulator, &given);
        let left: BTreeSet<_> = {
            let mut github = simulator.github();
            github.package_mut("app").versions.iter().map(|version| version.name.clone()).collect()
        };
        let there: BTreeSet<_> = versions.iter().map(|version| version.name.clone()).collect();
        prop_assert!(broken(&versions, &left).is_subset(&broken(&versions, &there)));
        let needs = needs(&versions);
        for (needer, needed) in &needs {
            let lost: Vec<_> = needed.iter().filter(|it| !left.contains(*it) && !reaches(&needs, it, needer)).collect();
            prop_assert!(!left.contains(needer) || lost.is_empty(), "{needer} lost {lost:?}: {}", ended.log);
        }
        let sum = ["deleted", "untagged", "retained", "failed", "skipped"].map(|name| ended.count(name)).iter().sum::<u64>();
        prop_assert_eq!((sum, ended.count("deleted")), (ended.count("selected"), (there.len() - left.len()) as u64));
    }
}
