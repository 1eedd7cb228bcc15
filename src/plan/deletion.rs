//! One package: which versions the rules pick, and what holds the others back.

use std::collections::HashSet;

use jiff::Timestamp;

use super::{Hold, Listing, PackagePlan, Verdict, latest, newest_first, reason::Reason};
use crate::{
    inputs::{Rules, TagPattern, TagStatus, VersionReference},
    model::{PackageType, Version, subject_of_fallback_tag},
    report::{Decision, Role},
};

/// Decides on every version of a package, each by itself and by its rank among the others.
pub(super) fn of_package(listing: Listing, rules: &Rules, now: Timestamp) -> PackagePlan {
    let Listing { package, active, mut versions } = listing;
    versions.sort_by(newest_first);
    let is_container = package.package_type == PackageType::Container;
    // whether it is picked is settled first: the pool of keep-latest is what is picked and
    // unprotected, before anything looks at its age
    let standings: Vec<_> = versions.iter().map(|version| standing(version, is_container, rules, now)).collect();
    let pool: Vec<_> = versions.iter().zip(&standings).filter(|(_, standing)| standing.is_ok()).collect();
    let spared = latest::spared(pool.iter().map(|(version, _)| *version), rules);
    let hold = rules.version_ids.as_deref().and_then(|wanted| missing(wanted, &versions));
    let verdicts = versions
        .into_iter()
        .zip(standings)
        .map(|(version, standing)| {
            let verdict = standing.and_then(|picked| match spared.get(&version.id) {
                Some(reason) => Err(reason.clone()),
                None => old_enough(&version, rules, now).map(|()| picked),
            });
            let is_referrer = is_container && version.has_fallback_tags_alone();
            let role = if is_referrer { Role::Referrer } else { Role::Root };
            match verdict {
                Ok(reason) if hold.is_none() => Verdict { version, role, decision: Decision::Delete, reason },
                Ok(reason) | Err(reason) => Verdict { version, role, decision: Decision::Keep, reason },
            }
        })
        .collect();
    PackagePlan { package, active, verdicts, hold }
}

/// Why it is picked, or why it stays whatever its age and rank.
fn standing(version: &Version, is_container: bool, rules: &Rules, now: Timestamp) -> Result<Reason, Reason> {
    let Some(tags) = &version.tags else { return Err(Reason::TagsUnknown) };
    let Some(touched) = version.last_touched() else { return Err(Reason::AgeUnknown) };
    let own: Vec<&str> =
        if is_container { version.own_tags().collect() } else { tags.iter().map(String::as_str).collect() };
    let subject = tags.iter().find_map(|tag| subject_of_fallback_tag(tag)).filter(|_| is_container && own.is_empty());
    let picked = match (&rules.version_ids, subject) {
        (Some(wanted), _) => {
            if names(wanted, version) {
                Ok(Reason::Named)
            } else {
                Err(Reason::NotNamed)
            }
        }
        (None, Some(subject)) => Err(Reason::RefersTo(subject)),
        (None, None) => matching(&own, rules),
    }?;
    // fallback tags count here: any tag that matches protects
    if let Some((tag, pattern)) = excluded(tags, &rules.exclude_tags) {
        return Err(Reason::Excluded { tag, pattern });
    }
    if tags.is_empty() && now.duration_since(touched) < rules.untagged_grace {
        return Err(Reason::UntaggedGrace(rules.untagged_grace));
    }
    Ok(picked)
}

/// `tags` and `tag-status`.
fn matching(own: &[&str], rules: &Rules) -> Result<Reason, Reason> {
    let status = rules.tag_status.unwrap_or(TagStatus::Tagged);
    match (own.is_empty(), status) {
        (true, TagStatus::Tagged) => Err(Reason::NotTagged),
        (true, TagStatus::Untagged | TagStatus::Any) => Ok(Reason::Untagged),
        (false, TagStatus::Untagged) => Err(Reason::NotUntagged),
        (false, TagStatus::Tagged | TagStatus::Any) => match &rules.tags {
            None => Ok(Reason::Tagged),
            Some(patterns) => all_match(own, patterns),
        },
    }
}

/// Every tag has to match one of the patterns: a tag that nobody asked for holds the version.
pub(super) fn all_match(own: &[&str], patterns: &[TagPattern]) -> Result<Reason, Reason> {
    let match_of = |tag: &str| patterns.iter().position(|pattern| pattern.matches(tag));
    let (matching, others): (Vec<&str>, Vec<&str>) = own.iter().partition(|tag| match_of(tag).is_some());
    let owned = |tags: Vec<&str>| tags.into_iter().map(str::to_owned).collect();
    match (matching.is_empty(), others.is_empty()) {
        (true, _) => Err(Reason::NoTagMatches),
        (false, false) => Err(Reason::SomeTagsMatch { matching: owned(matching), others: owned(others) }),
        (false, true) => {
            let used: HashSet<_> = matching.iter().filter_map(|tag| match_of(tag)).collect();
            let used = patterns.iter().enumerate().filter(|(index, _)| used.contains(index));
            Ok(Reason::TagsMatch(used.map(|(_, pattern)| pattern.text().to_owned()).collect()))
        }
    }
}

/// The first tag that `exclude-tags` protects, and by which pattern.
pub(super) fn excluded(tags: &[String], patterns: &[TagPattern]) -> Option<(String, String)> {
    tags.iter().find_map(|tag| {
        let pattern = patterns.iter().find(|pattern| pattern.matches(tag))?;
        Some((tag.clone(), pattern.text().to_owned()))
    })
}

fn old_enough(version: &Version, rules: &Rules, now: Timestamp) -> Result<(), Reason> {
    let Some(age) = rules.older_than else { return Ok(()) };
    let touched = version.last_touched().ok_or(Reason::AgeUnknown)?;
    if now.duration_since(touched) < age { Err(Reason::TooYoung(age)) } else { Ok(()) }
}

/// Whether `version-ids` names it.
pub(super) fn names(wanted: &[VersionReference], version: &Version) -> bool {
    wanted.iter().any(|reference| is(reference, version))
}

pub(super) fn is(reference: &VersionReference, version: &Version) -> bool {
    match reference {
        VersionReference::Id(id) => *id == version.id,
        VersionReference::Digest(digest) => *digest == version.name,
    }
}

/// `version-ids` that are not there: nothing of the package goes then, since the user means
/// something else than what is.
fn missing(wanted: &[VersionReference], versions: &[Version]) -> Option<Hold> {
    let absent: Vec<_> = wanted
        .iter()
        .filter(|reference| !versions.iter().any(|version| is(reference, version)))
        .map(ToString::to_string)
        .collect();
    (!absent.is_empty()).then(|| {
        Hold::Failed(format!(
            "version-ids: {} not among the package's {} versions; nothing was deleted. Perhaps deleted already, or an \
             id of another package",
            absent.join(", "),
            versions.len()
        ))
    })
}
