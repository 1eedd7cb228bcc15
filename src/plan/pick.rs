//! One version by itself: whether the rules pick it, and what protects it.

use std::collections::HashSet;

use jiff::Timestamp;

use super::reason::Reason;
use crate::{
    graph::ImageGraph,
    inputs::{PartialMatch, Rules, TagPattern, TagStatus, VersionReference},
    manifest::Manifests,
    model::{Version, subject_of_fallback_tag},
};

/// A version that the rules pick.
#[derive(Clone, Debug)]
pub(super) struct Pick {
    /// What picks it.
    pub(super) reason: Reason,
    /// The tags to take off, where some of its tags are to stay; empty where it goes.
    pub(super) untag: Vec<String>,
}

/// What the rules say of a version, before its rank and its age.
pub(super) struct Ruling {
    /// By `tags` and `tag-status`, or `version-ids`.
    selected: Result<Pick, Reason>,
    /// By one of `delete-*-images`.
    swept: Option<Reason>,
    /// What protects it, whatever picks it.
    protected: Option<Reason>,
}

impl Ruling {
    /// Whether `keep-latest` counts it.
    pub(super) fn is_in_pool(&self) -> bool {
        self.selected.is_ok() && self.protected.is_none()
    }

    /// Adds what its rank and its age say.
    pub(super) fn settle(
        self,
        version: &Version,
        spared: Option<&Reason>,
        rules: &Rules,
        now: Timestamp,
    ) -> Result<Pick, Reason> {
        let Self { selected, swept, protected } = self;
        if let (Some(protected), true) = (protected, selected.is_ok() || swept.is_some()) {
            return Err(protected);
        }
        let selected = match spared {
            Some(spared) => Err(spared.clone()),
            None => selected,
        };
        let swept = swept.map(|reason| Pick { reason, untag: Vec::new() });
        // what is swept goes as a whole, even where only some of its tags match
        let pick = match (selected, swept) {
            (Ok(pick), Some(swept)) if !pick.untag.is_empty() => Ok(swept),
            (Err(_), Some(swept)) => Ok(swept),
            (selected, _) => selected,
        }?;
        old_enough(version, rules, now).map(|()| pick)
    }
}

/// Rules on the version at a place of the graph.
pub(super) fn ruling(
    version: &Version,
    place: usize,
    graph: &ImageGraph,
    manifests: &Manifests,
    is_container: bool,
    rules: &Rules,
    now: Timestamp,
) -> Ruling {
    let never = |reason| Ruling { selected: Err(reason), swept: None, protected: None };
    let Some(tags) = &version.tags else { return never(Reason::TagsUnknown) };
    if version.last_touched().is_none() {
        return never(Reason::AgeUnknown);
    }
    if graph.is_dangling(place) {
        return never(Reason::Dangling);
    }
    let own: Vec<&str> =
        if is_container { version.own_tags().collect() } else { tags.iter().map(String::as_str).collect() };
    let subject = tags.iter().find_map(|tag| subject_of_fallback_tag(tag)).filter(|_| is_container && own.is_empty());
    let selected = match (&rules.version_ids, subject) {
        (Some(wanted), _) if names(wanted, version) => Ok(Pick { reason: Reason::Named, untag: Vec::new() }),
        (Some(_), _) => Err(Reason::NotNamed),
        (None, _) if !rules.selects() => Err(Reason::NothingAsked),
        (None, _) if rules.tags.is_none() && rules.tag_status.is_none() => Err(Reason::NotSwept),
        (None, Some(subject)) => Err(Reason::RefersTo(subject)),
        (None, None) => matching(&own, rules),
    };
    Ruling { selected, swept: swept(place, graph, manifests, rules), protected: protected(version, tags, rules, now) }
}

/// What protects a version, whatever picks it: any tag of it, fallback tags as well, or its youth.
pub(super) fn protected(version: &Version, tags: &[String], rules: &Rules, now: Timestamp) -> Option<Reason> {
    if let Some((tag, pattern)) = excluded(tags, &rules.exclude_tags) {
        return Some(Reason::Excluded { tag, pattern });
    }
    let is_young = version.last_touched().is_none_or(|touched| now.duration_since(touched) < rules.untagged_grace);
    (tags.is_empty() && is_young).then_some(Reason::UntaggedGrace(rules.untagged_grace))
}

/// Whether a part may go along with its image, whatever its age: it has no tags of its own, and
/// none that is protected.
///
/// A referrer with tags of its own stays as well, unless they are picked: somebody gave it a name.
/// But where orphans are asked for, it would be one from then on, and go with the next run.
pub(super) fn follows(version: &Version, is_referrer: bool, rules: &Rules, now: Timestamp) -> bool {
    let Some(tags) = &version.tags else { return false };
    if version.last_touched().is_none() {
        return false;
    }
    let has_no_name = version.own_tags().next().is_none() && excluded(tags, &rules.exclude_tags).is_none();
    has_no_name || (is_referrer && rules.sweeps.orphans && may_be_swept(version, rules, now))
}

/// The kinds of litter that `delete-ghost-images`, `delete-partial-images` and
/// `delete-orphaned-images` take. The registry itself has to say that what is not listed is gone.
fn swept(place: usize, graph: &ImageGraph, manifests: &Manifests, rules: &Rules) -> Option<Reason> {
    let (asked, why) = sweep(place, graph, rules)?;
    asked.iter().all(|digest| manifests.absent.contains(digest)).then_some(why)
}

/// What a sweep would take, and the digests it takes to be gone.
fn sweep<'a>(place: usize, graph: &'a ImageGraph, rules: &Rules) -> Option<(&'a [String], Reason)> {
    let missing = graph.missing(place);
    let lost = graph.lost_subjects(place);
    let of = missing.len() + graph.children(place).len();
    if rules.sweeps.ghosts && graph.is_ghost(place) {
        Some((missing, Reason::Ghost(of)))
    } else if rules.sweeps.partials && graph.is_partial(place) {
        Some((missing, Reason::Partial { missing: missing.len(), of }))
    // signatures may live in a package of their own: what they refer to is not gone then, but elsewhere
    } else if rules.sweeps.orphans && !lost.is_empty() && graph.holds_images() {
        Some((lost, Reason::Orphaned(lost.to_vec())))
    } else {
        None
    }
}

/// The digests that a sweep would have to know to be gone before it takes the version.
pub(super) fn unsure(
    version: &Version,
    place: usize,
    graph: &ImageGraph,
    rules: &Rules,
    now: Timestamp,
) -> Vec<String> {
    let may_go = may_be_swept(version, rules, now) && !graph.is_dangling(place);
    sweep(place, graph, rules).filter(|_| may_go).map(|(asked, _)| asked.to_vec()).unwrap_or_default()
}

/// Whether a sweep could take a version, as far as can be said without its manifest.
pub(super) fn may_be_swept(version: &Version, rules: &Rules, now: Timestamp) -> bool {
    let tags = version.tags.as_deref();
    let is_free = tags.is_some_and(|tags| protected(version, tags, rules, now).is_none());
    rules.sweeps.any() && is_free && old_enough(version, rules, now).is_ok()
}

/// `tags` and `tag-status`.
fn matching(own: &[&str], rules: &Rules) -> Result<Pick, Reason> {
    let status = rules.tag_status.unwrap_or(TagStatus::Tagged);
    let whole = |reason| Ok(Pick { reason, untag: Vec::new() });
    match (own.is_empty(), status) {
        (true, TagStatus::Tagged) => Err(Reason::NotTagged),
        (true, TagStatus::Untagged | TagStatus::Any) => whole(Reason::Untagged),
        (false, TagStatus::Untagged) => Err(Reason::NotUntagged),
        (false, TagStatus::Tagged | TagStatus::Any) => match &rules.tags {
            None => whole(Reason::Tagged),
            Some(patterns) => match all_match(own, patterns) {
                Ok(reason) => whole(reason),
                Err(Reason::SomeTagsMatch { matching, others }) if rules.partial_match == PartialMatch::Untag => {
                    Ok(Pick { reason: Reason::TagsGo { going: matching.clone(), staying: others }, untag: matching })
                }
                Err(reason) => Err(reason),
            },
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
