//! Takes tags off a version that stays.
//!
//! GitHub has no call for it: deleting a version takes all its tags. So an emptied copy of the
//! manifest is pushed under the tag, which leaves the version it was on, and then that copy is
//! deleted: by its own id, found by its digest, and only once the API shows it with just these
//! tags and the version without them. A listing may lag behind; one that still shows the tag on
//! the version proves nothing.

use std::{rc::Rc, time::Duration};

use super::change::{self, Change, Ends};
use crate::{
    clock::Clock,
    failure::{Failure, FailureKind},
    github::{GitHub, State},
    manifest::{Manifest, digest_of},
    model::{Owner, Package, Version},
    registry::{Registry, repository},
    report::{CutShort, Outcome, VersionReport},
};

/// The waits between looks at the listing, in seconds: half a minute in all, as for any fault.
const LOOKS: [u64; 6] = [0, 1, 2, 4, 8, 16];

/// What taking tags off needs.
pub(super) struct Untagger<'a> {
    pub(super) github: &'a GitHub,
    pub(super) registry: &'a Registry,
    pub(super) owner: &'a Owner,
    pub(super) package: &'a Package,
    pub(super) clock: Rc<dyn Clock>,
    /// How long after a listing something may be deleted.
    pub(super) fresh_for: Duration,
}

impl Untagger<'_> {
    /// Takes the tags that are to go off a version; `mark` is different in each run. The manifest is
    /// read if it was not: that of a child that an index tells all about.
    pub(super) async fn untag(&self, version: &VersionReport, manifest: Option<&Manifest>, mark: &str) -> Change {
        let repository = repository(self.owner, self.package);
        let read = match manifest {
            Some(manifest) => Ok(Some(manifest.clone())),
            None => self.registry.manifest(&repository, &version.name).await,
        };
        let manifest = match read {
            Ok(Some(manifest)) => manifest,
            Ok(None) => {
                let why = "the registry knows no such manifest any more, so its tags stay. Run the job again: the next \
                           plan says what is left";
                return Change::failed_with(why.to_owned());
            }
            Err(failure) => return not_pushed(&failure),
        };
        let (id, tags) = (version.id, version.untag.as_slice());
        let (media_type, bytes) = manifest.emptied(mark);
        let digest = digest_of(&bytes);
        let mut moved = Vec::new();
        let mut refused = None;
        for tag in tags {
            match self.registry.push(&repository, tag, media_type, bytes.clone()).await {
                Ok(()) => moved.push(tag.clone()),
                Err(failure) => {
                    refused = Some(failure);
                    break;
                }
            }
        }
        // a push without an answer may have moved its tag: then the copy has to go all the same
        let perhaps = refused.as_ref().is_some_and(|failure| failure.perhaps_done);
        if moved.is_empty() && !perhaps {
            return refused.map_or_else(Change::done, |failure| not_pushed(&failure));
        }
        match (self.delete_copy(id, &digest, &moved, tags).await, refused) {
            (Ok(taken_off), Some(failure)) if taken_off.len() < tags.len() => Change::failed_with(format!(
                "only {} could be taken off: {}",
                taken_off.join(", "),
                not_pushed(&failure).error.unwrap_or_else(|| failure.to_string())
            )),
            (Ok(_), _) => Change::done(),
            (Err(Kept::Unseen(_)), Some(failure)) if moved.is_empty() => not_pushed(&failure),
            (Err(Kept::Unseen(why) | Kept::There(why)), _) => left_over(&digest, tags, &why),
            (Err(Kept::CutShort(cut_short, why)), _) => {
                Change { ends: Ends::Run(cut_short), ..left_over(&digest, tags, &why) }
            }
        }
    }

    /// That a look did not come about.
    fn cut_off(&self, kind: FailureKind) -> Failure {
        let request = format!("the listing of {}", self.package.name);
        Failure { kind, request, message: String::new(), request_id: None, perhaps_done: false }
    }

    /// Deletes the copy once the API shows that it has the tags and the version has them no more.
    /// Returns the tags that it had.
    async fn delete_copy(&self, id: u64, digest: &str, moved: &[String], tags: &[String]) -> Result<Vec<String>, Kept> {
        let mut kept = Kept::Unseen(format!("GitHub does not list the copy {digest}"));
        for wait in LOOKS {
            if let Err(kind) = self.github.lane().wait(Duration::from_secs(wait)).await {
                return Err(Kept::because(&self.cut_off(kind)));
            }
            let listed_at = self.clock.elapsed();
            let versions = self.github.versions(self.owner, self.package, State::Active, None).await;
            let versions = versions.map_err(|failure| Kept::because(&failure))?;
            let Some(copy) = versions.iter().find(|version| version.name == digest) else { continue };
            let original = versions.iter().find(|version| version.id == id);
            let shown = copy.tags.as_deref().filter(|shown| has_just(shown, moved, tags));
            if let Some(shown) = shown.filter(|shown| original.is_none_or(|original| has_none(original, shown))) {
                let until = listed_at + self.fresh_for;
                let change = change::delete(self.github, self.owner, self.package, copy.id, until, 0).await;
                match change.outcome {
                    Outcome::Done | Outcome::Gone => return Ok(shown.to_vec()),
                    // the listing had grown old by the time the deletion could have been sent
                    Outcome::Planned if matches!(change.ends, Ends::Stale { .. }) => {}
                    _ => {
                        let why = change.error.unwrap_or_else(|| "it was not tried".to_owned());
                        return Err(match change.ends {
                            Ends::Run(cut_short) => Kept::CutShort(cut_short, why),
                            _ => Kept::There(why),
                        });
                    }
                }
                kept = Kept::There("it was not answered in time".to_owned());
                continue;
            }
            kept = Kept::There("GitHub does not show the tags as moved".to_owned());
        }
        Err(kept)
    }
}

/// Why the copy was not deleted.
enum Kept {
    /// It was never listed.
    Unseen(String),
    /// It is there, or may be.
    There(String),
    /// The same, and the run ends.
    CutShort(CutShort, String),
}

impl Kept {
    fn because(failure: &Failure) -> Self {
        match failure.cuts_short() {
            Some(cut_short) => Self::CutShort(cut_short, failure.to_string()),
            None => Self::There(failure.explained()),
        }
    }
}

/// Whether these are all the tags that were moved, and none but those that were to be.
fn has_just(shown: &[String], moved: &[String], tags: &[String]) -> bool {
    !shown.is_empty() && moved.iter().all(|tag| shown.contains(tag)) && shown.iter().all(|tag| tags.contains(tag))
}

fn has_none(version: &Version, moved: &[String]) -> bool {
    version.tags.as_ref().is_some_and(|shown| !moved.iter().any(|tag| shown.contains(tag)))
}

fn left_over(digest: &str, tags: &[String], why: &str) -> Change {
    Change::failed_with(format!(
        "{} may {} on the empty manifest {digest}, which could not be deleted: {why}. The version keeps its other \
         tags; the next run with the same inputs deletes the empty one once it is old enough for them",
        tags.join(", "),
        if tags.len() == 1 { "be" } else { "be, all or some," }
    ))
}

fn not_pushed(failure: &Failure) -> Change {
    if let Some(cut_short) = failure.cuts_short() {
        return Change { outcome: Outcome::Planned, error: None, ends: Ends::Run(cut_short) };
    }
    let advice = match failure.kind {
        FailureKind::Status(401 | 403) => {
            "Taking a tag off needs the right to write the package: `permissions: packages: write` and access under \
             \"Manage Actions access\" for GITHUB_TOKEN, the scope write:packages for a personal access token (classic)"
        }
        _ => "The tag stays where it is; run the job again later",
    };
    let why = format!("{failure}. {advice}");
    match failure.kind {
        FailureKind::Status(401 | 403) => Change { ends: Ends::Package(why.clone()), ..Change::failed_with(why) },
        _ => Change::failed_with(why),
    }
}
