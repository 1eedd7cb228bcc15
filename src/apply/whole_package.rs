//! Deletes a package as a whole, when its last version would go with it.

use super::{
    Applier, Halt, Known, MOST_ROUNDS, STALE,
    change::{self, Ends},
    label,
    queue::Queue,
};
use crate::{
    inputs::Target,
    model::{Package, subject_of_fallback_tag},
    plan::reason::Reason,
    report::{CutShort, Decision, Outcome, Role, VersionReport},
};

impl Applier<'_> {
    /// Deletes a package of which every version goes, if nothing was added or changed since;
    /// otherwise its versions go one by one, but for the newest image.
    pub(super) async fn whole_package(
        &mut self,
        index: usize,
        package: &Package,
        known: &mut Known,
    ) -> Result<(), Halt> {
        if self.stop.is_asked() {
            return Err(Halt::Run(CutShort::Cancelled));
        }
        if let Some(cut_short) = self.no_room_for(index, 1, 1) {
            return Err(Halt::Run(cut_short));
        }
        let mut queue = Queue::of(&self.report.packages[index]);
        let planned = queue.left();
        let (mut rounds, mut unanswered) = (0, 0);
        let change = loop {
            let new = self.look_again(index, package, known, &mut queue).await?;
            if new > 0 || queue.left() != planned {
                match self.target {
                    Target::Packages => self.leave_the_package(index),
                    Target::Versions => self.keep_the_package(index, &mut queue),
                }
                return Ok(());
            }
            let until = known.read_at + STALE;
            let change = change::delete_package(self.github, self.owner, package, until, unanswered).await;
            match change.ends {
                Ends::Stale { was_sent: true } => unanswered += 1,
                Ends::Stale { was_sent: false } => rounds += 1,
                _ => break change,
            }
            if rounds > MOST_ROUNDS {
                return Err(Halt::Run(CutShort::Limit));
            }
        };
        if matches!(change.outcome, Outcome::Done) {
            self.log.line(&format!(
                "  deleted the package {} {} with all its versions",
                package.package_type, package.name
            ));
        }
        let is_planned = |version: &VersionReport| version.outcome == Some(Outcome::Planned);
        let versions = self.report.packages[index].versions.iter().enumerate();
        let planned: Vec<_> = versions.filter(|(_, version)| is_planned(version)).map(|(place, _)| place).collect();
        for place in planned {
            self.write_down(index, place, change.outcome, change.error.clone());
        }
        match (change.outcome, &change.error) {
            (Outcome::Retained, Some(error)) => {
                self.log.warning(&format!("{} {} stays: {error}", package.package_type, package.name));
            }
            (Outcome::Failed | Outcome::Unknown, Some(error)) => {
                self.log.error(&format!("{} {}: {error}", package.package_type, package.name));
                self.report.packages[index].error = Some(error.clone());
            }
            _ => {}
        }
        let failed = change.outcome == Outcome::Failed;
        match self.halt(index, change.ends).or(failed.then_some(Halt::Package)) {
            Some(halt) => Err(halt),
            None => Ok(()),
        }
    }

    /// Who named the package meant the one that was planned: it stays as it is now.
    fn leave_the_package(&mut self, index: usize) {
        let package = &mut self.report.packages[index];
        package.decision = None;
        let what = format!("{} {}", package.package_type, package.name);
        let planned = package.versions.iter_mut().filter(|version| version.outcome == Some(Outcome::Planned));
        for version in planned {
            version.outcome = Some(Outcome::Skipped);
            version.reason = Reason::Changed.to_string();
            version.error = Some("the package changed after it was planned to go, so all of it stays".to_owned());
            version.at = Some(self.clock.now());
        }
        let warning =
            format!("{what} stays: something was added or changed after it was planned to go. Run the job again");
        self.log.warning(&warning);
        self.report.warnings.push(warning);
    }

    /// What the plan would have said if the package had not been to go.
    fn keep_the_package(&mut self, index: usize, queue: &mut Queue) {
        let package = &mut self.report.packages[index];
        package.decision = None;
        let is_tagged = |version: &VersionReport| version.tags.iter().any(|tag| subject_of_fallback_tag(tag).is_none());
        let is_image = |version: &VersionReport| {
            version.outcome == Some(Outcome::Planned) && version.role == Role::Root && is_tagged(version)
        };
        let Some(newest) = package.versions.iter().position(is_image) else { return };
        let entry = &mut package.versions[newest];
        entry.decision = Decision::Retain;
        entry.outcome = Some(Outcome::Retained);
        entry.reason = Reason::LastTaggedImage.to_string();
        let what = label(entry);
        let parts = queue.stays(newest);
        self.skip_parts(index, &what, parts);
    }
}
