//! Whatever a report says, it moves no tag, breaks no image, and takes no more than it names.

use std::collections::BTreeMap;

use proptest::{prelude::*, test_runner::RngSeed};
use serde_json::json;

use super::*;

/// A field and what stands in it; `at` says on which version or package.
#[derive(Clone, Debug)]
enum Forgery {
    OfVersion {
        at: usize,
        field: &'static str,
        value: Value,
    },
    OfPackage {
        field: &'static str,
        value: Value,
    },
    OfReport {
        field: &'static str,
        value: Value,
    },
    /// A version that stands there is said to be another one.
    Swapped {
        at: usize,
        other: usize,
    },
    /// A version is made up.
    Invented {
        id: u64,
        name: String,
    },
}

fn forgeries() -> impl Strategy<Value = Vec<Forgery>> {
    let one_of = |values: Vec<(&'static str, Value)>| prop::sample::select(values);
    let of_version = one_of(vec![
        ("decision", json!("delete")),
        ("decision", json!("delete")),
        ("decision", json!("untag")),
        ("decision", json!("restore")),
        ("decision", json!("keep")),
        ("decision", json!("everything")),
        ("role", json!("child")),
        ("role", json!("root")),
        ("role", json!("referrer")),
        ("via", json!(null)),
        ("via", json!(4_294_967_298_u64)),
        ("via", json!(u64::MAX)),
        ("tags", json!([])),
        ("tags", json!(["v1", "pr-1"])),
        ("tags", json!(["../../latest", "a?b#c", "", "x\n::error::y", "é".repeat(300)])),
        ("untag", json!(["pr-1"])),
        ("untag", json!(["pr-3"])),
        ("outcome", json!("done")),
        ("outcome", json!("planned")),
        ("outcome", json!("unknown")),
        ("outcome", json!("gone")),
        ("outcome", json!(null)),
        ("at", json!("9999-12-30T00:00:00Z")),
        ("at", json!("yesterday")),
        ("reason", json!("::add-mask::x\n##[error]<script>|`".repeat(50))),
        ("error", json!("x")),
        ("created_at", json!(null)),
        ("updated_at", json!("0001-01-01T00:00:00Z")),
        ("name", json!("sha256:")),
        ("id", json!(-1)),
        ("id", json!(0)),
    ]);
    let of_package = one_of(vec![
        ("decision", json!("delete")),
        ("decision", json!("restore")),
        ("decision", json!("keep")),
        ("error", json!("damaged")),
        ("active", json!(0)),
        ("active", json!(u64::MAX)),
        ("visibility", json!("secret")),
        ("name", json!("../app")),
        ("versions", json!([])),
        ("type", json!("docker")),
    ]);
    let of_report = one_of(vec![
        ("status", json!("running")),
        ("status", json!("complete")),
        ("dry_run", json!(false)),
        ("dry_run", json!(true)),
        ("mode", json!("restore")),
        ("inputs", json!({})),
        ("inputs", json!({"exclude-tags": "none", "tags": ".*", "untagged-grace": "0s", "max-wait": "100y"})),
        ("inputs", json!({"report-file": "/etc/passwd", "from-report": "plan.json", "mode": "restore"})),
        ("inputs", json!({"api-url": "https://example.com", "registry-url": "https://example.com"})),
        ("counts", json!({"selected": u64::MAX})),
        ("now", json!(null)),
        ("packages", json!({})),
    ]);
    let forgery = prop_oneof![
        6 => (0..20_usize, of_version).prop_map(|(at, (field, value))| Forgery::OfVersion { at, field, value }),
        2 => of_package.prop_map(|(field, value)| Forgery::OfPackage { field, value }),
        2 => of_report.prop_map(|(field, value)| Forgery::OfReport { field, value }),
        1 => (0..20_usize, 0..20_usize).prop_map(|(at, other)| Forgery::Swapped { at, other }),
        1 => (any::<u64>(), "sha256:[0-9a-f]{64}").prop_map(|(id, name)| Forgery::Invented { id, name }),
    ];
    prop::collection::vec(forgery, 1..5)
}

fn forge(report: &mut Value, forgeries: &[Forgery]) {
    for forgery in forgeries {
        let versions = report.pointer_mut("/packages/0/versions").and_then(Value::as_array_mut);
        let Some(versions) = versions else { return };
        let count = versions.len().max(1);
        match forgery {
            Forgery::OfVersion { at, field, value } => {
                if let Some(version) = versions.get_mut(at % count) {
                    version[field] = value.clone();
                }
            }
            Forgery::OfPackage { field, value } => report["packages"][0][field] = value.clone(),
            Forgery::OfReport { field, value } => report[field] = value.clone(),
            Forgery::Swapped { at, other } => {
                if let (Some(one), Some(two)) =
                    (versions.get(at % count).cloned(), versions.get(other % count).cloned())
                {
                    versions[at % count]["name"] = two["name"].clone();
                    versions[other % count]["name"] = one["name"].clone();
                }
            }
            Forgery::Invented { id, name } => {
                let mut version = versions.first().cloned().unwrap_or_default();
                version["id"] = json!(id);
                version["name"] = json!(name);
                version["decision"] = json!("delete");
                versions.push(version);
            }
        }
    }
}

/// Which digest a tag is on.
fn tags(simulator: &Simulator) -> BTreeMap<String, String> {
    let versions = state(simulator).into_iter();
    versions.flat_map(|(_, name, tags)| tags.into_iter().map(move |tag| (tag, name.clone()))).collect()
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 120,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(20_261_123),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_forged_report_does_no_more_than_it_says(
        forgeries in forgeries(), was_dry in any::<bool>(), mode in prop::sample::select(vec!["delete", "restore"]),
    ) {
        let simulator = Simulator::start(world(images(IMAGES)));
        let first = run(&simulator, &[("tags", "pr-.*"), ("dry-run", if was_dry { "true" } else { "false" })]);
        prop_assert_eq!(first.code, Some(0), "{}", first.log);
        let mut report = first.report();
        forge(&mut report, &forgeries);
        let (before, tags_before, pushes_before) = (state(&simulator), tags(&simulator), simulator.changes().len());
        let ended = with_report(&simulator, &report, &[("mode", mode)]);
        let told = format!("{forgeries:?}\n{}", ended.log);

        prop_assert!(matches!(ended.code, Some(0 | 1)), "it crashed: {}", told);
        prop_assert!(!ended.everything_written().replace("::add-mask::", "").replacen(TOKEN, "", 1).contains(TOKEN));
        // a whole package may go, if a report that fits says so
        let is_there = simulator.github().package_mut("app").deleted_at.is_none();
        let says_whole = report["packages"][0]["decision"] == "delete";
        prop_assert!(is_there || (mode == "delete" && says_whole), "{}", told);
        let after = if is_there { state(&simulator) } else { BTreeSet::new() };
        let ids: BTreeSet<u64> = after.iter().map(|(id, ..)| *id).collect();
        let entries = report["packages"][0]["versions"].as_array().cloned().unwrap_or_default();
        for (id, name, _) in before.iter().filter(|(id, ..)| !ids.contains(id)) {
            let is_named = |entry: &Value| {
                entry["id"] == *id && entry["name"] == name.as_str() && entry["decision"] == "delete"
            };
            prop_assert!(mode == "delete" && entries.iter().any(is_named), "{} went: {}", name, told);
        }
        if is_there {
            prop_assert_eq!(simulator.github().broken_images(), Vec::<String>::new(), "{}", told);
            // a tag stays where it is, or goes with its version, or comes off as it was said
            let now = tags(&simulator);
            for (tag, digest) in &tags_before {
                let is_gone = !after.iter().any(|(_, name, _)| name == digest);
                let comes_off = |entry: &Value| {
                    entry["decision"] == "untag"
                        && entry["untag"].as_array().is_some_and(|untag| untag.iter().any(|it| it == tag.as_str()))
                };
                let came_off = mode == "delete" && !now.contains_key(tag) && entries.iter().any(comes_off);
                prop_assert!(now.get(tag) == Some(digest) || is_gone || came_off, "{} moved: {}", tag, told);
            }
        }
        if ended.output("status") == "refused" {
            prop_assert_eq!(simulator.changes().len(), pushes_before, "{}", told);
        }
        let count = |name| ended.count(name);
        let selected = if mode == "delete" {
            count("deleted") + count("untagged") + count("retained") + count("failed") + count("skipped")
        } else {
            count("restored") + count("failed") + count("skipped")
        };
        let is_dry_or_none = count("selected") == 0;
        prop_assert!(is_dry_or_none || count("selected") == selected, "{}", told);
    }
}
