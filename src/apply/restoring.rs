//! Brings versions back: the parts of images first, then the images, then what refers to them. What
//! an image turns out to need once its manifest can be read again comes back too, and in the end the
//! tags that GitHub did not bring back.

use std::collections::{HashMap, HashSet};

use super::{
    Applier, Halt, Known,
    change::{self, Ends},
    label,
    queue::Queue,
};
use crate::{
    failure::Failure,
    github::State,
    model::{Package, PackageType, Version, subject_of_fallback_tag},
    plan::{Wave, reason::Reason, version_of},
    registry::{Unreadable, repository},
    report::{Decision, Outcome, Role, VersionReport},
};

/// The waits between looks at the registry, in seconds, until it gives out again what came back.
const LOOKS: [u64; 6] = [0, 1, 2, 4, 8, 16];

impl Applier<'_> {
    /// Carries out the restoration of a package.
    pub(super) async fn restore(&mut self, index: usize, package: &Package, known: &mut Known) -> Result<(), Halt> {
        if self.report.packages[index].decision == Some(Decision::Restore) {
            self.restore_package(index, package, known).await?;
        }
        for wave in Wave::ALL {
            if wave == Wave::Roots {
                self.leave_what_lacks_a_part(index);
            }
            let queue = Queue::of_wave(&self.report.packages[index], wave);
            self.versions(index, package, known, queue).await?;
        }
        if package.package_type != PackageType::Container {
            return Ok(());
        }
        self.complete_images(index, package, known).await?;
        self.put_tags_back(index, package, known).await
    }

    /// An image of which a part did not come back stays deleted, and what refers to it: nobody is to pull
    /// a broken one.
    fn leave_what_lacks_a_part(&mut self, index: usize) {
        let versions = &self.report.packages[index].versions;
        let is_lost =
            |entry: &&VersionReport| Wave::of(entry) == Wave::Children && is_awaited(entry) && !is_back(entry);
        let lost: HashMap<u64, String> =
            versions.iter().filter(is_lost).filter_map(|entry| Some((entry.via?, label(entry)))).collect();
        let now = self.clock.now();
        for entry in &mut self.report.packages[index].versions {
            let part = lost.get(&entry.via.unwrap_or(entry.id)).filter(|_| Wave::of(entry) != Wave::Children);
            let Some(part) = part.filter(|_| is_awaited(entry) && entry.outcome == Some(Outcome::Planned)) else {
                continue;
            };
            entry.outcome = Some(Outcome::Skipped);
            entry.at = Some(now);
            entry.error = Some(format!(
                "its part {part} did not come back, so the image stays deleted rather than broken. Run the job again; if \
                 that part is lost for good, version-ids {} brings the rest back",
                entry.id
            ));
            self.pulse.done += 1;
        }
    }

    /// Brings a whole package back, with the versions it had when it went.
    async fn restore_package(&mut self, index: usize, package: &Package, known: &mut Known) -> Result<(), Halt> {
        if self.stop.is_asked() {
            return Err(Halt::Run(crate::report::CutShort::Cancelled));
        }
        if let Some(cut_short) = self.no_room_for(index, 1, 1) {
            return Err(Halt::Run(cut_short));
        }
        let title = format!("{} {}", package.package_type, package.name);
        let change = change::restore_package(self.github, self.owner, package).await;
        if change.outcome != Outcome::Done {
            if let Ends::Run(cut_short) = change.ends {
                return Err(Halt::Run(cut_short));
            }
            let why = change.error.unwrap_or_default();
            self.log.error(&format!("{title}: {why}"));
            self.report.packages[index].error = Some(why);
            return Err(Halt::Package);
        }
        self.log.line(&format!("  restored the package {title}"));
        let active = self.list(index, package).await?;
        let now = self.clock.now();
        for version in &active {
            let versions = &mut self.report.packages[index].versions;
            match versions.iter_mut().find(|entry| entry.id == version.id) {
                Some(entry) if entry.decision == Decision::Restore => {
                    entry.outcome = Some(Outcome::Done);
                    entry.at = Some(now);
                }
                Some(_) => {}
                None => {
                    let mut entry = entry_of(version, Reason::WholePackage.to_string());
                    entry.outcome = Some(Outcome::Done);
                    entry.at = Some(now);
                    versions.push(entry);
                }
            }
        }
        self.report.packages[index].active = Some(active.len() as u64);
        known.active = active;
        Ok(())
    }

    /// What is in the package now.
    async fn list(&mut self, index: usize, package: &Package) -> Result<Vec<Version>, Halt> {
        let listed = self.github.versions(self.owner, package, State::Active, None).await;
        listed.map_err(|failure| match failure.cuts_short() {
            Some(cut_short) => Halt::Run(cut_short),
            None => {
                let why = format!("what came back could not be looked at: {}", failure.explained());
                self.log.error(&format!("{} {}: {why}", package.package_type, package.name));
                self.report.packages[index].error = Some(why);
                Halt::Package
            }
        })
    }

    /// Brings back what the images that came back need, as their manifests say now, and tells of those
    /// that lack something for good.
    async fn complete_images(&mut self, index: usize, package: &Package, known: &mut Known) -> Result<(), Halt> {
        let mut looked_at = HashSet::new();
        loop {
            let is_back = |entry: &VersionReport| entry.decision == Decision::Restore && is_back(entry);
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
                return Ok(());
            }
            let needed = self.needed_besides(index, known, &back);
            if needed.is_empty() {
                break;
            }
            for (version, role, image) in needed {
                self.plan_part(index, &version, role, &image);
            }
            for wave in Wave::ALL {
                let queue = Queue::of_wave(&self.report.packages[index], wave);
                self.versions(index, package, known, queue).await?;
            }
        }
        self.tell_incomplete(index, known);
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

    fn cut_short_by_wait(&self) -> crate::report::CutShort {
        match self.stop.is_asked() {
            true => crate::report::CutShort::Cancelled,
            false => crate::report::CutShort::Time,
        }
    }

    /// The deleted versions that what came back needs: what it lists, and what hangs on it by a
    /// fallback tag; each with its role and the id of what needs it.
    fn needed_besides(&self, index: usize, known: &Known, back: &[Version]) -> Vec<(Version, Role, VersionReport)> {
        let versions = &self.report.packages[index].versions;
        let is_there = |digest: &str| {
            let is_it = |entry: &&VersionReport| entry.name == digest && entry.decision == Decision::Restore;
            known.active.iter().any(|version| version.name == digest) || versions.iter().any(|entry| is_it(&entry))
        };
        // of a digest that was deleted several times, the last deletion is the one to undo
        let mut deleted: HashMap<&str, &Version> = HashMap::new();
        for version in &known.deleted {
            let known = deleted.entry(&version.name).or_insert(version);
            if known.deleted_at < version.deleted_at {
                *known = version;
            }
        }
        let image_of = |digest: &str| {
            let entry = versions.iter().find(|entry| entry.name == digest && is_back(entry))?;
            let root = entry.via.and_then(|id| versions.iter().find(|entry| entry.id == id));
            Some(root.unwrap_or(entry).clone())
        };
        let mut needed: Vec<(Version, Role, VersionReport)> = Vec::new();
        let mut add = |version: &Version, role, needer: &str| {
            let is_new = !is_there(&version.name) && needed.iter().all(|(other, ..)| other.name != version.name);
            if let (true, Some(image)) = (is_new, image_of(needer)) {
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

    /// Adds a part to the plan of its image.
    fn plan_part(&mut self, index: usize, version: &Version, role: Role, image: &VersionReport) {
        let reason = Reason::PartOf(label(image)).to_string();
        let what = crate::plan::name_of(version);
        self.log.line(&format!("  restore  + {what} - {reason}"));
        let versions = &mut self.report.packages[index].versions;
        let part = VersionReport { role, via: Some(image.id), ..entry_of(version, reason) };
        self.pulse.total += 1;
        match versions.iter_mut().find(|entry| entry.id == version.id) {
            Some(entry) => *entry = part,
            None => versions.push(part),
        }
    }

    /// An image that lacks something is no image that came back, whatever became of its root.
    fn tell_incomplete(&mut self, index: usize, known: &Known) {
        let versions = &self.report.packages[index].versions;
        let mut there: HashSet<&str> = known.active.iter().map(|version| version.name.as_str()).collect();
        there.extend(versions.iter().filter(|entry| is_back(entry)).map(|entry| entry.name.as_str()));
        let mut told = Vec::new();
        for entry in versions.iter().filter(|entry| entry.decision == Decision::Restore && is_back(entry)) {
            let children = known.manifests.read.get(&entry.name).into_iter().flat_map(|manifest| &manifest.children);
            let (here, missing): (Vec<_>, Vec<_>) = children.partition(|child| there.contains(child.digest.as_str()));
            if let Some(first) = missing.first() {
                told.push(format!(
                    "container {}: {} came back incomplete: {} of the {} versions that it lists are not there, {} among \
                     them, and not among the deleted ones that GitHub still has. It keeps deleted versions for 30 days",
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

    /// Puts tags that did not come back on their versions again, if they point nowhere.
    async fn put_tags_back(&mut self, index: usize, package: &Package, known: &mut Known) -> Result<(), Halt> {
        let is_concerned = |entry: &VersionReport| {
            let waits_for_tags = entry.is_there && entry.outcome == Some(Outcome::Planned);
            !entry.tags_back.is_empty() && entry.decision == Decision::Restore && (waits_for_tags || is_back(entry))
        };
        let versions = self.report.packages[index].versions.iter().enumerate();
        let places: Vec<_> = versions.filter(|(_, entry)| is_concerned(entry)).map(|(place, _)| place).collect();
        if places.is_empty() {
            return Ok(());
        }
        known.active = self.list(index, package).await?;
        for place in places {
            if self.stop.is_asked() {
                return Err(Halt::Run(crate::report::CutShort::Cancelled));
            }
            self.put_tags_of(index, place, package, known).await?;
        }
        Ok(())
    }

    async fn put_tags_of(&mut self, index: usize, place: usize, package: &Package, known: &Known) -> Result<(), Halt> {
        let entry = self.report.packages[index].versions[place].clone();
        let repository = repository(self.owner, package);
        let (mut put, mut told) = (Vec::new(), Vec::new());
        let mut failed = None;
        for tag in &entry.tags_back {
            let bearer = known.active.iter().find(|version| version.tags.iter().flatten().any(|other| other == tag));
            match bearer {
                Some(bearer) if bearer.id == entry.id => continue,
                Some(bearer) => {
                    told.push(format!("{tag} is on {} now, and stays there", bearer.name));
                    continue;
                }
                None => {}
            }
            match self.registry.put_tag(&repository, &entry.name, tag).await {
                Ok(None) => put.push(tag.clone()),
                Ok(Some(digest)) => told.push(format!("{tag} is on {digest} now, and stays there")),
                Err(failure) => {
                    let perhaps = failure.perhaps_done;
                    if let Some(cut_short) = failure.cuts_short() {
                        if perhaps && entry.is_there {
                            self.write_down(index, place, Outcome::Unknown, Some(format!("perhaps done: {failure}")));
                        }
                        return Err(Halt::Run(cut_short));
                    }
                    failed = Some(if perhaps { Outcome::Unknown } else { Outcome::Failed });
                    told.push(not_put(&failure, self.registry.image(&repository), tag, &entry.name));
                }
            }
        }
        let what = format!("container {} {}", package.name, label(&entry));
        if !put.is_empty() {
            self.log.line(&format!("  put {} on {what} again", put.join(", ")));
        }
        let told = told.join("; ");
        if entry.is_there {
            let (outcome, error) = match (failed, told.is_empty(), put.is_empty()) {
                (Some(outcome), ..) => (outcome, Some(told.clone())),
                // all its tags are on others now
                (None, false, true) => (Outcome::Skipped, Some(told.clone())),
                (None, is_all, _) => (Outcome::Done, (!is_all).then(|| told.clone())),
            };
            self.write_down(index, place, outcome, error);
        } else if !told.is_empty() {
            self.report.packages[index].versions[place].error = Some(told.clone());
        }
        if !told.is_empty() {
            let warning = format!("{what}: {told}");
            self.log.warning(&warning);
            self.report.warnings.push(warning);
        }
        Ok(())
    }

    fn tell_error(&mut self, error: String) {
        self.log.error(&error);
        self.report.errors.push(error);
    }
}

/// Whether it is deleted and to come back.
fn is_awaited(entry: &VersionReport) -> bool {
    entry.decision == Decision::Restore && !entry.is_there
}

/// Whether it came back, or was there already.
fn is_back(entry: &VersionReport) -> bool {
    entry.outcome == Some(Outcome::Done)
}

/// A version that comes back, before it was tried.
fn entry_of(version: &Version, reason: String) -> VersionReport {
    VersionReport {
        id: version.id,
        name: version.name.clone(),
        tags: version.tags.clone().unwrap_or_default(),
        created_at: version.created_at,
        updated_at: version.updated_at,
        role: Role::Root,
        decision: Decision::Restore,
        reason,
        via: None,
        untag: Vec::new(),
        after: Vec::new(),
        is_there: false,
        tags_back: version.tags.clone().unwrap_or_default(),
        outcome: Some(Outcome::Planned),
        error: None,
        at: None,
    }
}

fn not_put(failure: &Failure, image: String, tag: &str, digest: &str) -> String {
    format!(
        "the tag {tag} could not be put back ({failure}). Somebody who may push does it with: docker buildx imagetools \
         create --tag {image}:{tag} {image}@{digest}"
    )
}
