//! One change, and what GitHub's answer to it means: the same status says different things.

use std::time::Duration;

use crate::{
    failure::{Failure, FailureKind},
    github::GitHub,
    model::{Owner, Package},
    report::{CutShort, Outcome},
};

/// How often a change is begun anew that brings no answer as long as its plan is fresh: with the
/// attempts of each round, that is as often as any other call is repeated.
const MOST_ROUNDS_WITHOUT_ANSWER: u32 = 1;

/// What came of one change.
#[derive(Debug)]
pub(super) struct Change {
    /// Still `planned` when it was not sent.
    pub(super) outcome: Outcome,
    /// What to tell, for anything but a plain success.
    pub(super) error: Option<String>,
    /// What else this ends.
    pub(super) ends: Ends,
}

/// What an answer ends beyond its own version.
#[derive(Debug)]
pub(super) enum Ends {
    /// Nothing.
    Nothing,
    /// The package: no other change in it would succeed.
    Package(String),
    /// The run.
    Run(CutShort),
    /// Nothing, but it has to be decided anew before it is tried again.
    Stale {
        /// Whether it was sent and brought no answer, and did not just wait.
        was_sent: bool,
    },
}

impl Change {
    /// Done, and nothing to tell.
    pub(super) fn done() -> Self {
        Self::settled(Outcome::Done, None)
    }

    /// Failed for this reason.
    pub(super) fn failed_with(why: String) -> Self {
        Self::settled(Outcome::Failed, Some(why))
    }

    fn settled(outcome: Outcome, error: Option<String>) -> Self {
        Self { outcome, error, ends: Ends::Nothing }
    }

    fn stale(failure: &Failure) -> Self {
        let ends = Ends::Stale { was_sent: failure.perhaps_done };
        Self { outcome: Outcome::Planned, error: None, ends }
    }

    fn failed(failure: &Failure) -> Self {
        Self::failed_with(failure.explained())
    }

    fn no_right(what: &str, why: String) -> Self {
        let ends = format!("the token may not {what} versions of this package, so nothing more was tried: {why}");
        Self { outcome: Outcome::Failed, error: Some(why), ends: Ends::Package(ends) }
    }

    /// For failures that say nothing of the version itself.
    fn not_decided(failure: &Failure, cut_short: CutShort) -> Self {
        let (unknown, ends) = (failure.perhaps_done, Ends::Run(cut_short));
        Self {
            outcome: if unknown { Outcome::Unknown } else { Outcome::Planned },
            error: unknown.then(|| format!("perhaps done: {failure}")),
            ends,
        }
    }
}

/// Deletes a version; nothing is sent later than `until`. `rounds` says how often it was begun before
/// this, and brought no answer until then.
pub(super) async fn delete(
    github: &GitHub,
    owner: &Owner,
    package: &Package,
    id: u64,
    until: Duration,
    rounds: u32,
) -> Change {
    let Err(failure) = github.delete_version(owner, package, id, until).await else {
        return Change::done();
    };
    if let Some(cut_short) = failure.cuts_short() {
        return Change::not_decided(&failure, cut_short);
    }
    match failure.kind {
        FailureKind::Stale if !failure.perhaps_done => Change::stale(&failure),
        FailureKind::Status(400) if is_refused_for_good(&failure) => {
            Change::settled(Outcome::Retained, Some(failure.to_string()))
        }
        FailureKind::Status(401 | 403) => Change::no_right("delete", failure.explained()),
        FailureKind::Status(404) => match look_up(github, owner, package, id, &failure).await {
            Presence::Gone if failure.perhaps_done => Change::done(),
            Presence::Gone => Change::settled(Outcome::Gone, None),
            Presence::There => {
                Change::no_right("delete", format!("the version is still there. {}", failure.explained()))
            }
            Presence::Hidden => Change::no_right("delete", failure.explained()),
            Presence::Unclear(why) => unclear(&failure, &why),
        },
        _ if failure.perhaps_done => match look_up(github, owner, package, id, &failure).await {
            Presence::Gone => Change::done(),
            Presence::There if failure.kind == FailureKind::Stale && rounds < MOST_ROUNDS_WITHOUT_ANSWER => {
                Change::stale(&failure)
            }
            Presence::There => Change::failed(&failure),
            Presence::Hidden => {
                Change::settled(Outcome::Unknown, Some(format!("perhaps done: {}", failure.explained())))
            }
            Presence::Unclear(why) => unclear(&failure, &why),
        },
        _ => Change::failed(&failure),
    }
}

/// Deletes a package with all its versions; nothing is sent later than `until`. `rounds` as for a version.
pub(super) async fn delete_package(
    github: &GitHub,
    owner: &Owner,
    package: &Package,
    until: Duration,
    rounds: u32,
) -> Change {
    let Err(failure) = github.delete_package(owner, package, until).await else { return Change::done() };
    if let Some(cut_short) = failure.cuts_short() {
        return Change::not_decided(&failure, cut_short);
    }
    match failure.kind {
        FailureKind::Stale if !failure.perhaps_done => Change::stale(&failure),
        FailureKind::Status(400) if is_refused_for_good(&failure) => {
            Change::settled(Outcome::Retained, Some(failure.to_string()))
        }
        FailureKind::Status(404) if failure.perhaps_done => Change::done(),
        FailureKind::Status(401 | 403 | 404) => Change::no_right("delete", failure.explained()),
        _ if failure.perhaps_done => match github.package(owner, package.package_type, &package.name).await {
            Ok(_) if failure.kind == FailureKind::Stale && rounds < MOST_ROUNDS_WITHOUT_ANSWER => {
                Change::stale(&failure)
            }
            Ok(_) => Change::failed(&failure),
            Err(look_up) if look_up.status() == Some(404) => Change::done(),
            Err(look_up) => unclear(&failure, &look_up),
        },
        _ => Change::failed(&failure),
    }
}

/// Restores a package with the versions it had when it went.
pub(super) async fn restore_package(github: &GitHub, owner: &Owner, package: &Package) -> Change {
    let Err(failure) = github.restore_package(owner, package).await else { return Change::done() };
    if let Some(cut_short) = failure.cuts_short() {
        return Change::not_decided(&failure, cut_short);
    }
    match github.package(owner, package.package_type, &package.name).await {
        // an earlier attempt, or somebody else, brought it back
        Ok(_) => Change::done(),
        Err(look_up) if look_up.status() != Some(404) => unclear(&failure, &look_up),
        Err(_) => Change::failed_with(format!(
            "the package could not be brought back: {failure}. GitHub restores a package for 30 days, and only while \
             nothing else has taken its name; the token needs the right to write the package"
        )),
    }
}

/// Restores a version.
pub(super) async fn restore(github: &GitHub, owner: &Owner, package: &Package, id: u64) -> Change {
    let Err(failure) = github.restore_version(owner, package, id).await else {
        return Change::done();
    };
    if let Some(cut_short) = failure.cuts_short() {
        return Change::not_decided(&failure, cut_short);
    }
    match failure.kind {
        FailureKind::Status(401 | 403) => Change::no_right("restore", failure.explained()),
        _ => match look_up(github, owner, package, id, &failure).await {
            // it is there: an earlier attempt, or somebody else, brought it back
            Presence::There => Change::done(),
            Presence::Hidden => Change::no_right("restore", failure.explained()),
            Presence::Unclear(why) if failure.perhaps_done || why.cuts_short().is_some() => unclear(&failure, &why),
            Presence::Gone | Presence::Unclear(_) if failure.status().is_some_and(|status| status < 500) => {
                Change::settled(
                    Outcome::Failed,
                    Some(format!(
                        "{failure}. GitHub restores a version for 30 days, and only while nothing else has taken its \
                         name; the token needs the right to write the package"
                    )),
                )
            }
            Presence::Gone | Presence::Unclear(_) => Change::failed(&failure),
        },
    }
}

/// The answers that no second attempt changes: the last (tagged) version of a package, and a
/// public version with more than 5,000 downloads. Told by their messages, since both are a plain
/// 400 (actions/delete-package-versions#231, Chizkiyahu/delete-untagged-ghcr-action#40).
fn is_refused_for_good(failure: &Failure) -> bool {
    failure.says("last tagged version")
        || failure.says("last version")
        || failure.says("5000 downloads")
        || failure.says("5,000 downloads")
}

/// Whether a version is there, as far as the token may know.
enum Presence {
    /// It answers.
    There,
    /// It does not, while its package does.
    Gone,
    /// Not even its package answers.
    Hidden,
    /// The question itself failed.
    Unclear(Failure),
}

/// A 404 to a change means "gone" or "you may not": asking for the version tells which.
async fn look_up(github: &GitHub, owner: &Owner, package: &Package, id: u64, change: &Failure) -> Presence {
    let failure = match github.version(owner, package, id).await {
        Ok(_) => return Presence::There,
        Err(failure) => failure,
    };
    if failure.status() != Some(404) {
        return Presence::Unclear(failure);
    }
    let says_gone = |failure: &Failure| failure.says("version not found");
    if !says_gone(&failure) && !says_gone(change) {
        return Presence::Hidden;
    }
    match github.package(owner, package.package_type, &package.name).await {
        Ok(_) => Presence::Gone,
        Err(failure) if failure.status() == Some(404) => Presence::Hidden,
        Err(failure) => Presence::Unclear(failure),
    }
}

fn unclear(change: &Failure, look_up: &Failure) -> Change {
    if let Some(cut_short) = look_up.cuts_short() {
        return Change::not_decided(change, cut_short);
    }
    let error = format!("perhaps done: {change}, and then {look_up}");
    Change::settled(Outcome::Unknown, Some(error))
}
