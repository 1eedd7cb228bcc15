//! Everything that is read before a plan: the owner, the packages, and the manifests that decisions
//! depend on.

use std::rc::Rc;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;

use super::Run;
use crate::{
    apply::TELL_EVERY,
    failure::ReadError,
    github::GitHub,
    inputs::Target,
    inventory,
    model::{Owner, Package, PackageType},
    owner,
    packages::{Read, Reader},
    plan::{self, Listing},
    registry::{Registry, Unreadable},
    report::{Conflict, Mode},
    tell::{self, log::Log},
};

impl Run {
    /// Reads what is there: the packages first, and then, at one moment that all ages count from,
    /// the manifests that decisions depend on.
    pub(super) async fn read(&mut self, github: &GitHub, registry: &Registry) -> Result<(Owner, Vec<Read>), ReadError> {
        let event = self.inputs.context.event_path.as_deref();
        let owner = owner::resolve(github, &self.inputs.owner, event).await?;
        let (clock, log) = (Rc::clone(&self.clock), Rc::clone(&self.log));
        let reader = Reader { github, owner: &owner, inputs: &self.inputs, clock, log };
        let mut read = reader.read_all().await?;
        if self.inputs.mode == Mode::Report {
            self.look_for_conflicts(github, &owner).await?;
        }
        let now = github.date().map_or(self.clock.now(), |date| date.min(self.clock.now()));
        self.report.now = Some(now);
        self.log.line(&format!("now is {now:.0}: all ages count from here"));
        if self.inputs.mode != Mode::Restore {
            let this = &*self;
            let manifests = stream::iter(&mut read).map(async |read| {
                let Ok(listing) = &mut read.result else { return };
                if let Err(error) = this.read_manifests(registry, &owner, listing, now).await {
                    read.result = Err(error);
                }
            });
            manifests.buffer_unordered(self.inputs.pace.concurrency).collect::<()>().await;
        }
        Ok((owner, read))
    }

    /// Asks which packages of the old Docker registry could not move to the container registry.
    async fn look_for_conflicts(&mut self, github: &GitHub, owner: &Owner) -> Result<(), ReadError> {
        if !matches!(self.inputs.package_type, PackageType::Container | PackageType::Docker) {
            return Ok(());
        }
        match github.docker_conflicts(owner).await {
            Ok(packages) => {
                let conflicts =
                    packages.into_iter().map(|Package { name, visibility, .. }| Conflict { name, visibility });
                self.report.conflicts = Some(conflicts.collect());
            }
            Err(failure) => match failure.cuts_short() {
                Some(cut_short) => return Err(ReadError::CutShort(cut_short, failure.to_string())),
                None => self.warn(format!(
                    "the packages in conflict with the Docker migration are not known: {}",
                    failure.explained()
                )),
            },
        }
        Ok(())
    }

    /// Reads the manifests of a package if a decision depends on them. Where they cannot be read,
    /// the package is left alone.
    async fn read_manifests(
        &self,
        registry: &Registry,
        owner: &Owner,
        listing: &mut Listing,
        now: Timestamp,
    ) -> Result<(), ReadError> {
        let rules = &self.inputs.rules;
        let is_inventory = self.inputs.mode == Mode::Report && listing.package.package_type == PackageType::Container;
        let depends = match self.inputs.target {
            Target::Versions => plan::depends_on_manifests(listing, rules, now),
            Target::Packages => plan::whole_package_depends_on_manifests(listing, rules, now),
        };
        if !is_inventory && !depends {
            return Ok(());
        }
        let Listing { package, versions, manifests, .. } = listing;
        let mut read = registry.complete(owner, package, versions, manifests).await;
        if read.is_ok() {
            let in_doubt = match is_inventory {
                true => inventory::digests_in_doubt(listing),
                false => plan::digests_in_doubt(&listing.versions, &listing.manifests, rules, now),
            };
            read = registry.confirm_absent(owner, &listing.package, in_doubt, &mut listing.manifests).await;
        }
        match read {
            Ok(()) => {}
            Err(Unreadable::CutShort(cut_short, failure)) => {
                return Err(ReadError::CutShort(cut_short, failure.to_string()));
            }
            Err(Unreadable::Failed(why)) if is_inventory => {
                listing.unreadable = Some(format!("what its images consist of is not known: {why}"));
            }
            Err(Unreadable::Failed(why)) => {
                listing.unreadable = Some(format!("nothing of this package was deleted: {why}"));
            }
        }
        Ok(())
    }
}

/// Tells now and then how far reading has come. It never ends by itself.
#[expect(clippy::disallowed_methods, reason = "what is told now and then decides nothing")]
pub(super) async fn tell_reading(github: &GitHub, registry: &Registry, log: &Log) {
    loop {
        tokio::time::sleep(TELL_EVERY).await;
        let (github, registry) = (github.lane(), registry.lane());
        log.line(&tell::plan::reading(github.sent(), registry.sent(), github.quota_left()));
    }
}
