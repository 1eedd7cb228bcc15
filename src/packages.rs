//! Which packages are meant, and all their versions: everything that is read before a plan.

use std::{collections::BTreeSet, rc::Rc, time::Duration};

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::OnceCell;

use crate::{
    clock::Clock,
    failure::{Failure, ReadError},
    github::{GitHub, PackageAnswer, State},
    inputs::{IfMissing, Inputs, Target, VersionReference},
    model::{Owner, Package, PackageType, Version},
    plan::{self, Earlier, Listing},
    report::{CutShort, Mode},
    tell::log::Log,
};

/// The most names that an error offers instead of one that does not exist.
const MOST_NEAR_NAMES: usize = 3;

/// A package that was asked for, and what reading it brought.
#[derive(Debug)]
pub struct Read {
    /// The name as it was asked for.
    pub name: String,
    /// When it was listed, by [`Clock::elapsed`]: the beginning, or of a long listing the end.
    pub read_at: Duration,
    /// The listing, or why there is none.
    pub result: Result<Listing, ReadError>,
}

/// A listing that takes longer than this is as old as its end.
const LONG_LISTING: Duration = Duration::from_secs(30);

/// From when on the age of a listing counts: from its beginning, to be sure. But GitHub's limit on
/// points makes one of more than 900 pages take longer than a minute, and then nothing could ever
/// be deleted on it: such a one counts from its end.
pub(crate) fn listed_at(begun: Duration, ended: Duration) -> Duration {
    if ended.saturating_sub(begun) > LONG_LISTING { ended } else { begun }
}

/// Reads packages and versions.
pub struct Reader<'a> {
    /// The API.
    pub github: &'a GitHub,
    /// Whose packages.
    pub owner: &'a Owner,
    /// What was asked for.
    pub inputs: &'a Inputs,
    /// For the age of what is read.
    pub clock: Rc<dyn Clock>,
    /// For what is passed over.
    pub log: Rc<Log>,
}

/// A package that is to be read; what a listing told of it already.
enum Wanted {
    Named(String),
    Listed(PackageAnswer),
}

impl Reader<'_> {
    /// Reads every package that is meant, side by side; the order is that of the inputs.
    ///
    /// # Errors
    ///
    /// When a glob cannot be resolved: then nobody knows what is meant.
    pub async fn read_all(&self) -> Result<Vec<Read>, ReadError> {
        let wanted = self.wanted().await?;
        // several packages share what is left of the hourly limit: some of it is for what is planned
        let left = self.github.lane().requests_left();
        let kept = left.filter(|_| wanted.len() > 1).map_or(0, |left| left / 4);
        let near = OnceCell::new();
        let reads = stream::iter(wanted)
            .map(|wanted| self.read(wanted, &near, kept))
            .buffered(self.inputs.pace.concurrency)
            .filter_map(async |read| read);
        Ok(reads.collect().await)
    }

    async fn wanted(&self) -> Result<Vec<Wanted>, ReadError> {
        let selection = &self.inputs.packages;
        let taken_away = |name: &str| selection.taken_away.iter().any(|glob| glob.is_match(name));
        let named = selection.names.iter().filter(|name| !taken_away(name)).cloned();
        let mut wanted: Vec<_> = named.map(Wanted::Named).collect();
        if selection.globs.is_empty() {
            return Ok(wanted);
        }
        let listed = self.github.packages(self.owner, self.inputs.package_type).await;
        let listed = listed.map_err(|failure| self.cannot_list(&failure))?;
        for glob in &selection.globs {
            if !listed.iter().any(|listed| glob.is_match(&listed.package.name)) {
                self.log.warning(&format!(
                    "packages: no {} package of {} matches {}",
                    self.inputs.package_type,
                    self.owner.login,
                    glob.text()
                ));
            }
        }
        let mut known: BTreeSet<_> = selection.names.iter().cloned().collect();
        for answer in listed {
            let name = &answer.package.name;
            let matches = selection.globs.iter().any(|glob| glob.is_match(name));
            // what is being deleted as a whole is listed under such a name for a while
            let is_remnant = name.starts_with("deleted_");
            if matches && !is_remnant && !taken_away(name) && known.insert(name.clone()) {
                wanted.push(Wanted::Listed(answer));
            }
        }
        Ok(wanted)
    }

    fn cannot_list(&self, failure: &Failure) -> ReadError {
        if let Some(cut_short) = failure.cuts_short() {
            return ReadError::CutShort(cut_short, failure.to_string());
        }
        let advice = match failure.status() {
            Some(400 | 403 | 404) => {
                "A pattern in the input packages needs a token that may list packages: a personal access token \
                 (classic) with the scope read:packages. GITHUB_TOKEN may not, but it works with packages named in full"
            }
            _ => failure.advice().unwrap_or_default(),
        };
        ReadError::Failed(format!("the packages of {} cannot be listed: {failure}. {advice}", self.owner.login))
    }

    /// `None` for a package that does not exist when that is fine. Nothing is read if no more than
    /// `kept` requests are left.
    async fn read(&self, wanted: Wanted, near: &OnceCell<Vec<String>>, kept: u64) -> Option<Read> {
        if self.github.lane().requests_left().is_some_and(|left| kept > 0 && left <= kept) {
            let name = match wanted {
                Wanted::Named(name) => name,
                Wanted::Listed(answer) => answer.package.name,
            };
            let why = "what is left of the hourly limit is kept for what is planned".to_owned();
            let result = Err(ReadError::CutShort(CutShort::Limit, why));
            return Some(Read { name, read_at: self.clock.elapsed(), result });
        }
        let begun = self.clock.elapsed();
        let (name, package) = match wanted {
            Wanted::Listed(answer) => (answer.package.name.clone(), Ok(answer)),
            Wanted::Named(name) => {
                let answer = self.github.package(self.owner, self.inputs.package_type, &name).await;
                (name, answer)
            }
        };
        let result = match package {
            Ok(answer) => self.contents(answer).await,
            Err(failure) => Err(failure),
        };
        let result = match result {
            Ok(contents) if self.inputs.earlier.is_some() && contents.earlier.is_none() => Err(ReadError::Failed(
                format!("GitHub calls it {}, and the report has no such package", contents.package.name),
            )),
            Ok(contents) => Ok(contents),
            Err(failure) if failure.status() == Some(404) => {
                if let Some(absent) = self.absent(&name) {
                    return Some(Read { read_at: self.clock.elapsed(), result: Ok(absent), name });
                }
                if self.inputs.if_missing == IfMissing::Ignore {
                    self.log.line(&format!(
                        "{} {name}: there is no such package for this token, so there is nothing to do (if-missing)",
                        self.inputs.package_type
                    ));
                    return None;
                }
                Err(ReadError::Failed(self.missing(&name, &failure, near).await))
            }
            Err(failure) => Err(ReadError::new("", &failure)),
        };
        Some(Read { name, read_at: listed_at(begun, self.clock.elapsed()), result })
    }

    async fn contents(&self, answer: PackageAnswer) -> Result<Listing, Failure> {
        let PackageAnswer { package, version_count } = answer;
        let earlier = self.earlier(&package.name);
        let mut listing = Listing { earlier, ..Listing::new(package) };
        match (self.inputs.mode, self.inputs.target) {
            (Mode::Restore, Target::Packages) => listing.active = version_count,
            (Mode::Restore, Target::Versions) => {
                listing.active = version_count;
                self.deleted(&mut listing, version_count).await?;
            }
            (Mode::Delete | Mode::Report, _) => self.active(&mut listing, version_count).await?,
        }
        Ok(listing)
    }

    /// What is there; and where a plan is to be carried out and part of it is missing, what was deleted.
    async fn active(&self, listing: &mut Listing, expected: Option<u64>) -> Result<(), Failure> {
        listing.versions = self.github.all_versions(self.owner, &listing.package, expected).await?;
        // a listing may lag behind: what is asked for by its id is looked at by its id
        for version in self.looked_up(&listing.package, self.named_ids().collect()).await? {
            listing.versions.retain(|listed| listed.id != version.id);
            listing.versions.push(version);
        }
        listing.active = Some(listing.versions.len() as u64);
        if listing.earlier.as_ref().is_some_and(|earlier| plan::lacks_planned(earlier, &listing.versions)) {
            listing.deleted = self.github.versions(self.owner, &listing.package, State::Deleted, None).await?;
        }
        Ok(())
    }

    /// What was deleted, and what is there of it again: of images all that is there, since their parts
    /// and tags may be anywhere.
    async fn deleted(&self, listing: &mut Listing, expected: Option<u64>) -> Result<(), Failure> {
        listing.deleted = self.github.versions(self.owner, &listing.package, State::Deleted, None).await?;
        if listing.package.package_type == PackageType::Container {
            listing.versions = self.github.all_versions(self.owner, &listing.package, expected).await?;
            return Ok(());
        }
        let deleted: BTreeSet<u64> = listing.deleted.iter().map(|version| version.id).collect();
        let of_report = listing.earlier.iter().flat_map(plan::undone);
        let asked: Vec<_> = self.named_ids().chain(of_report).filter(|id| !deleted.contains(id)).collect();
        listing.versions = self.looked_up(&listing.package, asked).await?;
        Ok(())
    }

    /// The ids that `version-ids` names; digests are looked for in the listing.
    fn named_ids(&self) -> impl Iterator<Item = u64> + '_ {
        self.inputs.rules.version_ids.iter().flatten().filter_map(|reference| match reference {
            VersionReference::Id(id) => Some(*id),
            VersionReference::Digest(_) => None,
        })
    }

    /// Versions by their ids, those that are there.
    async fn looked_up(&self, package: &Package, ids: Vec<u64>) -> Result<Vec<Version>, Failure> {
        let versions = stream::iter(ids).map(async |id| match self.github.version(self.owner, package, id).await {
            Ok(version) => Ok(Some(version)),
            Err(failure) if failure.status() == Some(404) => Ok(None),
            Err(failure) => Err(failure),
        });
        let versions: Vec<_> = versions.buffered(self.inputs.pace.concurrency).try_collect().await?;
        Ok(versions.into_iter().flatten().collect())
    }

    /// What the report of an earlier run says of a package.
    fn earlier(&self, name: &str) -> Option<Earlier> {
        Earlier::of(self.inputs.earlier.as_ref()?, name)
    }

    /// What a package is taken for that is not there and may come back: whole packages do.
    fn absent(&self, name: &str) -> Option<Listing> {
        let package = Package { package_type: self.inputs.package_type, name: name.to_owned(), visibility: None };
        let earlier = self.earlier(name);
        let went = earlier.as_ref().is_some_and(|earlier| earlier.took_package());
        let is_awaited = self.inputs.mode == Mode::Restore && (went || self.inputs.target == Target::Packages);
        is_awaited.then(|| Listing { earlier, exists: false, ..Listing::new(package) })
    }

    /// A 404 is most often a name with a slip, and sometimes a missing right.
    async fn missing(&self, name: &str, failure: &Failure, near: &OnceCell<Vec<String>>) -> String {
        let package_type = self.inputs.package_type;
        let all = near
            .get_or_init(async || {
                let listed = self.github.packages(self.owner, package_type).await.unwrap_or_default();
                listed.into_iter().map(|answer| answer.package.name).collect()
            })
            .await;
        let near = near_names(name, all);
        let hint = if near.is_empty() {
            "A container's name has no owner in front, and may have several parts (ghcr.io/owner/repository/image \
             is the package repository/image)."
                .to_owned()
        } else {
            format!("Did you mean {}?", near.join(", "))
        };
        format!(
            "there is no {package_type} package {name} of {}, or the token may not see it: {failure}. {hint} A package \
             that need not exist is fine with if-missing: ignore",
            self.owner.login
        )
    }
}

/// Names like a wrong one, the nearest first: a slip of the keyboard, or a part left out.
fn near_names(wrong: &str, all: &[String]) -> Vec<String> {
    let wrong = wrong.to_lowercase();
    let mut scored: Vec<_> = all
        .iter()
        .map(|name| {
            let lower = name.to_lowercase();
            let part = lower.split('/').any(|part| part == wrong) || wrong.split('/').any(|part| part == lower);
            let score = if part { 1.0 } else { strsim::jaro_winkler(&lower, &wrong) };
            (score, name)
        })
        .filter(|(score, _)| *score > 0.8)
        .collect();
    scored.sort_by(|left, right| right.0.total_cmp(&left.0).then_with(|| left.1.cmp(right.1)));
    scored.into_iter().take(MOST_NEAR_NAMES).map(|(_, name)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_is_as_old_as_its_beginning_unless_it_takes_long() {
        let seconds = Duration::from_secs;
        assert_eq!(listed_at(seconds(5), seconds(35)), seconds(5));
        assert_eq!(listed_at(seconds(5), seconds(72)), seconds(72));
    }

    #[test]
    fn near_names_are_slips_and_names_with_a_part_left_out() {
        let all = ["left-pad", "right-pad", "repository/image", "zebra"].map(str::to_owned);
        assert_eq!(near_names("leftpad", &all), ["left-pad"]);
        assert_eq!(near_names("image", &all), ["repository/image"]);
        assert_eq!(near_names("octo-org/zebra", &all), ["zebra"]);
        assert!(near_names("unlike", &all).is_empty());
    }
}
