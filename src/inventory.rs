//! What is in a package, counted: for people who want to know before they decide. Nothing here
//! decides anything.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    graph::ImageGraph,
    manifest::Blob,
    model::{PackageType, Version},
    plan::Listing,
    report::Role,
};

/// The ages that versions are counted by: less than so many days, and how that is told. What is of
/// unknown age is counted nowhere.
pub const AGES: [(i64, &str); 5] =
    [(7, "a week"), (30, "a month"), (90, "3 months"), (365, "a year"), (i64::MAX, "older")];

/// What is in a package.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// Versions with a tag of their own (of types without tags: all).
    pub tagged: u64,
    /// Versions without any tag that nothing lists or refers to.
    pub untagged: u64,
    /// Versions that an index lists.
    pub children: u64,
    /// Versions that refer to another one: signatures, attestations.
    pub referrers: u64,
    /// Of all of them, those that nothing needs: an image counts once.
    pub roots: u64,
    /// The moment that the oldest version was last changed, where known.
    pub oldest: Option<Timestamp>,
    /// The same of the newest.
    pub newest: Option<Timestamp>,
    /// How many versions are of each age, in the order of [`AGES`].
    pub ages: Vec<u64>,
    /// Bytes of content that its images consist of, what they share counted once; 0 for other types,
    /// of which GitHub tells no sizes.
    pub bytes: u64,
    /// How many of these belong to nothing that is tagged, and would be freed if the rest went.
    pub bytes_of_untagged: u64,
    /// Ids of indexes of whose children none is there (`delete-ghost-images` takes them).
    pub ghosts: Vec<u64>,
    /// Ids of indexes of whose children some are not there (`delete-partial-images` takes them).
    pub partials: Vec<u64>,
    /// Ids of referrers of which the subject is gone (`delete-orphaned-images` takes them).
    pub orphans: Vec<u64>,
    /// Ids of tagged versions that cannot be pulled whole, at any depth.
    pub broken: Vec<u64>,
    /// Ids of versions that the registry does not know.
    pub dangling: Vec<u64>,
}

impl Inventory {
    /// What a sweep would take.
    pub fn litter(&self) -> impl Iterator<Item = u64> + '_ {
        self.ghosts.iter().chain(&self.partials).chain(&self.orphans).copied()
    }
}

/// Counts what is in a package; what its manifests say has been read.
pub fn of(listing: &Listing, now: Timestamp) -> Inventory {
    let versions = &listing.versions;
    let is_container = listing.package.package_type == PackageType::Container;
    let graph = match is_container {
        true => ImageGraph::new(versions.iter(), &listing.manifests),
        false => ImageGraph::without_edges(versions.len()),
    };
    let tagged = (0..versions.len()).filter(|place| versions[*place].own_tags().next().is_some());
    let bytes = bytes(0..versions.len(), listing);
    let bytes_of_untagged = bytes.saturating_sub(self::bytes(with_parts(tagged, &graph).into_iter(), listing));
    let mut inventory = Inventory { bytes, bytes_of_untagged, ages: vec![0; AGES.len()], ..Inventory::default() };
    let is_absent = |digest: &String| listing.manifests.absent.contains(digest);
    for (place, version) in versions.iter().enumerate() {
        let is_tagged = !is_container || version.own_tags().next().is_some();
        match graph.role(place) {
            _ if graph.is_referrer(place) => inventory.referrers += 1,
            Role::Child | Role::Referrer if !is_tagged => inventory.children += 1,
            _ if is_tagged => inventory.tagged += 1,
            _ => inventory.untagged += 1,
        }
        inventory.roots += u64::from(graph.role(place) == Role::Root);
        inventory.oldest = earlier(inventory.oldest, version.last_touched());
        inventory.newest = inventory.newest.max(version.last_touched());
        if let Some(class) = age_of(version, now).and_then(|class| inventory.ages.get_mut(class)) {
            *class += 1;
        }
        let missing = graph.missing(place);
        if graph.is_dangling(place) {
            inventory.dangling.push(version.id);
        } else if graph.is_ghost(place) && missing.iter().all(is_absent) {
            inventory.ghosts.push(version.id);
        } else if graph.is_partial(place) && missing.iter().all(is_absent) {
            inventory.partials.push(version.id);
        }
        let lost = graph.lost_subjects(place);
        if !lost.is_empty() && graph.holds_images() && lost.iter().all(is_absent) {
            inventory.orphans.push(version.id);
        }
        if is_container && is_tagged && is_broken(place, &graph, is_absent) {
            inventory.broken.push(version.id);
        }
    }
    inventory
}

/// The size of what versions consist of, each piece counted once.
fn bytes(places: impl Iterator<Item = usize>, listing: &Listing) -> u64 {
    let names = places.map(|place| &listing.versions[place].name);
    let manifests = names.filter_map(|name| listing.manifests.read.get(name));
    let blobs: HashSet<Blob> = manifests.flat_map(|manifest| manifest.blobs.iter().copied()).collect();
    blobs.iter().fold(0, |sum: u64, blob| sum.saturating_add(blob.bytes))
}

/// Versions, and everything that they need.
fn with_parts(places: impl Iterator<Item = usize>, graph: &ImageGraph) -> HashSet<usize> {
    let mut next: Vec<_> = places.collect();
    let mut found: HashSet<_> = next.iter().copied().collect();
    while let Some(place) = next.pop() {
        next.extend(graph.needs(place).filter(|part| found.insert(*part)));
    }
    found
}

/// The digests that no version has and that something speaks of: the registry has to say whether
/// they are gone before anything is called litter.
pub fn digests_in_doubt(listing: &Listing) -> Vec<String> {
    let graph = ImageGraph::new(listing.versions.iter(), &listing.manifests);
    let of = |place| graph.missing(place).iter().chain(graph.lost_subjects(place)).cloned();
    let mut digests: Vec<_> = (0..listing.versions.len()).flat_map(of).collect();
    digests.sort();
    digests.dedup();
    digests
}

/// Whether anything that an image lists, at any depth, is gone.
fn is_broken(place: usize, graph: &ImageGraph, is_absent: impl Fn(&String) -> bool) -> bool {
    let mut seen = HashSet::from([place]);
    let mut next = vec![place];
    while let Some(place) = next.pop() {
        if graph.is_dangling(place) || graph.missing(place).iter().any(&is_absent) {
            return true;
        }
        next.extend(graph.children(place).iter().copied().filter(|child| seen.insert(*child)));
    }
    false
}

fn age_of(version: &Version, now: Timestamp) -> Option<usize> {
    let age = now.duration_since(version.last_touched()?);
    AGES.iter().position(|(days, _)| age < SignedDuration::from_secs(days.saturating_mul(86_400)))
}

fn earlier(left: Option<Timestamp>, right: Option<Timestamp>) -> Option<Timestamp> {
    [left, right].into_iter().flatten().min()
}
