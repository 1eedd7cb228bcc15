//! A look at what is left after a deletion: whatever was to stay has to be there, and whole.

use std::collections::{HashMap, HashSet};

use crate::{
    failure::ReadError,
    github::{GitHub, State},
    manifest::Manifests,
    model::{Owner, Package, PackageType, Version},
    plan::{name_of, version_name},
    registry::{Registry, Unreadable},
    report::{Decision, Outcome, PackageReport, VersionReport},
};

/// What a look at a package came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// What the user should know: what others removed, above all.
    pub warnings: Vec<String>,
    /// Images that were whole, are kept, and are broken.
    pub broken: Vec<String>,
    /// What this run deleted and something that is there needs: the place in the report and what
    /// needs it, deepest children first.
    pub needed_again: Vec<(usize, String)>,
}

/// Lists a package again and compares it with what was to stay. A version that is missing is
/// asked for by its id, twice, since a listing may lag behind.
///
/// # Errors
///
/// When it cannot be looked at.
pub async fn look(
    github: &GitHub,
    registry: &Registry,
    owner: &Owner,
    report: &PackageReport,
    manifests: &mut Manifests,
) -> Result<Findings, ReadError> {
    let package =
        Package { package_type: report.package_type, name: report.name.clone(), visibility: report.visibility.clone() };
    let expected = report.versions.iter().filter(|version| was_to_stay(version)).count() as u64;
    let listed = github.versions(owner, &package, State::Active, Some(expected)).await;
    let listed = listed.map_err(|failure| ReadError::new("", &failure))?;
    let known: HashSet<_> = report.versions.iter().map(|version| version.id).collect();
    let new: Vec<_> = listed.iter().filter(|version| !known.contains(&version.id)).cloned().collect();
    if package.package_type == PackageType::Container && !new.is_empty() {
        let read = registry.complete(owner, &package, &new, manifests).await;
        read.map_err(|unreadable| match unreadable {
            Unreadable::CutShort(cut_short, failure) => ReadError::CutShort(cut_short, failure.to_string()),
            Unreadable::Failed(why) => ReadError::Failed(why),
        })?;
    }
    // a listing may still show for a while what was deleted
    let is_deleted = |version: &VersionReport| was_deleted(version) && version.outcome == Some(Outcome::Done);
    let deleted: HashSet<_> = report.versions.iter().filter(|version| is_deleted(version)).map(|it| it.id).collect();
    let there = listed.iter().filter(|version| !deleted.contains(&version.id));
    let mut there: HashSet<String> = there.map(|version| version.name.clone()).collect();
    let mut gone = Vec::new();
    for (place, version) in report.versions.iter().enumerate() {
        if there.contains(&version.name) || !was_to_stay(version) {
            continue;
        }
        if is_gone(github, owner, &package, version.id).await && is_gone(github, owner, &package, version.id).await {
            gone.push(place);
        } else {
            there.insert(version.name.clone());
        }
    }
    Ok(findings(report, manifests, &there, &gone, &new))
}

async fn is_gone(github: &GitHub, owner: &Owner, package: &Package, id: u64) -> bool {
    matches!(github.version(owner, package, id).await, Err(failure) if failure.status() == Some(404))
}

/// Whether a version is expected to be there after the run.
fn was_to_stay(version: &VersionReport) -> bool {
    version.was_there
        && match version.decision {
            Decision::Keep | Decision::Retain | Decision::Untag => true,
            Decision::Delete => {
                matches!(version.outcome, Some(Outcome::Retained | Outcome::Skipped | Outcome::Planned))
            }
            Decision::Restore => false,
        }
}

/// What was deleted by this run, as far as anybody knows.
fn was_deleted(version: &VersionReport) -> bool {
    version.decision == Decision::Delete && matches!(version.outcome, Some(Outcome::Done | Outcome::Unknown))
}

fn findings(
    report: &PackageReport,
    manifests: &Manifests,
    there: &HashSet<String>,
    gone: &[usize],
    new: &[Version],
) -> Findings {
    let title = format!("{} {}", report.package_type, report.name);
    let mut findings = Findings::default();
    for version in gone.iter().map(|place| &report.versions[*place]) {
        findings.warnings.push(format!(
            "{title}: {} (id {}) was to stay and is gone. This run did not delete it, and does not bring it back: \
             something else is at work in this package",
            version_name(&version.name, &version.tags),
            version.id
        ));
    }
    let known = report.versions.iter().enumerate().filter(|(_, version)| version.was_there);
    let places: HashMap<&str, usize> = known.map(|(place, version)| (version.name.as_str(), place)).collect();
    let is_new: HashSet<&str> = new.iter().map(|version| version.name.as_str()).collect();
    let kept = report.versions.iter().map(|version| (&version.name, version_name(&version.name, &version.tags)));
    let present = kept.chain(new.iter().map(|version| (&version.name, name_of(version))));
    for (digest, name) in present.filter(|(digest, _)| there.contains(*digest)) {
        let Some(manifest) = manifests.read.get(digest) else { continue };
        let lacks: Vec<_> = manifest.children.iter().filter(|child| !there.contains(&child.digest)).collect();
        let lacking: Vec<Option<usize>> =
            lacks.iter().map(|child| places.get(child.digest.as_str()).copied()).collect();
        // what lacked a part before the run is not broken by it
        let was_whole = is_new.contains(digest.as_str()) || lacking.iter().all(Option::is_some);
        for place in lacking.into_iter().flatten().filter(|_| was_whole) {
            if was_deleted(&report.versions[place]) {
                need_again(place, &name, report, manifests, &places, &mut findings.needed_again);
            } else {
                findings.broken.push(format!(
                    "{title}: {name} is broken: its part {} (id {}) is gone, and this run did not delete it. GitHub \
                     keeps deleted versions for 30 days: mode restore with version-ids {} brings it back",
                    report.versions[place].name, report.versions[place].id, report.versions[place].id
                ));
            }
        }
    }
    findings
}

/// Adds a deleted version and everything it lists itself that was deleted, the deepest first.
fn need_again(
    place: usize,
    needer: &str,
    report: &PackageReport,
    manifests: &Manifests,
    places: &HashMap<&str, usize>,
    needed: &mut Vec<(usize, String)>,
) {
    let mut found = vec![place];
    let mut next = 0;
    while let Some(version) = found.get(next).map(|place| &report.versions[*place]) {
        next += 1;
        let children = manifests.read.get(&version.name).into_iter().flat_map(|manifest| &manifest.children);
        for child in children.filter_map(|child| places.get(child.digest.as_str()).copied()) {
            if was_deleted(&report.versions[child]) && !found.contains(&child) {
                found.push(child);
            }
        }
    }
    let is_known = |place: &usize, needed: &[(usize, String)]| needed.iter().any(|(known, _)| known == place);
    for place in found.into_iter().rev() {
        if !is_known(&place, needed) {
            needed.push((place, needer.to_owned()));
        }
    }
}
