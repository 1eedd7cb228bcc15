//! Near misses: patterns that do something else than they seem to.

use super::{PackagePlan, Verdict, name_of, reason::Reason};
use crate::{
    inputs::{Rules, TagPattern},
    model::Version,
    report::Decision,
};

/// The most tags that one warning names.
const MOST_NAMED: usize = 5;

/// What the user should look at, over all packages.
pub(super) fn of(packages: &[PackagePlan], rules: &Rules) -> Vec<String> {
    let all = || packages.iter().flat_map(|package| &package.verdicts);
    let tags: Vec<&str> = all().flat_map(|verdict| tags_of(&verdict.version)).collect();
    let going: Vec<&str> = all().flat_map(tags_that_go).collect();
    let mut warnings = Vec::new();
    for pattern in rules.tags.iter().flatten() {
        if !tags.iter().any(|tag| pattern.matches(tag)) {
            let near = near_misses(pattern, &tags);
            if !near.is_empty() {
                warnings.push(format!(
                    "tags: the pattern {} matches no whole tag, only a part of {}. Patterns match whole tags: to match \
                     a part, put .* around it",
                    pattern.text(),
                    near
                ));
            }
        }
    }
    for pattern in &rules.exclude_tags {
        let near = near_misses(pattern, &going);
        if !near.is_empty() {
            warnings.push(format!(
                "exclude-tags: the pattern {} protects whole tags only, and so not {}. To protect these, put .* around it",
                pattern.text(),
                near
            ));
        } else if rules.exclude_tags_set && !tags.is_empty() && !tags.iter().any(|tag| pattern.matches(tag)) {
            warnings
                .push(format!("exclude-tags: the pattern {} matches no tag, so it protects nothing", pattern.text()));
        }
    }
    if going.contains(&"latest") {
        warnings.push("a version tagged latest goes: exclude-tags was set, and does not protect it".to_owned());
    }
    warnings.extend(packages.iter().filter_map(dangling));
    warnings
}

/// What is listed and cannot be pulled by anyone: it stays, and somebody should know.
fn dangling(package: &PackagePlan) -> Option<String> {
    let dangling: Vec<_> = package.verdicts.iter().filter(|verdict| verdict.reason == Reason::Dangling).collect();
    let first = dangling.first()?;
    Some(format!(
        "{} {}: the registry knows no manifest for {} {}, {} (id {}) among them, although GitHub lists them. They stay; \
         they can be deleted in the settings of the package",
        package.package.package_type,
        package.package.name,
        dangling.len(),
        if dangling.len() == 1 { "version" } else { "versions" },
        name_of(&first.version),
        first.version.id
    ))
}

/// The tags that nobody will find any more.
fn tags_that_go(verdict: &Verdict) -> Box<dyn Iterator<Item = &str> + '_> {
    match verdict.decision {
        Decision::Untag => Box::new(verdict.untag.iter().map(String::as_str)),
        decision if decision.is_selected() => Box::new(tags_of(&verdict.version)),
        _ => Box::new(std::iter::empty()),
    }
}

/// The tags in which a pattern occurs without matching them in full, as a list for people.
fn near_misses(pattern: &TagPattern, tags: &[&str]) -> String {
    let mut near: Vec<_> = tags.iter().filter(|tag| pattern.occurs_in(tag) && !pattern.matches(tag)).copied().collect();
    near.sort_unstable();
    near.dedup();
    let more = near.len().saturating_sub(MOST_NAMED);
    near.truncate(MOST_NAMED);
    match more {
        0 => near.join(", "),
        more => format!("{} and {more} more", near.join(", ")),
    }
}

fn tags_of(version: &Version) -> impl Iterator<Item = &str> {
    version.tags.iter().flatten().map(String::as_str)
}
