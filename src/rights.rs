//! Rights that can be known before the first change.
//!
//! Only a personal access token (classic) tells its scopes, in the header `x-oauth-scopes`
//! (<https://docs.github.com/apps/oauth-apps/building-oauth-apps/scopes-for-oauth-apps>);
//! of other tokens nothing is known until GitHub answers.

use crate::report::{Mode, Outcome, Report};

/// What the token lacks for the plan, with what to do about it; `None` if nothing is known to be
/// missing, or nothing is planned.
pub fn missing_scope(scopes: Option<&str>, mode: Mode, report: &Report) -> Option<String> {
    let versions = report.packages.iter().flat_map(|package| &package.versions);
    let needed = match mode {
        Mode::Delete => "delete:packages",
        Mode::Restore => "write:packages",
        Mode::Report => return None,
    };
    let anything = versions.into_iter().any(|version| version.outcome == Some(Outcome::Planned));
    let has = scopes?.split(',').any(|scope| scope.trim() == needed);
    (anything && !has).then(|| {
        format!(
            "the token lacks the scope {needed} (it has: {}). Add it to the personal access token (classic) under \
             Settings, Developer settings; nothing can be changed without it",
            scopes.unwrap_or_default()
        )
    })
}
