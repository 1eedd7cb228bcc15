//! Planning: reading what is there, and deciding on it.

use std::{
    fs,
    time::{Duration, Instant},
};

use tidy_packages::{
    inputs::{self, Environment},
    manifest::{self, Manifests},
    model::{self, PackageType},
    plan::{self, Listing},
};

use crate::{
    API, REGISTRY, Simulator, Version, far_away, line, measure, measure_with, organization, runner::TOKEN,
    simulator::attested_images,
};

/// As many requests in flight as may be.
const MOST: u32 = 90;
/// As many as there are unless it is said otherwise.
const DEFAULT: u32 = 16;
const UNTAGGED: [(&str, &str); 3] = [("tag-status", "untagged"), ("older-than", "7d"), ("dry-run", "true")];

/// The floor of reading so many pages and manifests, with so many requests in flight: the owner,
/// the package and the first page one after another, and then everything side by side.
fn floor(pages: u32, roots: u32, concurrency: u32) -> Duration {
    let rounds = (pages - 1).div_ceil(concurrency);
    API * (3 + rounds) + REGISTRY * (2 + roots.div_ceil(concurrency))
}

pub(crate) fn ten_thousand() {
    pure(2_000);
    whole(2_000, 7.0, MOST, &[]);
    whole(2_000, 0.0, MOST, &[]);
    whole(2_000, 7.0, DEFAULT, &[]);
}

pub(crate) fn hundred_thousand() {
    pure(20_000);
    // more pages than points in a minute: without that limit it is the work that is measured
    whole(20_000, 7.0, MOST, &[("points-per-minute", "0")]);
}

/// A whole dry run over images of five versions each.
fn whole(images: u32, minutes: f64, concurrency: u32, more: &[(&str, &str)]) {
    let simulator = far_away(attested_images(images, minutes));
    let in_flight = concurrency.to_string();
    let more = [&[("concurrency", in_flight.as_str())], more].concat();
    let measured = measure(&simulator, &[&UNTAGGED[..], &more].concat());
    assert_eq!((measured.ended.code, measured.ended.count("selected")), (Some(0), u64::from(images / 2 * 5)));
    let what = format!("plan {} versions, pushed {minutes} minutes apart, concurrency {concurrency}", images * 5);
    let floor = floor(images * 5 / 100, images, concurrency);
    line(&what, &measured.counted(), measured.took, Some(floor), Some(measured.memory));
    // the same again, with the plan as what is wanted: every version of it is looked at anew
    let report = fs::read(measured.ended.workspace().join(measured.ended.output("report"))).unwrap();
    let inputs = [&[("from-report", "plan.json"), ("dry-run", "true")], more.as_slice()].concat();
    let measured = measure_with(&simulator, &inputs, Some(report));
    assert_eq!((measured.ended.code, measured.ended.count("selected")), (Some(0), u64::from(images / 2 * 5)));
    line(
        "  hold that plan against what is there",
        &measured.counted(),
        measured.took,
        Some(floor),
        Some(measured.memory),
    );
}

/// The decisions alone: nothing is read.
fn pure(images: u32) {
    let versions = attested_images(images, 7.0);
    let listing = listing(&versions);
    let variables = [
        ("INPUT_TOKEN", TOKEN),
        ("INPUT_TAG-STATUS", "untagged"),
        ("INPUT_OLDER-THAN", "7d"),
        ("INPUT_OWNER", "octo-org"),
        ("INPUT_PACKAGES", "app"),
        ("INPUT_API-URL", "http://127.0.0.1:1"),
    ];
    let variables = variables.map(|(name, value)| (name.into(), value.into()));
    let inputs = inputs::read(&Environment::new(variables, std::env::temp_dir())).expect("inputs");
    let now = jiff::Timestamp::now();
    let decide = |listing| plan::deletion(vec![listing], &inputs.rules, inputs.guards, now);
    let counted = listing.clone();
    let allocations = allocation_counter::measure(|| drop(decide(counted)));
    let begun = Instant::now();
    let plan = decide(listing);
    let took = begun.elapsed();
    let going = plan.packages[0].verdicts.iter().filter(|verdict| verdict.decision.is_selected()).count();
    assert_eq!(going, images as usize / 2 * 5);
    let counted = format!(
        "nothing is read, {:.1} allocations and {} bytes a version",
        allocations.count_total as f64 / versions.len() as f64,
        allocations.bytes_total / versions.len() as u64
    );
    line(&format!("decide on {} versions", versions.len()), &counted, took, None, Some(allocations.bytes_max));
}

fn listing(versions: &[Version]) -> Listing {
    let mut manifests = Manifests::default();
    for version in versions.iter().filter(|version| !version.listed().is_empty()) {
        let pushed = version.manifest.as_ref().expect("a manifest");
        let read = manifest::Manifest::parse(Some(&pushed.media_type), &pushed.bytes).expect("a manifest");
        manifests.read.insert(version.name.clone(), read);
    }
    let listed = versions.iter().enumerate().map(|(number, version)| model::Version {
        id: number as u64,
        name: version.name.clone(),
        tags: Some(version.tags.clone()),
        created_at: version.created_at.parse().ok(),
        updated_at: version.updated_at.parse().ok(),
        deleted_at: None,
    });
    let package = model::Package { package_type: PackageType::Container, name: "app".to_owned(), visibility: None };
    Listing { versions: listed.collect(), manifests, ..Listing::new(package) }
}

/// An organization of many packages, planned side by side.
pub(crate) fn two_thousand_packages() {
    const PACKAGES: u32 = 2_000;
    let mut github = organization();
    for number in 0..PACKAGES {
        let versions = (0..20)
            .map(|version| Version::new(&format!("1.{version}.0-pr.{number}")).days_old(100.0 - f64::from(version)));
        github = github.package("octo-org", "npm", &format!("package-{number}"), versions.collect());
    }
    github.latency = (API, REGISTRY);
    let simulator = Simulator::start(github);
    let inputs = [
        ("package-type", "npm"),
        ("packages", "*"),
        ("tags", ".*-pr.*"),
        ("keep-latest", "5"),
        ("dry-run", "true"),
        ("concurrency", "90"),
        ("points-per-minute", "0"),
    ];
    let measured = measure(&simulator, &inputs);
    assert_eq!((measured.ended.code, measured.ended.count("selected")), (Some(0), u64::from(PACKAGES) * 15));
    let pages = PACKAGES / 100;
    let floor = API * (2 + (pages - 1).div_ceil(MOST) + PACKAGES.div_ceil(MOST));
    line("plan 2,000 packages of 20 versions", &measured.counted(), measured.took, Some(floor), Some(measured.memory));
}
