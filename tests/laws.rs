//! Laws that hold whatever there is and whatever is asked for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

use std::collections::BTreeSet;

use proptest::prelude::*;

mod runner;
mod simulator;

use runner::{Ended, Step, TOKEN};
use simulator::{GitHub, Simulator, Token, Version};

/// A version's age in days and its tags.
type Sketch = (u8, Vec<&'static str>);

fn sketches() -> impl Strategy<Value = Vec<Sketch>> {
    let tags = prop::sample::subsequence(vec!["pr-1", "pr-2", "v1.0", "v1.1", "v2.0", "latest", "edge"], 0..3);
    prop::collection::vec((0_u8..60, tags), 1..9).prop_map(|mut sketches| {
        // a tag is on one version at a time
        let mut taken = BTreeSet::new();
        for (_, tags) in &mut sketches {
            tags.retain(|tag| taken.insert(*tag));
        }
        sketches
    })
}

/// Inputs that select something, each with a name and a value.
fn inputs() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    let tags = prop::sample::select(vec![".*", "pr-.*", "v.*", "pr-.*\nv1.*", "edge"]);
    let more = prop::sample::subsequence(
        vec![
            ("older-than", "20d"),
            ("keep-latest", "1"),
            ("exclude-tags", "v2.*"),
            ("limit", "2"),
            ("untagged-grace", "5d"),
        ],
        0..4,
    );
    (tags, more).prop_map(|(tags, more)| [&[("tags", tags)][..], &more].concat())
}

fn world(sketches: &[Sketch]) -> GitHub {
    let version = |(number, (days, tags)): (usize, &Sketch)| {
        Version::new(&format!("version-{number}")).tags(tags).days_old(f64::from(*days) + 0.5)
    };
    GitHub::new()
        .organization("octo-org")
        .user("octocat")
        .token(TOKEN, Token::classic("octocat", &["delete:packages", "write:packages"]))
        .package("octo-org", "docker", "app", sketches.iter().enumerate().map(version).collect())
}

fn run(simulator: &Simulator, inputs: &[(&str, &str)]) -> Ended {
    let step = Step::new(simulator.url()).inputs("package-type=docker packages=app");
    let ended = inputs.iter().fold(step, |step, (name, value)| step.input(name, value)).run();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    ended
}

fn names(simulator: &Simulator) -> BTreeSet<String> {
    simulator.github().package_mut("app").versions.iter().map(|version| version.name.clone()).collect()
}

/// The names of what a report decides to delete.
fn planned(ended: &Ended) -> BTreeSet<String> {
    let versions = ended.versions();
    let going = versions.iter().filter(|version| version["decision"] == "delete");
    going.map(|version| version["name"].as_str().expect("a name").to_owned()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_dry_run_decides_as_a_run_does_and_restoring_gives_it_all_back(sketches in sketches(), inputs in inputs()) {
        let simulator = Simulator::start(world(&sketches));
        let before = names(&simulator);
        let mut state = simulator.github().package_mut("app").versions.clone();

        let dry = run(&simulator, &[&inputs[..], &[("dry-run", "true")]].concat());
        prop_assert!(simulator.changes().is_empty());

        let live = run(&simulator, &inputs);
        let after = names(&simulator);
        let gone: BTreeSet<_> = before.difference(&after).cloned().collect();
        prop_assert_eq!(&gone, &planned(&dry));
        prop_assert_eq!(&gone, &planned(&live));
        prop_assert_eq!(live.count("deleted"), gone.len() as u64);
        prop_assert_eq!(live.count("kept") + live.count("selected"), before.len() as u64);
        let sum = ["deleted", "retained", "failed", "skipped"].map(|name| live.count(name)).iter().sum::<u64>();
        prop_assert_eq!(sum, live.count("selected"));

        // whatever was asked for: a package is never emptied, and the newest tagged version lives
        prop_assert!(!after.is_empty());
        if state.iter().any(|version| !version.tags.is_empty()) {
            prop_assert!(simulator.github().package_mut("app").versions.iter().any(|version| !version.tags.is_empty()));
        }

        run(&simulator, &[("mode", "restore"), ("deleted-within", "1h")]);
        let mut restored = simulator.github().package_mut("app").versions.clone();
        restored.sort_by_key(|version| version.id);
        state.sort_by_key(|version| version.id);
        prop_assert_eq!(restored, state);
    }

    #[test]
    fn a_second_run_deletes_nothing_more(sketches in sketches(), inputs in inputs()) {
        // a limit leaves work for the next run on purpose
        let inputs: Vec<_> = inputs.into_iter().filter(|(name, _)| *name != "limit").collect();
        let simulator = Simulator::start(world(&sketches));
        run(&simulator, &inputs);
        let once = names(&simulator);
        prop_assert_eq!(run(&simulator, &inputs).count("deleted"), 0);
        prop_assert_eq!(names(&simulator), once);
    }

    #[test]
    fn the_order_of_the_listing_does_not_matter(sketches in sketches(), inputs in inputs(), seed in any::<u64>()) {
        let simulator = Simulator::start(world(&sketches));
        let dry = [&inputs[..], &[("dry-run", "true")]].concat();
        let one = planned(&run(&simulator, &dry));
        // ids and ages stay, the places in the listing change
        for (place, version) in simulator.github().package_mut("app").versions.iter_mut().enumerate() {
            let shuffled = (seed.rotate_left(place as u32 * 7)) % 97;
            version.patch = serde_json::json!({"created_at": version.created_at, "shuffled": shuffled});
            version.created_at = format!("2020-01-01T00:00:{:02}Z", shuffled % 60);
        }
        prop_assert_eq!(planned(&run(&simulator, &dry)), one);
    }

    #[test]
    fn what_is_excluded_stays_whatever_selects_it(sketches in sketches()) {
        let simulator = Simulator::start(world(&sketches));
        let protected = |version: &Version| version.tags.iter().any(|tag| tag.starts_with("v1"));
        let before: BTreeSet<_> =
            simulator.github().package_mut("app").versions.iter().filter(|version| protected(version)).map(|version| version.id).collect();
        run(&simulator, &[("tags", ".*"), ("exclude-tags", "v1.*")]);
        let after: BTreeSet<_> = simulator.github().package_mut("app").versions.iter().map(|version| version.id).collect();
        prop_assert!(before.is_subset(&after));
    }
}
