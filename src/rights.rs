//! Rights that can be known before the first change.
//!
//! Only a personal access token (classic) tells its scopes, in the header `x-oauth-scopes`
//! (<https://docs.github.com/apps/oauth-apps/building-oauth-apps/scopes-for-oauth-apps>);
//! of other tokens nothing is known until GitHub answers.

use crate::report::{Decision, Mode, Outcome, PackageReport, Report};

/// What the token lacks for the plan, with what to do about it; `None` if nothing is known to be
/// missing, or nothing is planned.
pub fn missing_scope(scopes: Option<&str>, mode: Mode, report: &Report) -> Option<String> {
    let had = scopes?;
    let versions = report.packages.iter().flat_map(|package| &package.versions);
    let planned = versions.filter(|version| version.outcome == Some(Outcome::Planned));
    let needed = planned.filter_map(|version| match (mode, version.decision) {
        (Mode::Report, _) | (_, Decision::Keep | Decision::Retain) => None,
        (_, Decision::Delete) => Some(&["delete:packages"][..]),
        (_, Decision::Restore) => Some(&["write:packages"][..]),
        // a tag is taken off by pushing over it, and deleting that
        (_, Decision::Untag) => Some(&["write:packages", "delete:packages"][..]),
    });
    let comes_back = |package: &PackageReport| package.decision == Some(Decision::Restore) && package.error.is_none();
    let of_packages = report.packages.iter().filter(|package| comes_back(package)).map(|_| &["write:packages"][..]);
    let has = |needed: &str| had.split(',').any(|scope| scope.trim() == needed);
    let missing = needed.chain(of_packages).flatten().find(|needed| !has(needed))?;
    Some(format!(
        "the token lacks the scope {missing} (it has: {had}). Add it to the personal access token (classic) under \
         Settings, Developer settings; nothing can be changed without it"
    ))
}
