//! What can go wrong with a call, told so that a user knows what happened and what to do.

use std::{fmt, time::Duration};

use crate::report::CutShort;

/// A call that brought no usable answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Why.
    pub kind: FailureKind,
    /// Method and path of the call.
    pub request: String,
    /// GitHub's own message, or the network's; always one line of text from elsewhere.
    pub message: String,
    /// GitHub's `x-github-request-id`, which its support asks for.
    pub request_id: Option<String>,
    /// Whether the call may have had its effect although it failed.
    pub perhaps_done: bool,
}

/// Why a call brought no usable answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// No connection, no answer in time, or an answer cut off, each time it was tried.
    Unreachable,
    /// A server (or a proxy that answers for it) whose certificate no authority known here has signed.
    Untrusted,
    /// An answer that is not the JSON that the API promises, each time it was tried.
    NotJson,
    /// An answer that says of itself that it is incomplete (`x-github-sso: partial-results`), or a
    /// listing that is not one thing: it changed under way, or its pages run in a circle.
    Incomplete,
    /// Any status that is no success.
    Status(u16),
    /// A rate limit that resets too late: the wait would be this long.
    Limit(Duration),
    /// The run was asked to stop before this was sent.
    Stopped,
    /// The run's own time was up before this was sent.
    OutOfTime,
    /// What the change was decided on had grown too old by the time it could have been sent.
    Stale,
}

impl Failure {
    /// The HTTP status, where there was an answer.
    pub fn status(&self) -> Option<u16> {
        match self.kind {
            FailureKind::Status(status) => Some(status),
            _ => None,
        }
    }

    /// Why the run ends here, where this is no failure of the work itself.
    pub fn cuts_short(&self) -> Option<CutShort> {
        match self.kind {
            FailureKind::Limit(_) => Some(CutShort::Limit),
            FailureKind::OutOfTime => Some(CutShort::Time),
            FailureKind::Stopped => Some(CutShort::Cancelled),
            _ => None,
        }
    }

    /// Whether GitHub's message contains this, without regard to case.
    pub(crate) fn says(&self, part: &str) -> bool {
        self.message.to_lowercase().contains(part)
    }

    /// What happened and what to do about it.
    pub fn explained(&self) -> String {
        match self.advice() {
            Some(advice) => format!("{self}. {advice}"),
            None => self.to_string(),
        }
    }

    /// What the user can do about it, where there is something to do.
    pub fn advice(&self) -> Option<&'static str> {
        Some(match self.kind {
            FailureKind::Status(401) => {
                "The token is wrong, revoked or expired. Put a valid one in the input `token`; \
                 without that input the job's own GITHUB_TOKEN is used."
            }
            FailureKind::Status(403) if self.says("saml") => {
                "Authorize the token for the organization's single sign-on: \
                 https://docs.github.com/authentication/authenticating-with-single-sign-on"
            }
            FailureKind::Status(403) if self.says("read:packages") => {
                "Give the personal access token (classic) the scope `read:packages`."
            }
            FailureKind::Status(403 | 404) => {
                "The token may not do this. GITHUB_TOKEN: the job needs `permissions: packages: write`, and the \
                 repository the role Admin in the package's settings under \"Manage Actions access\". Personal \
                 access token (classic): the scopes `read:packages` and `delete:packages` (to restore or \
                 to untag, `write:packages`), and its user must be an admin of the package."
            }
            FailureKind::Unreachable => {
                "It was tried several times. Is the input `api-url` right, and does the runner reach that server (proxy, \
                 firewall)? Of github.com see https://www.githubstatus.com. Run the job again later: it goes on where \
                 this one stopped."
            }
            FailureKind::Status(500..) | FailureKind::NotJson | FailureKind::Stale => {
                "It was tried several times. See https://www.githubstatus.com, or ask who runs the server. Run the job \
                 again later: it goes on where this one stopped."
            }
            FailureKind::Untrusted => {
                "Its certificate is of an authority that this container does not know. Put that authority's certificate \
                 (PEM) into the workspace, and name it in the step's `env`: `SSL_CERT_FILE: /github/workspace/ca.pem`."
            }
            FailureKind::Incomplete if !self.says("single sign-on") => {
                "Something else changes the package at the same time, or the server's listing is at fault. Give the jobs \
                 that work on it a `concurrency` group, and run this one again."
            }
            FailureKind::Incomplete => {
                "Authorize the token for the organization's single sign-on, so that GitHub shows everything: \
                 https://docs.github.com/authentication/authenticating-with-single-sign-on"
            }
            _ => return None,
        })
    }
}

/// Why something could not be read that a plan needs.
#[derive(Debug)]
pub enum ReadError {
    /// Something that ends the run, and is no failure.
    CutShort(CutShort, String),
    /// Anything else, with what to do about it.
    Failed(String),
}

impl ReadError {
    /// Why a call brought nothing; `what` begins the sentence.
    pub(crate) fn new(what: &str, failure: &Failure) -> Self {
        match failure.cuts_short() {
            Some(cut_short) => Self::CutShort(cut_short, failure.to_string()),
            None => Self::Failed(format!("{what}{}", failure.explained())),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, request, message, request_id, perhaps_done } = self;
        match kind {
            FailureKind::Unreachable => write!(formatter, "{request} brought no answer: {message}")?,
            FailureKind::Untrusted => {
                write!(formatter, "{request} was not sent, the server is not trusted: {message}")?
            }
            FailureKind::NotJson => write!(formatter, "{request} did not bring what the API promises: {message}")?,
            FailureKind::Incomplete => write!(formatter, "{request} was answered incompletely: {message}")?,
            FailureKind::Status(status) => write!(formatter, "{request} was answered with {status}: {message}")?,
            FailureKind::Limit(wait) => {
                write!(formatter, "{request} met a rate limit that lasts {} s longer", wait.as_secs())?;
                // there is none where the limit was known before it was sent
                if !message.is_empty() {
                    write!(formatter, ": {message}")?;
                }
            }
            FailureKind::OutOfTime => write!(formatter, "{request} was not sent: the run's time-limit was reached")?,
            FailureKind::Stale if *perhaps_done => {
                write!(
                    formatter,
                    "{request} brought no answer as long as what it was decided on was fresh: {message}"
                )?;
            }
            FailureKind::Stale => write!(formatter, "{request} was not sent: what it was decided on is too old")?,
            FailureKind::Stopped => write!(formatter, "{request} was not sent: the run was asked to stop")?,
        }
        match request_id {
            Some(id) => write!(formatter, " (request id {id})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}
