//! `keep-latest` and `group-by`: which versions are among the newest of their group.

use std::collections::HashMap;

use regex::Regex;

use super::{newest_first, reason::Reason};
use crate::{inputs::Rules, model::Version};

/// The versions of the pool that are spared, by id, each with the reason.
pub(super) fn spared<'a>(pool: impl Iterator<Item = &'a Version>, rules: &Rules) -> HashMap<u64, Reason> {
    let Some(keep) = rules.keep_latest else { return HashMap::new() };
    let mut pool: Vec<_> = pool.collect();
    pool.sort_by(|left, right| newest_first(left, right));
    let mut sizes: HashMap<Group, usize> = HashMap::new();
    let mut spared = HashMap::new();
    for version in pool {
        let groups = groups(version, rules.group_by.as_ref());
        if groups.is_empty() {
            spared.insert(version.id, Reason::Ungrouped);
        }
        for group in groups {
            let size = sizes.entry(group.clone()).or_default();
            *size += 1;
            if *size <= keep {
                let group = match group {
                    Group::Captured(captures) => Some(captures.join(" ")),
                    Group::Tagged | Group::Untagged => None,
                };
                spared.entry(version.id).or_insert(Reason::Latest { keep, group });
            }
        }
    }
    spared
}

/// What versions compete within.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Group {
    Tagged,
    Untagged,
    /// What the captures of `group-by` caught, in their order.
    Captured(Vec<String>),
}

/// The groups a version is in: one for each tag that `group-by` matches, each once.
fn groups(version: &Version, group_by: Option<&Regex>) -> Vec<Group> {
    let Some(group_by) = group_by else {
        let untagged = version.own_tags().next().is_none();
        return vec![if untagged { Group::Untagged } else { Group::Tagged }];
    };
    let mut groups = Vec::new();
    for tag in version.own_tags() {
        let Some(captures) = group_by.captures(tag) else { continue };
        let caught = captures.iter().skip(1).map(|capture| capture.map_or("", |capture| capture.as_str()).to_owned());
        let group = Group::Captured(caught.collect());
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    groups
}
