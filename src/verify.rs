//! A look at what is left after a deletion: whatever was to stay has to be there.

use crate::{
    failure::Failure,
    github::{GitHub, State},
    model::{Owner, Package},
    report::{Decision, Outcome, PackageReport},
};

/// Lists a package again and returns what the user should know of it: versions that were to stay
/// and are gone, each asked for by its id, twice, since a listing may lag behind.
///
/// # Errors
///
/// When it cannot be listed.
pub async fn missing(github: &GitHub, owner: &Owner, report: &PackageReport) -> Result<Vec<String>, Failure> {
    let package =
        Package { package_type: report.package_type, name: report.name.clone(), visibility: report.visibility.clone() };
    let listed = github.versions(owner, &package, State::Active).await?;
    let there: std::collections::HashSet<_> = listed.iter().map(|version| version.id).collect();
    let was_to_stay =
        |decision, outcome| matches!(decision, Decision::Keep | Decision::Retain) || outcome == Some(Outcome::Retained);
    let mut warnings = Vec::new();
    for version in &report.versions {
        if !was_to_stay(version.decision, version.outcome) || there.contains(&version.id) {
            continue;
        }
        if is_gone(github, owner, &package, version.id).await && is_gone(github, owner, &package, version.id).await {
            warnings.push(format!(
                "{} {}: {} (id {}) was to stay and is gone. This run did not delete it: something else is at work in \
                 this package",
                report.package_type, report.name, version.name, version.id
            ));
        }
    }
    Ok(warnings)
}

async fn is_gone(github: &GitHub, owner: &Owner, package: &Package, id: u64) -> bool {
    matches!(github.version(owner, package, id).await, Err(failure) if failure.status() == Some(404))
}
