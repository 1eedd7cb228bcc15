//! Represents the state of GitHub: accounts, tokens, packages, and how it behaves today.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{
    Answer, Fault, Manifest, Request,
    accounts::{Account, Token, TokenKind},
    packages_api,
};

/// The largest number that does not fit into 32 bits, and so the ids that packages reach next.
const FIRST_ID: u64 = u32::MAX as u64 + 1;

/// A source of time that a test may own.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

pub struct GitHub {
    /// Where it is served; set when it starts.
    pub url: String,
    /// The path before the API, as on a server (`/api/v3`).
    pub prefix: String,
    pub accounts: Vec<Account>,
    pub tokens: BTreeMap<String, Token>,
    pub packages: Vec<Package>,
    pub faults: Vec<Fault>,
    pub paging: Paging,
    /// What answers say in `date` instead of the clock's time.
    pub date: Option<String>,
    /// The most that it puts on a page; more is silently this.
    pub most_per_page: usize,
    /// What it enforces beside the primary limit.
    pub limits: Limits,
    /// How long an answer of the API takes, and one of the registry.
    pub latency: (Duration, Duration),
    /// Requests under way, this one included.
    pub(super) in_flight: usize,
    /// Packages in conflict with the Docker migration.
    pub conflicts: Vec<Value>,
    /// How often each manifest was given out, by digest.
    pub pulls: BTreeMap<String, u32>,
    /// Where the registry sends for a token; its own server if unset.
    pub realm: Option<String>,
    /// Tokens of the registry, and what they open.
    pub(super) registry_tokens: BTreeMap<String, String>,
    /// Where the registry found manifests, by digest.
    pub(super) places: HashMap<String, usize>,
    pub(super) answered: u64,
    spent: VecDeque<(Timestamp, u32)>,
    clock: Now,
    next_id: u64,
}

/// The secondary limits (<https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api>),
/// each over a window that slides; none is enforced unless it is set.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// A read costs 1, a change 5.
    pub points_per_minute: Option<u32>,
    /// Requests under way at one moment.
    pub in_flight: Option<usize>,
    /// Should deletions count as "content-generating requests", which nobody has said.
    pub changes_per_minute: Option<usize>,
    pub changes_per_hour: Option<usize>,
}

impl Limits {
    /// What GitHub documents for the REST API.
    pub fn documented() -> Self {
        Self { points_per_minute: Some(900), in_flight: Some(100), ..Self::default() }
    }
}

/// How listings are paged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paging {
    AsGitHub,
    /// `last` is missing at times.
    WithoutLast,
    /// A proxy drops the header.
    WithoutLink,
    /// The links lead elsewhere.
    OtherOrigin,
    /// Single sign-on hides a part (`x-github-sso: partial-results`).
    Partial,
}

#[derive(Clone, Debug)]
pub struct Package {
    pub owner: String,
    pub package_type: String,
    pub name: String,
    pub id: u64,
    pub visibility: String,
    pub versions: Vec<Version>,
    pub deleted: Vec<Version>,
    pub deleted_at: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// Set when it is put into a package.
    pub id: u64,
    pub name: String,
    pub tags: Vec<String>,
    pub created_at: String,
    pub updated_at: String,
    pub deleted_at: Option<Timestamp>,
    pub downloads: u64,
    /// What the registry gives out, of an image.
    pub manifest: Option<Manifest>,
    /// Fields that are merged over what GitHub would say; `null` takes a field away.
    pub patch: Value,
}

impl Version {
    pub fn new(name: &str) -> Self {
        Self {
            id: 0,
            name: name.to_owned(),
            tags: Vec::new(),
            created_at: String::new(),
            updated_at: String::new(),
            deleted_at: None,
            downloads: 0,
            manifest: None,
            patch: Value::Null,
        }
    }

    /// A version object as the API gave it.
    pub fn captured(object: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let tags = object["metadata"]["container"]["tags"].as_array().cloned().unwrap_or_default();
        Self {
            id: object["id"].as_u64().expect("an id"),
            tags: tags.iter().map(text).collect(),
            created_at: text(&object["created_at"]),
            updated_at: text(&object["updated_at"]),
            ..Self::new(&text(&object["name"]))
        }
    }

    pub fn id(mut self, id: u64) -> Self {
        self.id = id;
        self
    }

    pub fn tags(mut self, tags: &[&str]) -> Self {
        self.tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        self
    }

    /// Pushed, and not touched since, this many days before the real now.
    #[expect(clippy::disallowed_methods, reason = "the real binary lives in real time")]
    pub fn days_old(self, days: f64) -> Self {
        self.pushed_at(Timestamp::now() - SignedDuration::from_secs_f64(days * 86_400.0))
    }

    pub fn pushed_at(mut self, moment: Timestamp) -> Self {
        self.created_at = moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        self.updated_at.clone_from(&self.created_at);
        self
    }

    pub fn downloads(mut self, downloads: u64) -> Self {
        self.downloads = downloads;
        self
    }

    pub fn patched(mut self, patch: Value) -> Self {
        self.patch = patch;
        self
    }
}

impl GitHub {
    /// Nobody and nothing, in real time.
    #[expect(clippy::disallowed_methods, reason = "the real binary lives in real time")]
    pub fn new() -> Self {
        Self {
            url: String::new(),
            prefix: String::new(),
            accounts: Vec::new(),
            tokens: BTreeMap::new(),
            packages: Vec::new(),
            faults: Vec::new(),
            paging: Paging::AsGitHub,
            date: None,
            most_per_page: 100,
            limits: Limits::default(),
            latency: (Duration::ZERO, Duration::ZERO),
            in_flight: 0,
            conflicts: Vec::new(),
            pulls: BTreeMap::new(),
            realm: None,
            registry_tokens: BTreeMap::new(),
            places: HashMap::new(),
            answered: 0,
            spent: VecDeque::new(),
            clock: Arc::new(Timestamp::now),
            next_id: FIRST_ID,
        }
    }

    pub fn clock(mut self, clock: Now) -> Self {
        self.clock = clock;
        self
    }

    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// As on a server, below `/api/v3`.
    pub fn prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.prefix);
        self
    }

    pub fn organization(self, login: &str) -> Self {
        self.account(login, "Organization")
    }

    pub fn user(self, login: &str) -> Self {
        self.account(login, "User")
    }

    fn account(mut self, login: &str, kind: &'static str) -> Self {
        let id = 9_000 + self.accounts.len() as u64;
        self.accounts.push(Account { login: login.to_owned(), id, kind });
        self
    }

    pub fn token(mut self, secret: &str, token: Token) -> Self {
        self.tokens.insert(secret.to_owned(), token);
        self
    }

    /// Adds a package with versions, the oldest first; those without an id get one.
    pub fn package(mut self, owner: &str, package_type: &str, name: &str, versions: Vec<Version>) -> Self {
        self.add_package(owner, package_type, name, versions);
        self
    }

    pub(super) fn add_package(&mut self, owner: &str, package_type: &str, name: &str, versions: Vec<Version>) {
        let id = self.new_id();
        let versions = versions.into_iter().map(|version| self.complete(version, package_type)).collect();
        self.packages.push(Package {
            owner: owner.to_owned(),
            package_type: package_type.to_owned(),
            name: name.to_owned(),
            id,
            visibility: "public".to_owned(),
            versions,
            deleted: Vec::new(),
            deleted_at: None,
        });
    }

    fn complete(&mut self, version: Version, package_type: &str) -> Version {
        let mut version = if version.created_at.is_empty() { version.days_old(100.0) } else { version };
        if version.id == 0 {
            version.id = self.new_id();
        }
        if !matches!(package_type, "container" | "docker") {
            version.tags = vec![version.name.clone()];
        }
        version
    }

    pub(super) fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    pub fn fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    pub fn paging(mut self, paging: Paging) -> Self {
        self.paging = paging;
        self
    }

    /// The names of the versions a package has, the oldest first; for images their first tags.
    pub fn left(&self, package: &str) -> Vec<String> {
        let package = self.packages.iter().find(|each| each.name == package && each.deleted_at.is_none());
        let versions = package.map(|package| package.versions.as_slice()).unwrap_or_default();
        versions.iter().map(|version| version.tags.first().unwrap_or(&version.name).clone()).collect()
    }

    pub fn package_mut(&mut self, name: &str) -> &mut Package {
        self.packages.iter_mut().find(|package| package.name == name).expect("a package of that name")
    }

    /// The first page of a package's versions as it is now, for a listing that lags behind.
    pub fn listing(&self, package: &str) -> Answer {
        let package = self.packages.iter().find(|each| each.name == package).expect("a package of that name");
        packages_api::versions_page(self, package)
    }

    /// Deletes a version as somebody else would.
    pub fn delete(&mut self, digest: &str) {
        for package in &mut self.packages {
            package.versions.retain(|version| version.name != digest);
        }
    }

    /// Pushes a version as somebody else would, now.
    pub fn push(&mut self, package: &str, version: Version) {
        let (id, now) = (self.new_id(), self.now());
        self.package_mut(package).versions.push(version.id(id).pushed_at(now));
    }

    /// Lets every token of the registry expire.
    pub fn forget_registry_tokens(&mut self) {
        self.registry_tokens.clear();
    }

    /// What a person who pulls would find broken: indexes of which a part is not there, by their
    /// first tags or their digests.
    pub fn broken_images(&self) -> Vec<String> {
        let packages = self.packages.iter().filter(|package| package.deleted_at.is_none());
        let mut broken: Vec<_> = packages.flat_map(broken_in).collect();
        broken.sort();
        broken
    }

    pub(super) fn account_named(&self, login: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.login.eq_ignore_ascii_case(login))
    }

    /// The rate limit's headers, after this request was counted.
    pub(super) fn limits_of(&mut self, request: &Request) -> Vec<(String, String)> {
        let mut headers = Vec::new();
        if let Some(token) = self.tokens.get_mut(secret_of(request)) {
            if let Some((limit, remaining, resets_at)) = &mut token.quota {
                *remaining = remaining.saturating_sub(1);
                headers.extend([
                    ("x-ratelimit-limit", limit.to_string()),
                    ("x-ratelimit-remaining", remaining.to_string()),
                    ("x-ratelimit-used", (*limit - *remaining).to_string()),
                    ("x-ratelimit-reset", resets_at.as_second().to_string()),
                    ("x-ratelimit-resource", "core".to_owned()),
                ]);
            }
            if let TokenKind::Classic { scopes, .. } = &token.kind {
                headers.push(("x-oauth-scopes", scopes.join(", ")));
            }
        }
        if self.paging == Paging::Partial {
            headers.push(("x-github-sso", "partial-results; organizations=21955855".to_owned()));
        }
        headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// How far away it is for a request.
    pub(super) fn latency_of(&self, request: &Request) -> Duration {
        if request.path.starts_with("/v2/") || request.path == "/token" { self.latency.1 } else { self.latency.0 }
    }

    /// Counts a request; tells whether it is over one of the secondary limits.
    pub(super) fn is_over_the_limits(&mut self, request: &Request) -> bool {
        let Limits { points_per_minute, in_flight, changes_per_minute, changes_per_hour } = self.limits;
        let now = self.now();
        let (minute, hour) = (SignedDuration::from_mins(1), SignedDuration::from_hours(1));
        while self.spent.front().is_some_and(|(at, _)| now.duration_since(*at) >= hour) {
            self.spent.pop_front();
        }
        let points = if request.is_change() { 5 } else { 1 };
        let of_minute = || self.spent.iter().rev().take_while(|(at, _)| now.duration_since(*at) < minute);
        let changes = |points: &u32| *points == 5;
        let is_over = points_per_minute
            .is_some_and(|most| of_minute().map(|(_, points)| points).sum::<u32>() + points > most)
            || in_flight.is_some_and(|most| self.in_flight > most)
            || (request.is_change()
                && (changes_per_minute
                    .is_some_and(|most| of_minute().filter(|(_, points)| changes(points)).count() >= most)
                    || changes_per_hour
                        .is_some_and(|most| self.spent.iter().filter(|(_, points)| changes(points)).count() >= most)));
        if !is_over {
            self.spent.push_back((now, points));
        }
        is_over
    }
}

fn broken_in(package: &Package) -> impl Iterator<Item = String> {
    let is_there = |digest: &String| package.versions.iter().any(|version| version.name == *digest);
    let lacks = move |version: &&Version| version.listed().iter().any(|digest| !is_there(digest));
    let broken = package.versions.iter().filter(lacks);
    broken.map(|version| version.tags.first().unwrap_or(&version.name).clone())
}

/// The token of a request.
pub(super) fn secret_of(request: &Request) -> &str {
    let authorization = request.header("authorization").unwrap_or_default();
    authorization.strip_prefix("Bearer ").or_else(|| authorization.strip_prefix("token ")).unwrap_or_default()
}

/// Merges a patch over an object (RFC 7396).
pub(super) fn merge(target: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else { return };
    for (key, value) in patch {
        match value {
            Value::Null => {
                target.as_object_mut().expect("an object").remove(key);
            }
            Value::Object(_) if target[key].is_object() => merge(&mut target[key], value),
            _ => target[key] = value.clone(),
        }
    }
}
