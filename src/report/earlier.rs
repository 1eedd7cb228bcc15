//! The report of an earlier run, read back: nothing in it is trusted before it was held against
//! itself here, and against what GitHub lists later.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{Decision, PackageReport, Report, SCHEMA, VersionReport};
use crate::{manifest::is_digest, model::PackageType};

/// The largest report that is read. A version takes some 500 bytes, so this holds a million.
const MOST_BYTES: u64 = 512 * 1024 * 1024;

/// A part goes with its image, which goes with nothing: what has more steps than this is a circle.
const DEEPEST: usize = 64;

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

/// Reads a report that lies below one of the roots.
///
/// # Errors
///
/// If there is none, a link leads elsewhere, it is damaged, of another schema, or contradicts itself.
pub fn read(path: &Path, roots: &[PathBuf]) -> Result<Report, Unusable> {
    let unreadable =
        |error: std::io::Error| Unusable::Unreadable(format!("{} cannot be read: {error}", path.display()));
    let real = fs::canonicalize(path).map_err(unreadable)?;
    let is_below = |root: &PathBuf| fs::canonicalize(root).is_ok_and(|root| real.starts_with(root));
    if !roots.iter().any(is_below) {
        let why = format!("{} is a link to {}, outside of the workspace", path.display(), real.display());
        return Err(Unusable::Unreadable(why));
    }
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
    let images: HashMap<u64, Option<u64>> = package.versions.iter().map(|version| (version.id, version.via)).collect();
    let goes_whole = package.decision == Some(Decision::Delete);
    for version in &package.versions {
        if goes_whole && version.decision != Decision::Delete {
            return Some(format!("the whole package goes, and {} does not", version.name));
        }
        if package.package_type == PackageType::Container {
            if !is_digest(&version.name) {
                return Some(format!("{} is no digest", version.name));
            }
            // they become part of addresses, and of commands that somebody copies
            if let Some(tag) = version.tags.iter().find(|tag| !is_tag(tag)) {
                return Some(format!("{tag} is no tag"));
            }
        }
        if !ids.insert(version.id) {
            return Some(format!("it has the id {} twice", version.id));
        }
        if !names.insert(&version.name) {
            return Some(format!("it has the version {} twice", version.name));
        }
        if version.untag.iter().any(|tag| !version.tags.contains(tag)) {
            return Some(format!("tags are to come off {} that it does not have", version.name));
        }
        if goes_in_a_circle(version, &images) {
            return Some(format!("{} goes with itself", version.name));
        }
        let has_tags_to_lose = version.untag.is_empty();
        if has_tags_to_lose == (version.decision == Decision::Untag) {
            return Some(format!("it does not say which tags come off {}", version.name));
        }
    }
    None
}

/// Whether what it goes with goes, in the end, with it.
fn goes_in_a_circle(version: &VersionReport, images: &HashMap<u64, Option<u64>>) -> bool {
    let mut image = version.via;
    for _ in 0..DEEPEST {
        match image {
            None => return false,
            Some(id) => image = images.get(&id).copied().flatten(),
        }
    }
    true
}

/// Whether a container may have this tag (OCI distribution specification, "Pulling manifests").
fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let starts_well = text.bytes().next().is_some_and(is_word);
    starts_well && text.len() <= 128 && text.bytes().all(|byte| is_word(byte) || matches!(byte, b'.' | b'-'))
}
