//! Which manifests of a package are read, and in what order: each at most once, and none that
//! another one tells enough of.
//!
//! Every read counts as a download at GitHub. Two thirds and more of a package are parts whose
//! index says all there is to know of them, so indexes are to be met before their children. An
//! index is usually pushed last, so the newest is read first. That is a guess about the order
//! alone: whatever was not met as a child is read in the end.

use std::{cell::RefCell, collections::HashSet};

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::SignedDuration;

use super::Registry;
use crate::{
    failure::{Failure, FailureKind},
    manifest::{Manifest, Manifests, is_digest},
    model::{Owner, Package, Version},
    plan::name_of,
    report::CutShort,
};

/// Versions pushed further apart than this are hardly of one image: they may be read side by side.
const APART: SignedDuration = SignedDuration::from_hours(1);
/// A run of tagged versions this long is read from several places at once. Few of them are
/// children of one another.
const LONG_RUN_OF_TAGGED: usize = 8;
/// The same for untagged ones: wherever a run is begun in the midst of an image, some of its
/// children are read before their index.
const LONG_RUN_OF_UNTAGGED: usize = 64;
/// Versions that an error names.
const MOST_NAMED: usize = 3;

/// Why a package's manifests are not known.
#[derive(Debug)]
pub enum Unreadable {
    /// Something that ends the run, and is no failure.
    CutShort(CutShort, Failure),
    /// Anything else, with what to do about it.
    Failed(String),
}

impl Registry {
    /// Reads what has to be known of these versions and is not yet; what was absent is asked for anew.
    ///
    /// # Errors
    ///
    /// When one of them cannot be read: then nothing of the package may be decided.
    pub async fn complete(
        &self,
        owner: &Owner,
        package: &Package,
        versions: &[Version],
        manifests: &mut Manifests,
    ) -> Result<(), Unreadable> {
        versions.iter().for_each(|version| {
            manifests.absent.remove(&version.name);
        });
        let reading = Reading {
            registry: self,
            repository: repository(owner, package),
            closed: RefCell::new(children(manifests, |is_open| !is_open)),
            manifests: RefCell::new(std::mem::take(manifests)),
            unknown: RefCell::default(),
        };
        let read = reading.all(versions).await;
        *manifests = reading.manifests.into_inner();
        read
    }

    /// Asks, twice, whether digests that no version has are gone from the registry too; those that
    /// are join the absent ones.
    ///
    /// # Errors
    ///
    /// When the registry does not answer the question.
    pub async fn confirm_absent(
        &self,
        owner: &Owner,
        package: &Package,
        digests: Vec<String>,
        manifests: &mut Manifests,
    ) -> Result<(), Unreadable> {
        let repository = repository(owner, package);
        let absent = stream::iter(digests)
            .map(async |digest| match self.is_absent(&repository, &digest).await {
                Ok(absent) => Ok(absent.then_some(digest)),
                Err(failure) => Err(unreadable(&digest, &failure)),
            })
            .buffer_unordered(self.concurrency)
            .try_collect::<Vec<_>>()
            .await?;
        manifests.absent.extend(absent.into_iter().flatten());
        Ok(())
    }

    async fn is_absent(&self, repository: &str, digest: &str) -> Result<bool, Failure> {
        // what is no digest of ours cannot be asked for, so nobody knows
        Ok(is_digest(digest)
            && self.manifest(repository, digest).await?.is_none()
            && self.manifest(repository, digest).await?.is_none())
    }
}

/// The path of a package in the registry, which knows lower case alone
/// (distribution specification, "Pulling manifests").
pub(crate) fn repository(owner: &Owner, package: &Package) -> String {
    format!("{}/{}", owner.login, package.name).to_lowercase()
}

struct Reading<'a> {
    registry: &'a Registry,
    repository: String,
    manifests: RefCell<Manifests>,
    /// Digests of children that their parents tell all about.
    closed: RefCell<HashSet<String>>,
    /// What the registry said once that it does not know.
    unknown: RefCell<Vec<Version>>,
}

impl Reading<'_> {
    async fn all(&self, versions: &[Version]) -> Result<(), Unreadable> {
        let is_tagged = |version: &&Version| version.own_tags().next().is_some();
        let (tagged, others): (Vec<_>, Vec<_>) = versions.iter().partition(is_tagged);
        let (referring, untagged): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|version| version.has_fallback_tags_alone());
        self.runs(runs(tagged, LONG_RUN_OF_TAGGED, self.registry.concurrency)).await?;
        self.runs(runs(referring, LONG_RUN_OF_TAGGED, self.registry.concurrency)).await?;
        self.runs(runs(untagged, LONG_RUN_OF_UNTAGGED, self.registry.concurrency)).await?;
        // one index may tell all about a child of which another tells less
        let open = children(&self.manifests.borrow(), |is_open| is_open);
        self.closed.borrow_mut().retain(|digest| !open.contains(digest));
        let left = versions.iter().filter(|version| open.contains(&version.name)).collect();
        self.runs(runs(left, 1, self.registry.concurrency)).await?;
        self.ask_again().await
    }

    /// Reads runs side by side, each from its first to its last.
    async fn runs(&self, runs: Vec<Vec<&Version>>) -> Result<(), Unreadable> {
        let runs = stream::iter(runs).map(Ok);
        runs.try_for_each_concurrent(self.registry.concurrency, async |run| {
            for version in run {
                if !self.is_known(&version.name) {
                    self.read(version).await?;
                }
            }
            Ok(())
        })
        .await
    }

    fn is_known(&self, digest: &str) -> bool {
        let manifests = self.manifests.borrow();
        let is_unknown = || self.unknown.borrow().iter().any(|version| version.name == digest);
        manifests.read.contains_key(digest)
            || manifests.absent.contains(digest)
            || self.closed.borrow().contains(digest)
            || is_unknown()
    }

    async fn read(&self, version: &Version) -> Result<(), Unreadable> {
        match self.ask(version).await? {
            Some(manifest) => {
                let closed = manifest.children.iter().filter(|child| !child.is_open && !self.registry.is_for_inventory);
                self.closed.borrow_mut().extend(closed.map(|child| child.digest.clone()));
                self.manifests.borrow_mut().read.insert(version.name.clone(), manifest);
            }
            None => self.unknown.borrow_mut().push(version.clone()),
        }
        Ok(())
    }

    async fn ask(&self, version: &Version) -> Result<Option<Manifest>, Unreadable> {
        if !is_digest(&version.name) {
            return Err(Unreadable::Failed(format!(
                "the version {} (id {}) has no digest for a name, so nobody can say what it consists of. \
                 If nobody needs it, delete it by hand in the settings of the package, and run the job again",
                name_of(version),
                version.id
            )));
        }
        let answer = self.registry.manifest(&self.repository, &version.name).await;
        answer.map_err(|failure| unreadable(&format!("{} (id {})", in_full(version), version.id), &failure))
    }

    /// A version of which the registry says twice that there is no manifest is dangling, if it
    /// knows others; if it knows none at all, it may be the wrong registry.
    async fn ask_again(&self) -> Result<(), Unreadable> {
        let unknown = self.unknown.take();
        for version in &unknown {
            match self.ask(version).await? {
                Some(manifest) => {
                    self.manifests.borrow_mut().read.insert(version.name.clone(), manifest);
                }
                None => {
                    self.manifests.borrow_mut().absent.insert(version.name.clone());
                }
            }
        }
        if unknown.is_empty() || !self.manifests.borrow().read.is_empty() {
            return Ok(());
        }
        let named: Vec<_> = unknown.iter().take(MOST_NAMED).map(in_full).collect();
        Err(Unreadable::Failed(format!(
            "the registry knows no manifest of {}, {} of {} that were asked for, and none of the others either. Is \
             registry-url right? The package is {} there",
            named.join(", "),
            named.len(),
            unknown.len(),
            self.repository
        )))
    }
}

/// The children that all known indexes list, those of one kind.
fn children(manifests: &Manifests, wanted: impl Fn(bool) -> bool) -> HashSet<String> {
    let children = manifests.read.values().flat_map(|manifest| &manifest.children);
    children.filter(|child| wanted(child.is_open)).map(|child| child.digest.clone()).collect()
}

/// Orders versions for reading, the newest first: runs are read side by side, and a run from its
/// first to its last.
fn runs(mut versions: Vec<&Version>, long: usize, concurrency: usize) -> Vec<Vec<&Version>> {
    versions.sort_by_key(|version| std::cmp::Reverse((version.created_at, version.id)));
    // enough pieces to keep every flight busy, and no shorter ones than that takes
    let longest = versions.len().div_ceil(concurrency.max(1)).max(long);
    let mut runs: Vec<Vec<&Version>> = Vec::new();
    for version in versions {
        let belongs = |run: &Vec<&Version>| {
            let before = run.last().and_then(|before| before.created_at);
            let close = before.zip(version.created_at).is_some_and(|(before, at)| before.duration_since(at) <= APART);
            close && run.len() < longest
        };
        match runs.last_mut().filter(|run| belongs(run)) {
            Some(run) => run.push(version),
            None => runs.push(vec![version]),
        }
    }
    runs
}

/// A version with its whole digest, as one needs it to look for it, and its tags.
fn in_full(version: &Version) -> String {
    let tags = version.tags.as_deref().unwrap_or_default();
    if tags.is_empty() { version.name.clone() } else { format!("{} [{}]", version.name, tags.join(", ")) }
}

fn unreadable(what: &str, failure: &Failure) -> Unreadable {
    if let Some(cut_short) = failure.cuts_short() {
        return Unreadable::CutShort(cut_short, failure.clone());
    }
    let way_out = match failure.kind {
        FailureKind::Status(401 | 403) => {
            "The token may not read the package in the container registry. GITHUB_TOKEN: the job needs `permissions: \
             packages: write`, and the repository access to the package (its settings, \"Manage Actions access\"). \
             Personal access token (classic): the scope read:packages"
        }
        FailureKind::Status(404) => "Is registry-url right, and may the token read the package?",
        FailureKind::Unreachable => {
            "It was tried several times. Is registry-url right, and does the runner reach that host? Otherwise run the \
             job again later"
        }
        _ => {
            "It was tried several times. Run the job again later; should this one version never answer, delete it by \
             hand in the settings of the package"
        }
    };
    Unreadable::Failed(format!(
        "the manifest of {what} cannot be read, and without it nobody knows what else is needed: {failure}. {way_out}"
    ))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn version(id: u64, minutes: i64) -> Version {
        let at = Timestamp::from_second(1_700_000_000 + minutes * 60).ok();
        Version { id, name: id.to_string(), tags: None, created_at: at, updated_at: at, deleted_at: None }
    }

    fn ids(runs: &[Vec<&Version>]) -> Vec<Vec<u64>> {
        runs.iter().map(|run| run.iter().map(|version| version.id).collect()).collect()
    }

    #[test]
    fn the_newest_is_read_first_and_what_was_pushed_far_apart_side_by_side() {
        let versions = [version(1, 0), version(2, 0), version(3, 1), version(4, 300), version(5, 301)];
        assert_eq!(ids(&runs(versions.iter().collect(), 64, 16)), [vec![5, 4], vec![3, 2, 1]]);
    }

    #[test]
    fn a_long_run_is_read_from_several_places_at_once() {
        let versions: Vec<_> = (0..1_000).map(|id| version(id, 0)).collect();
        let lengths = |long, concurrency| {
            let runs = runs(versions.iter().collect(), long, concurrency);
            (runs.len(), runs.first().map(Vec::len))
        };
        assert_eq!(lengths(64, 4), (4, Some(250)));
        assert_eq!(lengths(64, 90), (16, Some(64)));
        assert_eq!(lengths(8, 90), (84, Some(12)));
    }

    #[test]
    fn versions_without_a_date_are_runs_of_their_own() {
        let mut versions = [version(1, 0), version(2, 0)];
        versions.iter_mut().for_each(|version| version.created_at = None);
        assert_eq!(ids(&runs(versions.iter().collect(), 64, 16)), [[2], [1]]);
    }
}
