//! Whose packages they are: an organization, the token's own user, or another user.

use std::path::Path;

use serde_json::Value;

use crate::{
    failure::ReadError,
    github::GitHub,
    model::{Owner, OwnerKind},
};

/// Finds out what kind of owner a login is, and so which paths are right.
///
/// The event's payload answers without a call where it speaks of the same owner; otherwise
/// `GET /users/{owner}` does. For a user, `GET /user` tells whether the token is their own.
///
/// # Errors
///
/// When there is no such owner, or GitHub cannot be asked.
pub async fn resolve(github: &GitHub, login: &str, event: Option<&Path>) -> Result<Owner, ReadError> {
    let told = event.and_then(|path| kind_from_event(path, login));
    let kind = match told {
        Some(kind) => kind,
        None => match github.account(login).await {
            Ok(account) => account.kind,
            Err(failure) if failure.status() == Some(404) => {
                return Err(ReadError::Failed(format!(
                    "there is no user or organization `{login}` ({failure}). Check the input `owner`: it is the login \
                     alone, without a repository"
                )));
            }
            Err(failure) => return Err(ReadError::new(&format!("could not find out who `{login}` is: "), &failure)),
        },
    };
    let kind = match kind.as_str() {
        "Organization" => OwnerKind::Organization,
        _ if is_token_owner(github, login).await? => OwnerKind::TokenOwner,
        _ => OwnerKind::User,
    };
    Ok(Owner { login: login.to_owned(), kind })
}

/// `GITHUB_TOKEN` and App tokens are refused by `GET /user` (403): they have no namespace.
async fn is_token_owner(github: &GitHub, login: &str) -> Result<bool, ReadError> {
    match github.token_owner().await {
        Ok(account) => Ok(account.login.eq_ignore_ascii_case(login)),
        Err(failure) if matches!(failure.status(), Some(403 | 404)) => Ok(false),
        Err(failure) => Err(ReadError::new("could not find out whose token this is: ", &failure)),
    }
}

/// `repository.owner` of the event that started the workflow, if it is the owner in question.
/// Anything unreadable is no answer: GitHub is asked then.
fn kind_from_event(path: &Path, login: &str) -> Option<String> {
    let payload: Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    let owner = payload.get("repository")?.get("owner")?;
    let same = owner.get("login")?.as_str()?.eq_ignore_ascii_case(login);
    let kind = owner.get("type")?.as_str()?;
    (same && matches!(kind, "User" | "Organization")).then(|| kind.to_owned())
}
