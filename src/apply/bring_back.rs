//! Brings back what this run deleted by the rules of its plan, and the last look found to be needed.

use super::{Applier, change, label, package_of};
use crate::report::Outcome;

impl Applier<'_> {
    /// Brings back what this run deleted and something that is there needs: an index that was
    /// pushed in the meantime, for one. Returns what to warn of, and what could not be brought back.
    pub async fn bring_back(&mut self, index: usize, needed: &[(usize, String)]) -> (Vec<String>, Vec<String>) {
        let package = package_of(self.report, index);
        let (mut brought_back, mut broken) = (Vec::new(), Vec::new());
        for (place, needer) in needed {
            let version = &self.report.packages[index].versions[*place];
            let what = format!("{} {}: {} (id {})", package.package_type, package.name, label(version), version.id);
            let change = change::restore(self.github, self.owner, &package, version.id).await;
            if change.outcome == Outcome::Done {
                brought_back.push(format!(
                    "{what} had been deleted, and was brought back: {needer}, which is there, needs it. Something else \
                     is at work in this package: give the jobs a concurrency group"
                ));
                let entry = &mut self.report.packages[index].versions[*place];
                entry.outcome = Some(Outcome::Skipped);
                entry.reason = format!("needed by {needer}");
                entry.error = Some("deleted, and brought back".to_owned());
                entry.at = Some(self.clock.now());
            } else {
                broken.push(format!(
                    "{what} was deleted, and {needer} needs it: it could not be brought back. {}",
                    change.error.unwrap_or_default()
                ));
            }
        }
        (brought_back, broken)
    }
}
