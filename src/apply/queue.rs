//! What of a package's plan is still to be done, and what may be done now: a decision without
//! input or output.
//!
//! An image goes root first, then its children, then its referrers, so that an interruption leaves
//! litter and never a broken image. A part goes only once everything that needs it is gone; if one
//! of these stays, the part stays too.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::{
    plan::Wave,
    report::{Decision, Outcome, PackageReport, Role},
};

/// The order in which a package's versions are changed, by their places in its report.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Images that are not begun, the next one first.
    images: VecDeque<usize>,
    /// Parts of images that are begun, which may go now.
    ready: VecDeque<usize>,
    parts: HashMap<usize, Part>,
    /// What waits for a place to be gone.
    dependents: HashMap<usize, Vec<usize>>,
    /// Early parts of an image that are not settled, and late ones that wait for these.
    stages: HashMap<usize, Stage>,
    sizes: HashMap<usize, usize>,
    unsettled: HashSet<usize>,
    under_way: HashSet<usize>,
    is_closed: bool,
}

#[derive(Debug)]
struct Part {
    image: usize,
    /// How much of what needs it is not gone yet.
    waits_for: usize,
    /// A referrer, or a part of one: it goes after the children.
    is_late: bool,
}

#[derive(Debug, Default)]
struct Stage {
    early_left: usize,
    parked: Vec<usize>,
}

impl Queue {
    /// What is planned in a package: images oldest first, so that an interruption leaves the newest.
    pub(super) fn of(package: &PackageReport) -> Self {
        let mut queue = Self::default();
        let places: HashMap<u64, usize> =
            package.versions.iter().enumerate().map(|(place, version)| (version.id, place)).collect();
        let is_planned = |place: usize| {
            package
                .versions
                .get(place)
                .is_some_and(|version| version.outcome == Some(Outcome::Planned) && version.decision != Decision::Untag)
        };
        for place in (0..package.versions.len()).rev().filter(|place| is_planned(*place)) {
            queue.unsettled.insert(place);
            let version = &package.versions[place];
            let image = version.via.and_then(|id| places.get(&id).copied()).filter(|image| *image != place);
            *queue.sizes.entry(image.unwrap_or(place)).or_default() += 1;
            let Some(image) = image else {
                queue.images.push_back(place);
                continue;
            };
            let after: Vec<_> = version.after.iter().copied().filter(|needer| is_planned(*needer)).collect();
            for needer in &after {
                queue.dependents.entry(*needer).or_default().push(place);
            }
            let is_late = is_late(place, package);
            let stage = queue.stages.entry(image).or_default();
            stage.early_left += usize::from(!is_late);
            queue.parts.insert(place, Part { image, waits_for: after.len(), is_late });
        }
        // a part of which everything that needs it is out of the way already
        let free = queue.parts.iter().filter(|(_, part)| part.waits_for == 0).map(|(place, _)| *place);
        let mut free: Vec<_> = free.collect();
        free.sort_unstable();
        free.into_iter().rev().for_each(|place| queue.release(place));
        queue
    }

    /// What is to come back of a package in one wave; `after` says what comes right before.
    pub(super) fn of_wave(package: &PackageReport, wave: Wave) -> Self {
        let mut queue = Self::default();
        let is_planned = |place: usize| {
            package.versions.get(place).is_some_and(|version| {
                let is_missing = version.decision == Decision::Restore && !version.is_there;
                is_missing && version.outcome == Some(Outcome::Planned) && Wave::of(version) == wave
            })
        };
        let mut lengths: HashMap<u64, usize> = HashMap::new();
        let planned: Vec<_> = (0..package.versions.len()).filter(|place| is_planned(*place)).collect();
        for place in &planned {
            let version = &package.versions[*place];
            *lengths.entry(version.via.unwrap_or(version.id)).or_default() += 1;
        }
        for place in planned {
            let version = &package.versions[place];
            queue.unsettled.insert(place);
            let after: Vec<_> = version.after.iter().copied().filter(|before| is_planned(*before)).collect();
            if after.is_empty() {
                queue.images.push_back(place);
                let length = lengths.remove(&version.via.unwrap_or(version.id)).unwrap_or(1);
                queue.sizes.insert(place, length);
                continue;
            }
            for before in &after {
                queue.dependents.entry(*before).or_default().push(place);
            }
            queue.parts.insert(place, Part { image: place, waits_for: after.len(), is_late: false });
        }
        queue
    }

    /// Begins no image any more: parts of those that are begun go, and nothing else.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
    }

    /// Whether nothing is left to be begun or awaited.
    pub(super) fn is_empty(&self) -> bool {
        (self.is_closed || self.images.is_empty()) && self.ready.is_empty()
    }

    /// The next change: what is begun is ended before anything new is begun.
    pub(super) fn next(&mut self) -> Option<usize> {
        let image = |queue: &mut Self| if queue.is_closed { None } else { queue.images.pop_front() };
        let next = self.ready.pop_front().or_else(|| image(self))?;
        self.under_way.insert(next);
        Some(next)
    }

    /// How many versions the next image has, if the next change begins one.
    pub(super) fn size_of_next_image(&self) -> Option<usize> {
        let image = self.images.front().filter(|_| self.ready.is_empty() && !self.is_closed)?;
        self.sizes.get(image).copied()
    }

    /// How many versions of images that are begun are not settled.
    pub(super) fn left_of_begun(&self) -> usize {
        let not_begun: usize = self.images.iter().filter_map(|image| self.sizes.get(image)).sum();
        self.unsettled.len().saturating_sub(not_begun)
    }

    /// Puts back what could not be tried yet.
    pub(super) fn put_back(&mut self, place: usize) {
        self.under_way.remove(&place);
        if self.parts.contains_key(&place) {
            self.ready.push_front(place);
        } else {
            self.images.push_front(place);
        }
    }

    /// How many versions are neither gone nor said to stay.
    pub(super) fn left(&self) -> usize {
        self.unsettled.len()
    }

    /// Whether a version is planned to go, and may be there still.
    pub(super) fn is_unsettled(&self, place: usize) -> bool {
        self.unsettled.contains(&place)
    }

    /// Whether a change was begun and not answered.
    pub(super) fn is_under_way(&self, place: usize) -> bool {
        self.under_way.contains(&place)
    }

    /// Takes in that a version is gone. What waited for it may go.
    pub(super) fn gone(&mut self, place: usize) {
        self.settle(place);
        for dependent in self.dependents.remove(&place).unwrap_or_default() {
            let Some(part) = self.parts.get_mut(&dependent) else { continue };
            part.waits_for = part.waits_for.saturating_sub(1);
            if part.waits_for == 0 {
                self.release(dependent);
            }
        }
    }

    /// Takes in that a version stays. Returns what stays because of it: everything it needs.
    pub(super) fn stays(&mut self, place: usize) -> Vec<usize> {
        let mut staying = Vec::new();
        let mut next = vec![place];
        while let Some(place) = next.pop() {
            if !self.settle(place) {
                continue;
            }
            staying.push(place);
            next.extend(self.dependents.remove(&place).unwrap_or_default());
        }
        let settled: HashSet<_> = staying.iter().copied().collect();
        self.images.retain(|image| !settled.contains(image));
        self.ready.retain(|part| !settled.contains(part));
        staying.retain(|stays| *stays != place);
        staying
    }

    /// Takes in that a version is not to be tried any more, which holds nothing else up.
    pub(super) fn leave(&mut self, place: usize) {
        self.images.retain(|image| *image != place);
        self.ready.retain(|part| *part != place);
        self.gone(place);
    }

    fn settle(&mut self, place: usize) -> bool {
        self.under_way.remove(&place);
        if !self.unsettled.remove(&place) {
            return false;
        }
        if let Some(part) = self.parts.get(&place)
            && let Some(stage) = self.stages.get_mut(&part.image)
        {
            stage.early_left = stage.early_left.saturating_sub(usize::from(!part.is_late));
            if stage.early_left == 0 {
                // some of them may have been said to stay while they waited
                let parked = std::mem::take(&mut stage.parked).into_iter();
                self.ready.extend(parked.filter(|place| self.unsettled.contains(place)));
            }
        }
        true
    }

    fn release(&mut self, place: usize) {
        let Some(part) = self.parts.get(&place).filter(|_| self.unsettled.contains(&place)) else { return };
        match self.stages.get_mut(&part.image) {
            Some(stage) if part.is_late && stage.early_left > 0 => stage.parked.push(place),
            _ => self.ready.push_back(place),
        }
    }
}

/// Whether it is a referrer, or goes after one.
fn is_late(place: usize, package: &PackageReport) -> bool {
    let mut walk = vec![place];
    let mut seen = HashSet::from([place]);
    while let Some(version) = walk.pop().and_then(|place| package.versions.get(place)) {
        if version.role == Role::Referrer {
            return true;
        }
        walk.extend(version.after.iter().copied().filter(|needer| seen.insert(*needer)));
    }
    false
}
