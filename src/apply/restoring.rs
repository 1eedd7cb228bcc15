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
    github::State,
    model::{Package, PackageType, Version},
    plan::{Wave, reason::Reason},
    report::{CutShort, Decision, Outcome, Role, VersionReport},
};

mod images;
mod tags;

impl Applier<'_> {
    /// Carries out the restoration of a package.
    pub(super) async fn restore(&mut self, index: usize, package: &Package, known: &mut Known) -> Result<(), Halt> {
        if self.report.packages[index].decision == Some(Decision::Restore) {
            self.restore_package(index, package, known).await?;
        }
        for wave in Wave::ALL {
            if wave == Wave::Roots {
                self.leave_what_lacks_a_part(index, known);
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
    fn leave_what_lacks_a_part(&mut self, index: usize, known: &Known) {
        // the same manifest may have been pushed again
        let there: HashSet<&str> = known.active.iter().map(|version| version.name.as_str()).collect();
        let versions = &self.report.packages[index].versions;
        let is_lost = |entry: &&VersionReport| {
            Wave::of(entry) == Wave::Children
                && is_awaited(entry)
                && !is_back(entry)
                && !there.contains(entry.name.as_str())
        };
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
            return Err(Halt::Run(CutShort::Cancelled));
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
        let now = Some(self.clock.now());
        let versions = &mut self.report.packages[index].versions;
        let there: HashSet<u64> = active.iter().map(|version| version.id).collect();
        let is_back = |entry: &VersionReport| entry.decision == Decision::Restore && there.contains(&entry.id);
        for entry in versions.iter_mut().filter(|entry| is_back(entry)) {
            (entry.outcome, entry.at) = (Some(Outcome::Done), now);
        }
        let told: HashSet<u64> = versions.iter().map(|entry| entry.id).collect();
        for version in active.iter().filter(|version| !told.contains(&version.id)) {
            let entry = entry_of(version, Reason::WholePackage.to_string());
            versions.push(VersionReport { outcome: Some(Outcome::Done), at: now, ..entry });
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

    fn tell_error(&mut self, error: String) {
        self.log.error(&error);
        self.report.errors.push(error);
    }
}

/// Whether it is deleted and to come back.
fn is_awaited(entry: &VersionReport) -> bool {
    entry.decision == Decision::Restore && !entry.is_there
}

/// Whether it was asked for and is there: since it came back, or was there already.
fn is_back(entry: &VersionReport) -> bool {
    match entry.decision {
        Decision::Restore => entry.outcome == Some(Outcome::Done),
        _ => entry.is_there,
    }
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
