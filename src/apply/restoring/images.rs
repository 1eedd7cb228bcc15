//! Whole images: what those that came back need besides, as their manifests say once they can be read
//! again.

use std::collections::{HashMap, HashSet};

use super::{LOOKS, entry_of, is_back};
use crate::{
    apply::{Applier, Halt, Known, label, queue::Queue},
    model::{Package, Version, subject_of_fallback_tag},
    plan::{Wave, name_of, reason::Reason, version_of},
    registry::Unreadable,
    report::{CutShort, Decision, Role, VersionReport},
};

impl Applier<'_> {
    /// Brings back what the images that came back need, as their manifests say now, and tells of those
    /// that lack something for good.
    pub(super) async fn complete_images(
        &mut self,
        index: usize,
        package: &Package,
        known: &mut Known,
    ) -> Result<(), Halt> {
        let completed = self.complete(index, package, known).await;
        self.tell_incomplete(index, known);
        completed
    }

    async fn complete(&mut self, index: usize, package: &Package, known: &mut Known) -> Result<(), Halt> {
        let mut looked_at = HashSet::new();
        loop {
            let versions = self.report.packages[index].versions.iter().enumerate();
            let back: Vec<_> = versions.filter(|(place, entry)| is_back(entry) && looked_at.insert(*place)).collect();
            let back: Vec<_> = back.into_iter().map(|(_, entry)| version_of(entry)).collect();
            if back.is_empty() {
                break;
            }
            if let Err(why) = self.read_again(package, known, &back).await? {
                self.tell_error(format!(
                    "container {}: whether its images are whole again is not known: {why}",
                    package.name
                ));
            }
            let needed = self.needed_besides(index, known, &back);
            if needed.is_empty() {
                break;
            }
            self.plan_parts(index, needed);
            for wave in Wave::ALL {
                let queue = Queue::of_wave(&self.report.packages[index], wave);
                self.versions(index, package, known, queue).await?;
            }
        }
        Ok(())
    }

    /// Reads manifests of what came back. Returns why they are not known in the end.
    async fn read_again(
        &mut self,
        package: &Package,
        known: &mut Known,
        back: &[Version],
    ) -> Result<Result<(), String>, Halt> {
        let mut why = String::new();
        for wait in LOOKS {
            let waited = self.registry.lane().wait(std::time::Duration::from_secs(wait)).await;
            if waited.is_err() {
                return Err(Halt::Run(self.cut_short_by_wait()));
            }
            let read = self.registry.complete(self.owner, package, back, &mut known.manifests).await;
            // the registry may take a while until it knows again what came back
            let unknown = back.iter().find(|version| known.manifests.absent.contains(&version.name));
            why = match (read, unknown) {
                (Ok(()), None) => return Ok(Ok(())),
                (Err(Unreadable::CutShort(cut_short, _)), _) => return Err(Halt::Run(cut_short)),
                (_, Some(version)) => format!("the registry knows no manifest {}", version.name),
                (Err(Unreadable::Failed(why)), None) => return Ok(Err(why)),
            };
        }
        Ok(Err(why))
    }

    fn cut_short_by_wait(&self) -> CutShort {
        match self.stop.is_asked() {
            true => CutShort::Cancelled,
            false => CutShort::Time,
        }
    }

    /// The deleted versions that what came back needs: what it lists, and what hangs on it by a
    /// fallback tag; each with its role and the id of what needs it.
    fn needed_besides(&self, index: usize, known: &Known, back: &[Version]) -> Vec<(Version, Role, VersionReport)> {
        let versions = &self.report.packages[index].versions;
        let to_come = versions.iter().filter(|entry| entry.decision == Decision::Restore);
        let there: HashSet<&str> = known.active.iter().map(|version| version.name.as_str()).collect();
        let there: HashSet<&str> = there.into_iter().chain(to_come.map(|entry| entry.name.as_str())).collect();
        // of a digest that was deleted several times, the last deletion is the one to undo
        let mut deleted: HashMap<&str, &Version> = HashMap::new();
        for version in &known.deleted {
            let known = deleted.entry(&version.name).or_insert(version);
            if known.deleted_at < version.deleted_at {
                *known = version;
            }
        }
        let by_id: HashMap<u64, &VersionReport> = versions.iter().map(|entry| (entry.id, entry)).collect();
        let by_name = versions.iter().filter(|entry| is_back(entry)).map(|entry| (entry.name.as_str(), entry));
        let by_name: HashMap<&str, &VersionReport> = by_name.collect();
        let image_of = |digest: &str| {
            let entry = by_name.get(digest)?;
            let root = entry.via.and_then(|id| by_id.get(&id));
            Some((**root.unwrap_or(entry)).clone())
        };
        let mut added = HashSet::new();
        let mut needed: Vec<(Version, Role, VersionReport)> = Vec::new();
        let mut add = |version: &Version, role, needer: &str| {
            let is_new = !there.contains(version.name.as_str()) && !added.contains(&version.id);
            if let (true, Some(image)) = (is_new, image_of(needer)) {
                added.insert(version.id);
                needed.push((version.clone(), role, image));
            }
        };
        for version in back {
            let children = known.manifests.read.get(&version.name).into_iter().flat_map(|manifest| &manifest.children);
            for child in children.filter_map(|child| deleted.get(child.digest.as_str())) {
                add(child, Role::Child, &version.name);
            }
        }
        let names: HashSet<_> = back.iter().map(|version| version.name.clone()).collect();
        for referrer in deleted.values() {
            let subjects = referrer.tags.iter().flatten().filter_map(|tag| subject_of_fallback_tag(tag));
            if let Some(subject) = subjects.into_iter().find(|subject| names.contains(subject)) {
                add(referrer, Role::Referrer, &subject);
            }
        }
        needed
    }

    /// Adds parts to the plan of their images.
    fn plan_parts(&mut self, index: usize, parts: Vec<(Version, Role, VersionReport)>) {
        let versions = &mut self.report.packages[index].versions;
        let places: HashMap<u64, usize> = versions.iter().enumerate().map(|(place, entry)| (entry.id, place)).collect();
        for (version, role, image) in parts {
            let reason = Reason::PartOf(label(&image)).to_string();
            self.log.line(&format!("  restore  + {} - {reason}", name_of(&version)));
            self.pulse.total += 1;
            let part = VersionReport { role, via: Some(image.id), ..entry_of(&version, reason) };
            match places.get(&version.id).and_then(|place| versions.get_mut(*place)) {
                Some(entry) => *entry = part,
                None => versions.push(part),
            }
        }
    }

    /// An image that lacks something is no image that came back, whatever became of its root.
    fn tell_incomplete(&mut self, index: usize, known: &Known) {
        let versions = &self.report.packages[index].versions;
        let mut there: HashSet<&str> = known.active.iter().map(|version| version.name.as_str()).collect();
        there.extend(versions.iter().filter(|entry| is_back(entry)).map(|entry| entry.name.as_str()));
        let mut told = Vec::new();
        for entry in versions.iter().filter(|entry| is_back(entry)) {
            let children = known.manifests.read.get(&entry.name).into_iter().flat_map(|manifest| &manifest.children);
            let (here, missing): (Vec<_>, Vec<_>) = children.partition(|child| there.contains(child.digest.as_str()));
            if let Some(first) = missing.first() {
                let is_deleted = known.deleted.iter().any(|version| version.name == first.digest);
                let way_out = match is_deleted {
                    true => format!("Run the job again with version-ids {}", entry.id),
                    false => "GitHub does not have it any more: it keeps deleted versions for 30 days".to_owned(),
                };
                told.push(format!(
                    "container {}: {} came back incomplete: {} of the {} versions that it lists are not there, {} among \
                     them. {way_out}",
                    self.report.packages[index].name,
                    label(entry),
                    missing.len(),
                    here.len() + missing.len(),
                    first.digest
                ));
            }
        }
        told.into_iter().for_each(|error| self.tell_error(error));
    }
}
