//! Who is who, and what a token may do.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::GitHub;

#[derive(Clone, Debug)]
pub struct Account {
    pub login: String,
    pub id: u64,
    /// `User` or `Organization`.
    pub kind: &'static str,
}

/// What a token may do.
#[derive(Clone, Debug)]
pub struct Token {
    pub kind: TokenKind,
    /// Whether it has the role Admin on packages.
    pub is_admin: bool,
    /// Limit, remaining, and when that resets.
    pub quota: Option<(u64, u64, Timestamp)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A personal access token (classic) of this user, with these scopes.
    Classic { login: String, scopes: Vec<String> },
    /// `GITHUB_TOKEN`.
    Workflow,
    /// An installation token of a GitHub App.
    App,
}

impl Token {
    pub fn classic(login: &str, scopes: &[&str]) -> Self {
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        Self { kind: TokenKind::Classic { login: login.to_owned(), scopes }, is_admin: true, quota: None }
    }

    pub fn workflow() -> Self {
        Self { kind: TokenKind::Workflow, is_admin: true, quota: None }
    }

    pub fn app() -> Self {
        Self { kind: TokenKind::App, is_admin: true, quota: None }
    }

    pub fn without_admin(mut self) -> Self {
        self.is_admin = false;
        self
    }

    pub fn quota(mut self, limit: u64, remaining: u64, resets_at: Timestamp) -> Self {
        self.quota = Some((limit, remaining, resets_at));
        self
    }

    /// `write:packages` includes reading
    /// (<https://docs.github.com/apps/oauth-apps/building-oauth-apps/scopes-for-oauth-apps>).
    pub(super) fn has(&self, scope: &str) -> bool {
        match &self.kind {
            TokenKind::Classic { scopes, .. } => {
                scopes.iter().any(|had| had == scope || (scope == "read:packages" && had == "write:packages"))
            }
            TokenKind::Workflow | TokenKind::App => true,
        }
    }
}

impl GitHub {
    /// An account in full, as `GET /users/{username}` gives it (schema `public-user`).
    pub(super) fn public_user(&self, account: &Account) -> Value {
        let mut user = self.simple_user(account);
        let more = json!({
            "name": account.login, "company": null, "blog": "", "location": null, "email": null, "hireable": null,
            "bio": null, "public_repos": 1, "public_gists": 0, "followers": 0, "following": 0,
            "created_at": "2019-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
        });
        user.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        user
    }

    /// An account as the owner of something (schema `simple-user`).
    pub(super) fn simple_user(&self, account: &Account) -> Value {
        let (login, url) = (&account.login, &self.url);
        let below = |path: &str| format!("{url}/users/{login}{path}");
        json!({
            "login": login, "id": account.id, "node_id": "MDEyOk9yZ2FuaXphdGlvbg==",
            "avatar_url": "https://avatars.githubusercontent.com/u/9919?v=4", "gravatar_id": "",
            "url": below(""), "html_url": format!("https://github.com/{login}"),
            "followers_url": below("/followers"), "following_url": below("/following{/other_user}"),
            "gists_url": below("/gists{/gist_id}"), "starred_url": below("/starred{/owner}{/repo}"),
            "subscriptions_url": below("/subscriptions"), "organizations_url": below("/orgs"),
            "repos_url": below("/repos"), "events_url": below("/events{/privacy}"),
            "received_events_url": below("/received_events"), "type": account.kind, "site_admin": false,
        })
    }
}
