//! The tags that GitHub did not bring back, and those that were taken off.

use std::collections::HashMap;

use super::is_back;
use crate::{
    apply::{Applier, Halt, Known, label},
    failure::Failure,
    model::{Package, Version},
    plan::bearers,
    registry::repository,
    report::{CutShort, Decision, Outcome, VersionReport},
};

impl Applier<'_> {
    /// Puts tags that did not come back on their versions again, if they point nowhere.
    pub(super) async fn put_tags_back(
        &mut self,
        index: usize,
        package: &Package,
        known: &mut Known,
    ) -> Result<(), Halt> {
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
        let bearers = bearers(&known.active);
        for place in places {
            if self.stop.is_asked() {
                return Err(Halt::Run(CutShort::Cancelled));
            }
            self.put_tags_of(index, place, package, &bearers).await?;
        }
        Ok(())
    }

    async fn put_tags_of(
        &mut self,
        index: usize,
        place: usize,
        package: &Package,
        bearers: &HashMap<&str, &Version>,
    ) -> Result<(), Halt> {
        let entry = self.report.packages[index].versions[place].clone();
        let repository = repository(self.owner, package);
        let (mut put, mut told) = (Vec::new(), Vec::new());
        let mut failed = None;
        for tag in &entry.tags_back {
            match bearers.get(tag.as_str()) {
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
}

fn not_put(failure: &Failure, image: String, tag: &str, digest: &str) -> String {
    format!(
        "the tag {tag} could not be put back ({failure}). Somebody who may push does it with: docker buildx imagetools \
         create --tag {image}:{tag} {image}@{digest}"
    )
}
