//! GitHub's REST API for packages: the 27 endpoints, for each of the three kinds of owner, and
//! the two that tell whose packages they are.
//!
//! See <https://docs.github.com/rest/packages/packages>. Nine operations stand below three bases:
//! `/orgs/{org}`, `/user` and `/users/{username}`.

use std::{borrow::Cow, collections::BTreeSet, time::Duration};

use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, Url};

use crate::{
    caller::Caller,
    failure::{Failure, FailureKind},
    model::{Owner, OwnerKind, Package, PackageType, Version},
    pace::Lane,
};

mod http;
mod link;
mod listing;
mod wire;

pub use http::Changed;
use http::Http;
use listing::Pages;

/// "The value of `per_page` multiplied by `page` cannot be greater than 10000."
/// (`package_es_list_error` of GitHub's OpenAPI description.)
const MOST_PAGES_OF_PACKAGES: u64 = 100;
/// How often a package that does not keep still is listed.
const MOST_LISTINGS: u32 = 6;

/// What stays as it is in a path segment: the unreserved characters of RFC 3986, section 2.3.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Whether a listing shows versions that are there, or deleted ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// There.
    Active,
    /// Deleted, and restorable for 30 days.
    Deleted,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Deleted => "deleted",
        }
    }
}

/// A package and how many versions GitHub says it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageAnswer {
    /// The package.
    pub package: Package,
    /// GitHub's count of its active versions; informational.
    pub version_count: Option<u64>,
}

/// A listing of versions, and how sure it is.
struct Listed {
    versions: Vec<Version>,
    pages: u64,
    /// Whether some came twice: the package changed under way.
    repeats: bool,
}

/// A user or an organization, as GitHub tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The login in the spelling GitHub has it.
    pub login: String,
    /// `User`, `Organization`, or whatever GitHub says next.
    pub kind: String,
}

/// The API of one server, with one token.
pub struct GitHub {
    http: Http,
}

impl GitHub {
    /// A client; nothing is sent yet.
    ///
    /// # Errors
    ///
    /// When no TLS set-up can be made: a container without CA certificates, for one.
    pub fn new(base: Url, caller: &Caller) -> anyhow::Result<Self> {
        Ok(Self { http: Http::new(base, caller)? })
    }

    /// `GET /users/{username}`: a user or an organization.
    ///
    /// # Errors
    ///
    /// 404 if there is none of that name, or as any call can fail.
    pub async fn account(&self, login: &str) -> Result<Account, Failure> {
        self.read_account(&["users", login]).await
    }

    /// `GET /user`: whose token this is.
    ///
    /// # Errors
    ///
    /// 403 for a token without a namespace of its own (`GITHUB_TOKEN`, an App's), or as any call
    /// can fail.
    pub async fn token_owner(&self) -> Result<Account, Failure> {
        self.read_account(&["user"]).await
    }

    async fn read_account(&self, segments: &[&str]) -> Result<Account, Failure> {
        let account = self.http.read::<wire::Account>(self.address(segments, &[])).await?.body;
        Ok(Account { login: account.login, kind: account.kind })
    }

    /// `GET …/docker/conflicts`: packages that could not move to the container registry.
    ///
    /// # Errors
    ///
    /// As any call can fail.
    pub async fn docker_conflicts(&self, owner: &Owner) -> Result<Vec<Package>, Failure> {
        let address = self.below(owner, &["docker", "conflicts"], &[]);
        let packages = self.http.read::<Vec<wire::Package>>(address).await?.body;
        Ok(packages.into_iter().map(|package| package.into_model(PackageType::Docker)).collect())
    }

    /// `GET …/packages`: every package of one type, all pages.
    ///
    /// # Errors
    ///
    /// 400 "Invalid argument." for container packages with a token that may not list them
    /// (`GITHUB_TOKEN`), or as any call can fail. Nothing is returned of a listing with a gap.
    pub async fn packages(&self, owner: &Owner, package_type: PackageType) -> Result<Vec<PackageAnswer>, Failure> {
        let address = self.below(owner, &["packages"], &[("package_type", package_type.as_str())]);
        let convert = |package: wire::Package| package.into_answer(package_type);
        Ok(listing::all_pages(&self.http, address, None, MOST_PAGES_OF_PACKAGES, convert).await?.items)
    }

    /// `GET …/packages/{package_type}/{package_name}`.
    ///
    /// # Errors
    ///
    /// 404 "Package not found." if there is none or the token may not see it, or as any call can fail.
    pub async fn package(
        &self,
        owner: &Owner,
        package_type: PackageType,
        name: &str,
    ) -> Result<PackageAnswer, Failure> {
        let address = self.below(owner, &["packages", package_type.as_str(), name], &[]);
        Ok(self.http.read::<wire::Package>(address).await?.body.into_answer(package_type))
    }

    /// `DELETE …/packages/{package_type}/{package_name}`: with all its versions, sent no later than
    /// `until` by [`Clock::elapsed`](crate::clock::Clock::elapsed).
    ///
    /// # Errors
    ///
    /// 400 for a public package with a version of more than 5,000 downloads, or as any call can fail.
    pub async fn delete_package(&self, owner: &Owner, package: &Package, until: Duration) -> Result<Changed, Failure> {
        self.http.change(Method::DELETE, self.of_package(owner, package, &[], &[]), until).await
    }

    /// `POST …/packages/{package_type}/{package_name}/restore`.
    ///
    /// # Errors
    ///
    /// 404 after 30 days or if the name was taken since, or as any call can fail.
    pub async fn restore_package(&self, owner: &Owner, package: &Package) -> Result<Changed, Failure> {
        self.http.change(Method::POST, self.of_package(owner, package, &["restore"], &[]), Duration::MAX).await
    }

    /// `GET …/packages/{package_type}/{package_name}/versions`: every version, all pages, each once.
    /// `expected` is how many there are, as far as anybody knows.
    ///
    /// # Errors
    ///
    /// As any call can fail. Nothing is returned of a listing with a gap.
    pub async fn versions(
        &self,
        owner: &Owner,
        package: &Package,
        state: State,
        expected: Option<u64>,
    ) -> Result<Vec<Version>, Failure> {
        Ok(self.list_versions(owner, package, state, expected).await?.versions)
    }

    /// Every active version, as sure as can be: what is deleted between two pages moves others from the
    /// one to the other, unseen. `expected` is how many there are said to be; should something have
    /// been pushed as well, it may fit by chance, and the last look finds out.
    ///
    /// # Errors
    ///
    /// If the package does not keep still, or as any call can fail.
    pub async fn all_versions(
        &self,
        owner: &Owner,
        package: &Package,
        expected: Option<u64>,
    ) -> Result<Vec<Version>, Failure> {
        let mut before: Option<BTreeSet<u64>> = None;
        let mut likely = expected;
        for _ in 0..MOST_LISTINGS {
            let Listed { versions, pages, repeats } = self.list_versions(owner, package, State::Active, likely).await?;
            let count = versions.len() as u64;
            let as_expected = !repeats && expected == Some(count) && before.is_none();
            if pages == 1 || as_expected {
                return Ok(versions);
            }
            let ids: BTreeSet<u64> = versions.iter().map(|version| version.id).collect();
            if before.as_ref() == Some(&ids) {
                return Ok(versions);
            }
            (before, likely) = (Some(ids), Some(count));
        }
        Err(Failure {
            kind: FailureKind::Incomplete,
            request: format!("GET {}", self.of_package(owner, package, &["versions"], &[]).path()),
            message: format!("the package changed each of the {MOST_LISTINGS} times it was listed"),
            request_id: None,
            perhaps_done: false,
        })
    }

    async fn list_versions(
        &self,
        owner: &Owner,
        package: &Package,
        state: State,
        expected: Option<u64>,
    ) -> Result<Listed, Failure> {
        let address = self.of_package(owner, package, &["versions"], &[("state", state.as_str())]);
        let convert = |version: wire::Version| version.into_model(package.package_type);
        let Pages { items: mut versions, pages } =
            listing::all_pages(&self.http, address, expected, u64::MAX, convert).await?;
        let count = versions.len();
        // a push between two pages moves versions from one to the next: they come twice
        let mut seen = std::collections::HashSet::new();
        versions.reverse();
        versions.retain(|version| seen.insert(version.id));
        versions.reverse();
        Ok(Listed { repeats: versions.len() < count, versions, pages })
    }

    /// `GET …/versions/{package_version_id}`.
    ///
    /// # Errors
    ///
    /// 404 "Package version not found." if it is deleted or never was, or as any call can fail.
    pub async fn version(&self, owner: &Owner, package: &Package, id: u64) -> Result<Version, Failure> {
        let address = self.of_package(owner, package, &["versions", &id.to_string()], &[]);
        Ok(self.http.read::<wire::Version>(address).await?.body.into_model(package.package_type))
    }

    /// `DELETE …/versions/{package_version_id}`, sent no later than `until` by
    /// [`Clock::elapsed`](crate::clock::Clock::elapsed).
    ///
    /// # Errors
    ///
    /// 400 for the last (tagged) version and for one with more than 5,000 downloads, 404 both for
    /// a version that is gone and for a missing right, or as any call can fail.
    pub async fn delete_version(
        &self,
        owner: &Owner,
        package: &Package,
        id: u64,
        until: Duration,
    ) -> Result<Changed, Failure> {
        let address = self.of_package(owner, package, &["versions", &id.to_string()], &[]);
        self.http.change(Method::DELETE, address, until).await
    }

    /// `POST …/versions/{package_version_id}/restore`.
    ///
    /// # Errors
    ///
    /// 404 after 30 days, if the name was taken since, or for a missing right; or as any call can fail.
    pub async fn restore_version(&self, owner: &Owner, package: &Package, id: u64) -> Result<Changed, Failure> {
        let address = self.of_package(owner, package, &["versions", &id.to_string(), "restore"], &[]);
        self.http.change(Method::POST, address, Duration::MAX).await
    }

    /// The time of GitHub's first answer, by its own clock.
    pub fn date(&self) -> Option<Timestamp> {
        self.http.date()
    }

    /// The scopes of a personal access token (classic); `None` for any other token.
    pub fn scopes(&self) -> Option<String> {
        self.http.scopes()
    }

    /// What the calls' pace depends on.
    pub(crate) fn lane(&self) -> &Lane {
        self.http.lane()
    }

    fn of_package(&self, owner: &Owner, package: &Package, rest: &[&str], query: &[(&str, &str)]) -> Url {
        let segments = [&["packages", package.package_type.as_str(), package.name.as_str()], rest].concat();
        self.below(owner, &segments, query)
    }

    fn below(&self, owner: &Owner, rest: &[&str], query: &[(&str, &str)]) -> Url {
        let base: &[&str] = match owner.kind {
            OwnerKind::Organization => &["orgs", &owner.login],
            OwnerKind::TokenOwner => &["user"],
            OwnerKind::User => &["users", &owner.login],
        };
        self.address(&[base, rest].concat(), query)
    }

    fn address(&self, segments: &[&str], query: &[(&str, &str)]) -> Url {
        let escaped: Vec<_> = segments.iter().map(|segment| escape(segment)).collect();
        self.http.address(&escaped.iter().map(AsRef::as_ref).collect::<Vec<_>>(), query)
    }
}

/// One path segment, whatever it holds: a package's name may have slashes, and its listing
/// answers to the escaped form only.
///
/// `.` and `..` would climb to another path even when escaped (the URL standard resolves `%2e`
/// as well), so these are escaped twice and name nothing.
fn escape(segment: &str) -> Cow<'_, str> {
    match segment {
        "." => "%252E".into(),
        ".." => "%252E%252E".into(),
        _ => utf8_percent_encode(segment, SEGMENT).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn a_name_is_one_segment_whatever_it_holds() {
        for (name, escaped) in [
            ("left-pad", "left-pad"),
            ("repository/image", "repository%2Fimage"),
            ("@scope/package", "%40scope%2Fpackage"),
            ("com.example.lib", "com.example.lib"),
            ("a b?c#d%2F", "a%20b%3Fc%23d%252F"),
            ("..", "%252E%252E"),
        ] {
            assert_eq!(escape(name), escaped);
        }
    }
}
