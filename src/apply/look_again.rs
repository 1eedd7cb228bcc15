//! Holds the plan against a new listing, since nothing is deleted on an old one: what changed in the
//! meantime is left alone, and so is what something new needs.

use std::collections::{HashMap, HashSet};

use super::{Applier, Halt, Known, label, queue::Queue, room::pages_of};
use crate::{
    github::State,
    graph::subjects_of,
    model::{Package, PackageType, Version},
    packages::listed_at,
    plan::{difference, name_of},
    registry::Unreadable,
    report::{CutShort, Outcome, VersionReport},
};

impl Applier<'_> {
    /// Holds the plan against a new listing: what changed since is left alone, and so is what a
    /// version that is new needs. Returns how many versions are new.
    pub(super) async fn look_again(
        &mut self,
        index: usize,
        package: &Package,
        known: &mut Known,
        queue: &mut Queue,
    ) -> Result<usize, Halt> {
        let begun = self.clock.elapsed();
        // one that takes the points of a whole minute would leave none for a change while it is fresh
        let lane = self.github.lane();
        let spared = lane.leaves_little_after(pages_of(&self.report.packages[index])).then(|| lane.spare_half());
        let expected = self.report.packages[index].versions.len() as u64;
        let versions = match self.github.versions(self.owner, package, State::Active, Some(expected)).await {
            Ok(versions) => versions,
            Err(failure) => {
                return Err(match failure.cuts_short() {
                    Some(cut_short) => Halt::Run(cut_short),
                    None if self.stop.is_asked() => Halt::Run(CutShort::Cancelled),
                    None => self.cannot_look_again(index, &failure.explained()),
                });
            }
        };
        drop(spared);
        known.read_at = listed_at(begun, self.clock.elapsed());
        let at = self.clock.now();
        let there: HashMap<_, _> = versions.iter().map(|version| (version.id, version)).collect();
        for place in 0..self.report.packages[index].versions.len() {
            let entry = &mut self.report.packages[index].versions[place];
            if entry.outcome != Some(Outcome::Planned) {
                continue;
            }
            // one that is not there any more is no difference: its deletion finds out
            let Some(change) = there.get(&entry.id).and_then(|version| difference(entry, version)) else { continue };
            let what = label(entry);
            entry.outcome = Some(Outcome::Skipped);
            "changed".clone_into(&mut entry.reason);
            entry.error = Some(change);
            entry.at = Some(at);
            self.pulse.done += 1;
            let parts = queue.stays(place);
            self.skip_parts(index, &what, parts);
        }
        let planned: HashSet<_> = self.report.packages[index].versions.iter().map(|version| version.id).collect();
        let new: Vec<_> = versions.iter().filter(|version| !planned.contains(&version.id)).cloned().collect();
        if !new.is_empty() && package.package_type == PackageType::Container {
            self.keep_what_is_new(index, package, known, &new, queue).await?;
        }
        Ok(new.len())
    }

    /// What was pushed since the plan was made may need what the plan deletes.
    async fn keep_what_is_new(
        &mut self,
        index: usize,
        package: &Package,
        known: &mut Known,
        new: &[Version],
        queue: &mut Queue,
    ) -> Result<(), Halt> {
        match self.registry.complete(self.owner, package, new, &mut known.manifests).await {
            Ok(()) => {}
            Err(_) if self.stop.is_asked() => return Err(Halt::Run(CutShort::Cancelled)),
            Err(Unreadable::CutShort(cut_short, _)) => return Err(Halt::Run(cut_short)),
            Err(Unreadable::Failed(why)) => return Err(self.cannot_look_again(index, &why)),
        }
        // the registry may lag behind the API: until it tells, nobody knows what a new version needs
        if let Some(unknown) = new.iter().find(|version| known.manifests.absent.contains(&version.name)) {
            let why = format!(
                "{} is new, and the registry does not know its manifest yet. Run the job again later",
                name_of(unknown)
            );
            return Err(self.cannot_look_again(index, &why));
        }
        let versions = &self.report.packages[index].versions;
        let places: HashMap<_, _> =
            versions.iter().enumerate().map(|(place, version)| (version.name.clone(), place)).collect();
        for version in new {
            let listed = known.manifests.read.get(&version.name).into_iter().flat_map(|manifest| &manifest.children);
            let listed = listed.filter_map(|child| places.get(&child.digest).copied());
            let mut needed: Vec<_> = listed.filter(|place| queue.is_unsettled(*place)).collect();
            // what referred to nothing, or listed what was gone, does so no longer
            let versions = self.report.packages[index].versions.iter().enumerate();
            let speaks_of_it = |entry: &VersionReport| {
                let manifest = known.manifests.read.get(&entry.name);
                let lists = manifest.is_some_and(|it| it.children.iter().any(|child| child.digest == version.name));
                lists || subjects_of(&entry.tags, manifest).any(|subject| subject == version.name)
            };
            let speaking = versions.filter(|(place, entry)| queue.is_unsettled(*place) && speaks_of_it(entry));
            needed.extend(speaking.map(|(place, _)| place));
            for place in needed {
                let mut parts = queue.stays(place);
                parts.push(place);
                self.skip_parts(index, &name_of(version), parts);
            }
        }
        Ok(())
    }

    fn cannot_look_again(&mut self, index: usize, why: &str) -> Halt {
        let why = format!("the package could not be looked at again before more is deleted: {why}");
        self.log.error(&format!(
            "{} {}: {why}",
            self.report.packages[index].package_type, self.report.packages[index].name
        ));
        self.report.packages[index].error = Some(why);
        Halt::Package
    }
}
