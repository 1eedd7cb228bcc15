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

/// The waits between looks, in seconds, until GitHub or its registry shows again what came back.
const LOOKS: [u64; 6] = [0, 1, 2, 4, 8, 16];

impl Applier<'_> {
    /// Carries out the restoration of a package.
    pub(super) async fn restore(&mut self, index: usize, package: &Package, known: &mut Known) -> Result<(), Halt> {
        if self.report.packages[index].decision == Some(Decision::Restore) {
            self.restore_package(index, package, known).await?;
        }
        for wave in Wave::ALL {
            if wave != Wave::Children {
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

    /// An inner index of which a part did not come back stays deleted, and whatever lists that.
    pub(super) fn leave_what_lists(&mut self, index: usize, place: usize, queue: &mut Queue) {
        let package = &self.report.packages[index];
        let places: HashMap<u64, usize> =
            package.versions.iter().enumerate().map(|(place, entry)| (entry.id, place)).collect();
        let mut walk = vec![place];
        let mut left = Vec::new();
        while let Some(entry) = walk.pop().and_then(|place| package.versions.get(place)) {
            if Wave::of(entry) != Wave::Children {
                continue;
            }
            for needer in package.needers(entry).iter().filter_map(|id| places.get(id).copied()) {
                let is_inner = |it: &VersionReport| Wave::of(it) == Wave::Children && is_to_come(it);
                if package.versions.get(needer).is_some_and(is_inner) && !left.iter().any(|(it, _)| *it == needer) {
                    left.push((needer, label(entry)));
                    walk.push(needer);
                }
            }
        }
        for (needer, part) in left {
            queue.leave(needer);
            self.leave(index, needer, &part);
        }
    }

    /// An image of which a part did not come back stays deleted, and what refers to it: nobody is to pull
    /// a broken one.
    fn leave_what_lacks_a_part(&mut self, index: usize, known: &Known) {
        // the same manifest may have been pushed again
        let there: HashSet<&str> = known.active.iter().map(|version| version.name.as_str()).collect();
        let package = &self.report.packages[index];
        let is_lost = |entry: &&VersionReport| {
            Wave::of(entry) != Wave::Referrers
                && is_awaited(entry)
                && !is_back(entry)
                && !is_to_come(entry)
                && !there.contains(entry.name.as_str())
        };
        let by_id: HashMap<u64, &VersionReport> = package.versions.iter().map(|entry| (entry.id, entry)).collect();
        // what lacks a part, and which: an inner index that is back already passes it on
        let mut lacking: HashMap<u64, String> = HashMap::new();
        for lost in package.versions.iter().filter(is_lost) {
            let mut walk = vec![lost];
            let mut seen = HashSet::from([lost.id]);
            while let Some(part) = walk.pop() {
                lacking.entry(part.id).or_insert_with(|| label(lost));
                let needers = package.needers(part).into_iter().filter_map(|id| by_id.get(&id).copied());
                // what refers to something needs it not
                let lists = needers.filter(|_| Wave::of(part) == Wave::Children);
                walk.extend(lists.filter(|needer| seen.insert(needer.id)));
            }
        }
        let mut left: Vec<(usize, String)> = Vec::new();
        // what refers to what refers to an image comes after it
        loop {
            let before = left.len();
            for (place, entry) in package.versions.iter().enumerate() {
                let part = match Wave::of(entry) {
                    Wave::Children => None,
                    Wave::Roots => lacking.get(&entry.id),
                    Wave::Referrers => {
                        let subjects = package.needers(entry);
                        lacking.get(&entry.id).or_else(|| subjects.iter().find_map(|subject| lacking.get(subject)))
                    }
                };
                let is_new = is_to_come(entry) && !left.iter().any(|(it, _)| *it == place);
                if let Some(part) = part.filter(|_| is_new).cloned() {
                    lacking.insert(entry.id, part.clone());
                    left.push((place, part));
                }
            }
            if left.len() == before {
                break;
            }
        }
        for (place, part) in left {
            self.leave(index, place, &part);
        }
    }

    fn leave(&mut self, index: usize, place: usize, part: &str) {
        let id = self.report.packages[index].versions[place].id;
        let error = format!(
            "its part {part} did not come back, so the image stays deleted rather than broken. Run the job again; if \
             that part is lost for good, version-ids {id} brings the rest back"
        );
        self.write_down(index, place, Outcome::Skipped, Some(error));
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
        let active = self.list_what_is_back(index, package).await?;
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

    /// What is in a package that just came back: a listing may not know it yet.
    async fn list_what_is_back(&mut self, index: usize, package: &Package) -> Result<Vec<Version>, Halt> {
        for wait in LOOKS {
            if self.github.lane().wait(std::time::Duration::from_secs(wait)).await.is_err() {
                break;
            }
            match self.github.versions(self.owner, package, State::Active, None).await {
                Err(failure) if failure.status() == Some(404) => {}
                Ok(active) if active.is_empty() => {}
                Ok(active) => return Ok(active),
                Err(_) => break,
            }
        }
        let listed = self.list(index, package).await;
        if listed.is_err() {
            self.give_up_restoring(index);
        }
        listed
    }

    /// What was asked for and cannot be looked at may be done.
    pub(super) fn give_up_restoring(&mut self, index: usize) {
        let package = &self.report.packages[index];
        let is_whole = package.decision == Some(Decision::Restore);
        let versions = package.versions.iter().enumerate();
        let open = versions.filter(|(_, entry)| {
            let is_planned = entry.decision == Decision::Restore && entry.outcome == Some(Outcome::Planned);
            is_planned && (is_whole || entry.is_there)
        });
        for place in open.map(|(place, _)| place).collect::<Vec<_>>() {
            self.write_down(index, place, Outcome::Unknown, Some("perhaps done: no answer was awaited".to_owned()));
        }
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

/// Whether it is still to be tried.
fn is_to_come(entry: &VersionReport) -> bool {
    is_awaited(entry) && entry.outcome == Some(Outcome::Planned)
}

/// Whether it was asked for and is there: since it came back, or was there already.
fn is_back(entry: &VersionReport) -> bool {
    match entry.decision {
        Decision::Restore => entry.is_there || entry.outcome == Some(Outcome::Done),
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
        was_there: false,
        is_settled: false,
        tags_back: version.tags.clone().unwrap_or_default(),
        outcome: Some(Outcome::Planned),
        error: None,
        at: None,
    }
}
