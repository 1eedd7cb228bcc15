//! What an earlier run did, and how it is taken back: what it deleted comes back, and so do the
//! tags that it took off.
//!
//! A report names no parents, but tells when each version went: roots before what they need, and so
//! in the opposite order everything is there before it is needed.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::{
    Earlier, Extent, Listing, PackagePlan, Plan, Verdict, newest_first, packages::keep, pick::excluded,
    planned::version_of, reason::Reason,
};
use crate::{
    inputs::Rules,
    model::{PackageType, Version},
    report::{Decision, Outcome, Role, VersionReport},
};

/// Plans to undo what a run did, of which every listing has the report.
pub fn undo(listings: Vec<Listing>, rules: &Rules) -> Plan {
    let mut packages: Vec<_> = listings.into_iter().map(|listing| of_package(listing, rules)).collect();
    super::restoration::limit(&mut packages, rules.limit);
    Plan { packages, warnings: Vec::new() }
}

fn of_package(mut listing: Listing, rules: &Rules) -> PackagePlan {
    let earlier = listing.earlier.take();
    let went_whole = earlier.as_ref().is_some_and(Earlier::took_package);
    let touched = |earlier: &Earlier| {
        let versions = earlier.package().versions.iter();
        versions.filter(|entry| was_touched(entry, earlier.extent)).cloned().collect()
    };
    let mut entries: Vec<VersionReport> = earlier.as_ref().map(touched).unwrap_or_default();
    entries.sort_by(|left, right| newest_first(&version_of(left), &version_of(right)));
    let there: HashMap<u64, &Version> = listing.versions.iter().map(|version| (version.id, version)).collect();
    let bearers = bearers(&listing.versions);
    let has_tags = listing.package.package_type == PackageType::Container;
    let verdict = |entry: &VersionReport| {
        let verdict = verdict(entry, &there, &bearers, rules);
        // of other types a version string is no tag that could be put anywhere
        if has_tags || !verdict.is_there {
            verdict
        } else {
            Verdict { is_there: true, ..Verdict::alone(verdict.version, Decision::Keep, Reason::NotDeleted) }
        }
    };
    let mut verdicts: Vec<_> = entries.iter().map(verdict).collect();
    let needers = needers(&entries, earlier.as_ref());
    leave_with_what_is_excluded(&mut verdicts, &entries, &needers);
    let order = order(&entries, &verdicts, &needers);
    let places: HashMap<u64, usize> = entries.iter().enumerate().map(|(place, entry)| (entry.id, place)).collect();
    for (place, (verdict, entry)) in verdicts.iter_mut().zip(&entries).enumerate() {
        verdict.role = entry.role;
        verdict.image = entry.via.and_then(|id| places.get(&id).copied());
        verdict.after = order.get(&place).cloned().unwrap_or_default();
    }
    let comes_back = verdicts.iter().any(|verdict| verdict.decision == Decision::Restore);
    let mut package = PackagePlan {
        decision: (went_whole && !listing.exists && comes_back).then_some(Decision::Restore),
        package: listing.package,
        active: listing.active,
        verdicts,
        hold: None,
        deleted: listing.deleted,
        there: listing.versions,
        manifests: listing.manifests,
        needed_by: earlier.map(|earlier| earlier.package().needed_by.clone()).unwrap_or_default(),
    };
    let is_excluded = |verdict: &Verdict| matches!(verdict.reason, Reason::Excluded { .. });
    if let Some(excluded) =
        package.verdicts.iter().find(|verdict| is_excluded(verdict)).filter(|_| package.decision.is_some())
    {
        // it comes back with all its versions or not at all
        let why = excluded.reason.to_string();
        keep(&mut package, |verdict| match is_excluded(verdict) {
            true => verdict.reason.clone(),
            false => Reason::PackageStaysDeleted(why.clone()),
        });
    }
    package
}

/// The ids of what a run changed, as far as its report can tell.
pub fn undone(earlier: &Earlier) -> impl Iterator<Item = u64> + '_ {
    let touched = |entry: &&VersionReport| was_touched(entry, earlier.extent);
    earlier.package().versions.iter().filter(touched).map(|entry| entry.id)
}

/// Whether the run changed it, as far as its report can tell.
fn was_touched(entry: &VersionReport, extent: Extent) -> bool {
    let perhaps = extent == Extent::CutOff && entry.outcome == Some(Outcome::Planned);
    match (extent, entry.decision) {
        (Extent::DryRun, _) => false,
        (_, Decision::Delete) => perhaps || matches!(entry.outcome, Some(Outcome::Done | Outcome::Unknown)),
        // taking tags off may fail half-way
        (_, Decision::Untag) => {
            perhaps || matches!(entry.outcome, Some(Outcome::Done | Outcome::Unknown | Outcome::Failed))
        }
        (_, Decision::Keep | Decision::Retain | Decision::Restore) => false,
    }
}

/// Which version has a tag.
pub(crate) fn bearers(versions: &[Version]) -> HashMap<&str, &Version> {
    let of = versions.iter().flat_map(|version| version.tags.iter().flatten().map(move |tag| (tag.as_str(), version)));
    of.collect()
}

fn verdict(
    entry: &VersionReport,
    there: &HashMap<u64, &Version>,
    bearers: &HashMap<&str, &Version>,
    rules: &Rules,
) -> Verdict {
    let version = Version { deleted_at: entry.at, ..version_of(entry) };
    if let Some((tag, pattern)) = excluded(&entry.tags, &rules.exclude_tags) {
        return Verdict::alone(version, Decision::Keep, Reason::Excluded { tag, pattern });
    }
    let wanted = if entry.decision == Decision::Untag { &entry.untag } else { &entry.tags };
    let is_missing = |tag: &&String| bearers.get(tag.as_str()).is_none_or(|bearer| bearer.id != entry.id);
    let missing: Vec<_> = wanted.iter().filter(is_missing).cloned().collect();
    match (there.contains_key(&entry.id), entry.decision) {
        (true, _) if missing.is_empty() => {
            Verdict { is_there: true, ..Verdict::alone(version, Decision::Keep, Reason::NotDeleted) }
        }
        (true, decision) => {
            let reason = match decision {
                Decision::Untag => Reason::TagsComeBack(missing.clone()),
                _ => Reason::Undone,
            };
            Verdict { is_there: true, tags_back: missing, ..Verdict::alone(version, Decision::Restore, reason) }
        }
        // that it lost tags before somebody deleted it is not to be undone by bringing it back
        (false, Decision::Untag) => Verdict::alone(version, Decision::Keep, Reason::GoneSince),
        (false, _) => Verdict { tags_back: missing, ..Verdict::alone(version, Decision::Restore, Reason::Undone) },
    }
}

/// For each place the places of what needs it directly, as far as the report tells.
fn needers(entries: &[VersionReport], earlier: Option<&Earlier>) -> Vec<Vec<usize>> {
    let places: HashMap<u64, usize> = entries.iter().enumerate().map(|(place, entry)| (entry.id, place)).collect();
    let of = |entry: &VersionReport| {
        let ids = earlier.map(|earlier| earlier.package().needers(entry)).unwrap_or_default();
        ids.iter().filter_map(|id| places.get(id).copied()).collect()
    };
    entries.iter().map(of).collect()
}

/// An image of which a part is excluded would be broken, and parts of what stays deleted are litter.
fn leave_with_what_is_excluded(verdicts: &mut [Verdict], entries: &[VersionReport], needers: &[Vec<usize>]) {
    let mut parts_of = vec![Vec::new(); needers.len()];
    for (part, needers) in needers.iter().enumerate() {
        needers.iter().for_each(|needer| parts_of[*needer].push(part));
    }
    let stays = |verdict: &Verdict| verdict.decision == Decision::Keep && !verdict.is_there;
    let mut walk: Vec<usize> = (0..verdicts.len()).filter(|place| stays(&verdicts[*place])).collect();
    let comes = |verdict: &Verdict| verdict.decision == Decision::Restore && !verdict.is_there;
    while let Some(place) = walk.pop() {
        let reason = verdicts[place].reason.clone();
        let lists = needers[place].iter().filter(|_| Wave::of(&entries[place]) == Wave::Children).copied();
        let parts = parts_of[place].iter().copied();
        let parts = parts.filter(|part| needers[*part].iter().all(|needer| stays(&verdicts[*needer])));
        let others: Vec<usize> = lists.chain(parts).filter(|other| comes(&verdicts[*other])).collect();
        for other in others {
            verdicts[other].decision = Decision::Keep;
            verdicts[other].reason = reason.clone();
            walk.push(other);
        }
    }
}

/// No image lies deeper than this; what does comes back in the order of its times.
const DEEPEST: usize = 64;

/// How deep a part lies below what lists nothing: a part is less deep than what lists it.
fn depths(entries: &[VersionReport], needers: &[Vec<usize>]) -> Vec<usize> {
    let mut depths = vec![0; entries.len()];
    // in a circle there is no end
    for _ in 0..DEEPEST {
        let mut settled = true;
        for (part, needers) in
            needers.iter().enumerate().filter(|(part, _)| Wave::of(&entries[*part]) == Wave::Children)
        {
            for needer in needers {
                if depths[*needer] <= depths[part] {
                    depths[*needer] = depths[part] + 1;
                    settled = false;
                }
            }
        }
        if settled {
            break;
        }
    }
    depths
}

/// For each place what comes back before it: what it lists, whichever image that goes with; and of one
/// image one part after another, the deepest first, and so what refers to it.
fn order(entries: &[VersionReport], verdicts: &[Verdict], needers: &[Vec<usize>]) -> HashMap<usize, Vec<usize>> {
    let depths = depths(entries, needers);
    let mut chains: BTreeMap<(u64, Wave), Vec<usize>> = BTreeMap::new();
    for (place, (entry, verdict)) in entries.iter().zip(verdicts).enumerate() {
        if verdict.decision == Decision::Restore && !verdict.is_there {
            chains.entry((entry.via.unwrap_or(entry.id), Wave::of(entry))).or_default().push(place);
        }
    }
    let mut before: HashMap<usize, Vec<usize>> = HashMap::new();
    for chain in chains.values_mut() {
        // without a time it went last; and what is listed is pushed before what lists it
        let last_gone_first = |place: &usize| {
            let VersionReport { at, created_at, id, .. } = &entries[*place];
            (depths[*place], std::cmp::Reverse(at.unwrap_or(Timestamp::MAX)), *created_at, *id)
        };
        chain.sort_by_key(last_gone_first);
        before.extend(chain.windows(2).map(|pair| (pair[1], vec![pair[0]])));
    }
    for (part, needers) in needers.iter().enumerate().filter(|(part, _)| Wave::of(&entries[*part]) == Wave::Children) {
        for needer in needers.iter().filter(|needer| depths[part] < depths[**needer]) {
            let before = before.entry(*needer).or_default();
            if !before.contains(&part) {
                before.push(part);
            }
        }
    }
    before
}

/// When a version comes back: all parts that images list, then the images, then what refers to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wave {
    /// Listed by an image.
    Children,
    /// An image, or anything else that hangs on nothing.
    Roots,
    /// Refers to an image.
    Referrers,
}

impl Wave {
    /// In their order.
    pub(crate) const ALL: [Self; 3] = [Self::Children, Self::Roots, Self::Referrers];

    pub(crate) fn of(entry: &VersionReport) -> Self {
        match (entry.via, entry.role) {
            (None, _) => Self::Roots,
            (Some(_), Role::Referrer) => Self::Referrers,
            (Some(_), Role::Child | Role::Root) => Self::Children,
        }
    }
}
