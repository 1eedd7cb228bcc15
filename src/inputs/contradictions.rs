//! Inputs that are fine by themselves and make no sense together.

use super::{
    PackageSelection, PartialMatch, Rules, TagStatus, Target,
    raw::RawInputs,
    read::{Complaints, Wider},
};
use crate::{model::PackageType, report::Mode};

/// Complains of every contradiction.
pub(super) fn find(
    raw: &RawInputs,
    mode: Option<Mode>,
    package_type: PackageType,
    wider: &Wider,
    packages: &PackageSelection,
    rules: &Rules,
    complaints: &mut Complaints,
) {
    let filters = filters(raw, wider);
    of_the_type(raw, package_type, wider, complaints);
    if rules.tag_status == Some(TagStatus::Untagged) && raw.tags.is_some() {
        complaints.add(
            "tag-status",
            "untagged versions have no tags, so tags picks none: leave out one of the two, or write any",
        );
    }
    if raw.group_by.is_some() && raw.keep_latest.is_none() {
        complaints.add("group-by", "it says what keep-latest counts within, and keep-latest is not set");
    }
    if raw.version_ids.is_some() {
        for filter in &filters {
            complaints
                .add(filter, "version-ids names the versions, so nothing else may select: leave out one of the two");
        }
        if packages.names.len() != 1 || !packages.globs.is_empty() {
            complaints.add("packages", "version-ids are those of one package: name exactly that one");
        }
    }
    if wider.target == Target::Packages {
        for filter in filters.iter().copied().chain(raw.version_ids.as_ref().map(|_| "version-ids")) {
            complaints.add(filter, "target: packages takes whole packages, without filters");
        }
        if (!packages.globs.is_empty() || !packages.taken_away.is_empty()) && raw.from_report.is_none() {
            complaints.add("packages", "target: packages takes exact names, no patterns");
        }
        if wider.also.contains(&"delete-empty-package") {
            complaints
                .add("delete-empty-package", "target: packages takes the package anyway: leave out one of the two");
        }
    }
    match mode {
        // what nobody knows cannot be contradicted
        None => {}
        Some(Mode::Delete) => of_a_deletion(raw, wider, rules, complaints),
        Some(Mode::Restore) => of_a_restoration(raw, wider, complaints),
        Some(Mode::Report) => {
            if raw.from_report.is_some() {
                complaints.add("from-report", "it is for mode: delete and mode: restore");
            }
            if raw.deleted_within.is_some() {
                complaints.add("deleted-within", "it is for mode: restore");
            }
        }
    }
}

/// The filters that are set, by name.
fn filters(raw: &RawInputs, wider: &Wider) -> Vec<&'static str> {
    let set = [
        ("tags", raw.tags.is_some()),
        ("tag-status", raw.tag_status.is_some()),
        ("older-than", raw.older_than.is_some()),
        ("keep-latest", raw.keep_latest.is_some()),
        ("group-by", raw.group_by.is_some()),
        ("partial-match", wider.partial_match.is_some()),
        ("deleted-within", raw.deleted_within.is_some()),
    ];
    let sweeps = wider.also.iter().copied().filter(|name| name.ends_with("-images"));
    set.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name).chain(sweeps).collect()
}

fn of_the_type(raw: &RawInputs, package_type: PackageType, wider: &Wider, complaints: &mut Complaints) {
    if package_type == PackageType::Container {
        return;
    }
    let message = format!("it is for package-type: container, not for {package_type}");
    if raw.tag_status.is_some() {
        let hint = "every version there is tagged, by its name or its tags";
        complaints.add("tag-status", format!("{message}: {hint}"));
    }
    if wider.partial_match == Some(PartialMatch::Untag) {
        complaints.add("partial-match", message.clone());
    }
    for sweep in wider.also.iter().filter(|name| name.ends_with("-images")) {
        complaints.add(sweep, message.clone());
    }
}

/// Never everything: a deletion says what it is after.
fn of_a_deletion(raw: &RawInputs, wider: &Wider, rules: &Rules, complaints: &mut Complaints) {
    if raw.deleted_within.is_some() {
        complaints.add("deleted-within", "it is for mode: restore");
    }
    let sweeps = wider.also.iter().any(|name| name.ends_with("-images"));
    let elsewhere =
        sweeps || raw.version_ids.is_some() || raw.from_report.is_some() || wider.target == Target::Packages;
    if elsewhere {
        return;
    }
    if raw.tags.is_none() && raw.tag_status.is_none() {
        complaints.add(
            "tags",
            "nothing says what may be deleted: set tags (or, for containers, tag-status or one of delete-*-images), \
             version-ids, target: packages or from-report. older-than, keep-latest and group-by only narrow",
        );
    }
    // zero narrows nothing
    let narrows = raw.tags.is_some()
        || rules.older_than.is_some_and(|age| !age.is_zero())
        || rules.keep_latest.is_some_and(|count| count > 0);
    let wide = matches!(rules.tag_status, Some(TagStatus::Tagged | TagStatus::Any));
    if wide && !narrows {
        complaints.add(
            "tag-status",
            "by itself this would take everything: add tags, older-than or keep-latest (more than zero)",
        );
    }
}

fn of_a_restoration(raw: &RawInputs, wider: &Wider, complaints: &mut Complaints) {
    let selects = [&raw.from_report, &raw.version_ids, &raw.tags, &raw.deleted_within];
    if selects.iter().all(|input| input.is_none()) && wider.target == Target::Versions {
        complaints.add("mode", "restore needs to know what: set from-report, version-ids, tags or deleted-within");
    }
    let of_deletions = [
        ("tag-status", raw.tag_status.is_some()),
        ("older-than", raw.older_than.is_some()),
        ("keep-latest", raw.keep_latest.is_some()),
        ("group-by", raw.group_by.is_some()),
        ("partial-match", wider.partial_match.is_some()),
    ];
    let of_deletions = of_deletions.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name);
    for name in of_deletions.chain(wider.also.iter().copied()) {
        complaints.add(name, "it is for mode: delete; a restoration selects by version-ids, tags and deleted-within");
    }
}
