//! The step's outputs, as later steps read them.

use std::{fs::OpenOptions, io, io::Write, path::Path};

use serde::Serialize;

use crate::report::{Decision, Outcome, PackageReport, Report, VersionReport};

/// The most items of an array: a later step wants a list it can work on, the report has all.
const MOST_ITEMS: usize = 500;
/// The most bytes of an array; GitHub allows 1 MB of outputs in a job.
const MOST_BYTES: usize = 200 * 1024;

/// A version as the outputs tell it.
#[derive(Serialize)]
struct Item<'a> {
    package: &'a str,
    id: u64,
    name: &'a str,
    tags: &'a [String],
}

/// Every output and its value, in the order of the documentation.
pub fn values(report: &Report) -> Vec<(&'static str, String)> {
    let counts = report.counts;
    let done = |version: &VersionReport| matches!(version.outcome, Some(Outcome::Done | Outcome::Gone));
    let live = !report.changes_nothing();
    vec![
        ("status", report.status.as_str().to_owned()),
        ("selected", counts.selected.to_string()),
        ("deleted", counts.deleted.to_string()),
        ("untagged", counts.untagged.to_string()),
        ("restored", counts.restored.to_string()),
        ("retained", counts.retained.to_string()),
        ("failed", counts.failed.to_string()),
        ("skipped", counts.skipped.to_string()),
        ("kept", counts.kept.to_string()),
        ("selected-versions", array(report, |version| version.decision.is_selected())),
        ("deleted-versions", array(report, |version| live && done(version) && version.decision == Decision::Delete)),
        ("restored-versions", array(report, |version| live && done(version) && version.decision == Decision::Restore)),
        (
            "failed-versions",
            array(report, |version| matches!(version.outcome, Some(Outcome::Failed | Outcome::Unknown))),
        ),
        ("report", report.path.clone().unwrap_or_default()),
    ]
}

/// A JSON array of whole items, cut where it would get too long.
fn array(report: &Report, wanted: impl Fn(&VersionReport) -> bool) -> String {
    let item = |package: &PackageReport, version: &VersionReport| {
        let item = Item { package: &package.name, id: version.id, name: &version.name, tags: &version.tags };
        serde_json::to_string(&item).unwrap_or_default()
    };
    let mut array = String::from("[");
    let versions =
        report.packages.iter().flat_map(|package| package.versions.iter().map(move |version| (package, version)));
    let items = versions.filter(|(_, version)| wanted(version)).take(MOST_ITEMS);
    for item in items.map(|(package, version)| item(package, version)) {
        if array.len() + item.len() + 2 > MOST_BYTES {
            break;
        }
        if array.len() > 1 {
            array.push(',');
        }
        array.push_str(&item);
    }
    array.push(']');
    array
}

/// Appends outputs to the runner's file, in the form that lets a value hold anything: between
/// lines with a delimiter that nobody can guess, so that no tag can end the value
/// (<https://docs.github.com/actions/reference/workflow-commands-for-github-actions#multiline-strings>).
///
/// # Errors
///
/// When the file cannot be written, or no random delimiter can be had.
pub fn append(path: &Path, values: &[(&'static str, String)]) -> io::Result<()> {
    let mut text = String::new();
    for (name, value) in values {
        let delimiter = delimiter(value)?;
        text.push_str(&format!("{name}<<{delimiter}\n{value}\n{delimiter}\n"));
    }
    OpenOptions::new().append(true).create(true).open(path)?.write_all(text.as_bytes())
}

fn delimiter(value: &str) -> io::Result<String> {
    loop {
        let (left, right) = (getrandom::u64()?, getrandom::u64()?);
        let delimiter = format!("ghadelimiter_{left:016x}{right:016x}");
        if !value.contains(&delimiter) {
            return Ok(delimiter);
        }
    }
}
