//! Which packages are meant, and all their versions: everything that is read before a plan.

use std::{collections::BTreeSet, rc::Rc, time::Duration};

use futures_util::{StreamExt, stream};
use tokio::sync::OnceCell;

use crate::{
    clock::Clock,
    failure::{Failure, ReadError},
    github::{GitHub, PackageAnswer, State},
    inputs::{IfMissing, Inputs, VersionReference},
    manifest::Manifests,
    model::{Owner, Version},
    plan::Listing,
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
    pub result: Result<Contents, ReadError>,
}

/// A listing that takes longer than this is as old as its end.
const LONG_LISTING: Duration = Duration::from_secs(30);

/// From when on the age of a listing counts: from its beginning, to be sure. But GitHub's limit on
/// points makes one of more than 900 pages take longer than a minute, and then nothing could ever
/// be deleted on it: such a one counts from its end.
pub(crate) fn listed_at(begun: Duration, ended: Duration) -> Duration {
    if ended.saturating_sub(begun) > LONG_LISTING { ended } else { begun }
}

/// What is in a package.
#[derive(Debug)]
pub struct Contents {
    /// Its active versions; for a restoration, its deleted ones.
    pub listing: Listing,
    /// For a restoration: versions that `version-ids` names and that are not deleted.
    pub still_active: Vec<Version>,
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
                    glob.glob()
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
            Ok(contents) => Ok(contents),
            Err(failure) if failure.status() == Some(404) => {
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

    async fn contents(&self, answer: PackageAnswer) -> Result<Contents, Failure> {
        let PackageAnswer { package, version_count } = answer;
        let state = if self.inputs.mode == Mode::Restore { State::Deleted } else { State::Active };
        let versions = match state {
            State::Active => self.github.all_versions(self.owner, &package, version_count).await?,
            State::Deleted => self.github.versions(self.owner, &package, state, None).await?,
        };
        let mut still_active = Vec::new();
        let mut active = Some(versions.len() as u64);
        if state == State::Deleted {
            active = version_count;
            for reference in self.inputs.rules.version_ids.iter().flatten() {
                let VersionReference::Id(id) = reference else { continue };
                if versions.iter().any(|version| version.id == *id) {
                    continue;
                }
                match self.github.version(self.owner, &package, *id).await {
                    Ok(version) => still_active.push(version),
                    Err(failure) if failure.status() == Some(404) => {}
                    Err(failure) => return Err(failure),
                }
            }
        }
        let listing = Listing { package, active, versions, manifests: Manifests::default(), unreadable: None };
        Ok(Contents { listing, still_active })
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
             is the package repository/image)"
                .to_owned()
        } else {
            format!("Did you mean {}?", near.join(", "))
        };
        format!(
            "there is no {package_type} package {name} of {}, or the token may not see it: {failure}. {hint}. A package \
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
