//! The report of an earlier run, read back: nothing in it is trusted before it was held against
//! itself here, and against what GitHub lists later.

use std::{collections::HashSet, fs, path::Path};

use serde::Deserialize;

use super::{Decision, PackageReport, Report, SCHEMA};

/// The largest report that is read. A version takes some 500 bytes, so this holds a million.
const MOST_BYTES: u64 = 512 * 1024 * 1024;

/// Why there is no report to work from.
#[derive(Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It cannot be read at all.
    Unreadable(String),
    /// It can, and says nothing that may be acted on.
    Refused(String),
}

/// What every schema has.
#[derive(Deserialize)]
struct Head {
    schema: serde_json::Value,
}

/// Reads a report.
///
/// # Errors
///
/// If there is none, it is damaged, of another schema, or contradicts itself.
pub fn read(path: &Path) -> Result<Report, Unusable> {
    let unreadable =
        |error: std::io::Error| Unusable::Unreadable(format!("{} cannot be read: {error}", path.display()));
    let file = fs::metadata(path).map_err(unreadable)?;
    if !file.is_file() {
        return Err(Unusable::Unreadable(format!("{} is no file", path.display())));
    }
    let refused = |why: String| Unusable::Refused(format!("{} {why}", path.display()));
    if file.len() > MOST_BYTES {
        return Err(refused(format!("has {} bytes, more than any report", file.len())));
    }
    let bytes = fs::read(path).map_err(unreadable)?;
    let damaged = |error: serde_json::Error| refused(format!("is damaged, or no report of Tidy Packages: {error}"));
    let head: Head = serde_json::from_slice(&bytes).map_err(damaged)?;
    if head.schema != SCHEMA {
        return Err(refused(format!(
            "has the schema {}, and this version reads {SCHEMA}: use the version of the action that wrote it",
            head.schema
        )));
    }
    let report: Report = serde_json::from_slice(&bytes).map_err(damaged)?;
    match contradiction(&report) {
        Some(what) => Err(refused(format!("contradicts itself: {what}"))),
        None => Ok(report),
    }
}

/// What no run writes.
fn contradiction(report: &Report) -> Option<String> {
    let mut names = HashSet::new();
    let package_type = report.packages.first().map(|package| package.package_type);
    for package in &report.packages {
        if !names.insert(&package.name) {
            return Some(format!("it has the package {} twice", package.name));
        }
        if Some(package.package_type) != package_type {
            return Some("its packages are of several types".to_owned());
        }
        if let Some(what) = contradiction_in(package) {
            return Some(format!("{}: {what}", package.name));
        }
    }
    None
}

fn contradiction_in(package: &PackageReport) -> Option<String> {
    let (mut ids, mut names) = (HashSet::new(), HashSet::new());
    for version in &package.versions {
        if !ids.insert(version.id) {
            return Some(format!("it has the id {} twice", version.id));
        }
        if !names.insert(&version.name) {
            return Some(format!("it has the version {} twice", version.name));
        }
        if version.untag.iter().any(|tag| !version.tags.contains(tag)) {
            return Some(format!("tags are to come off {} that it does not have", version.name));
        }
        let has_tags_to_lose = version.untag.is_empty();
        if has_tags_to_lose == (version.decision == Decision::Untag) {
            return Some(format!("it does not say which tags come off {}", version.name));
        }
    }
    None
}
