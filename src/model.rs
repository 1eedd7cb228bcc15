//! The words of the field as types: package types, owners, packages and their versions.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One of the six kinds of packages that GitHub Packages knows
/// (<https://docs.github.com/rest/packages/packages>, parameter `package_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PackageType {
    /// npm registry.
    Npm,
    /// Apache Maven registry (also used by Gradle).
    Maven,
    /// RubyGems registry.
    Rubygems,
    /// The legacy Docker registry, `docker.pkg.github.com`.
    Docker,
    /// NuGet registry.
    Nuget,
    /// The container registry, `ghcr.io`.
    Container,
}

impl PackageType {
    /// All six, in the order of GitHub's documentation.
    pub const ALL: [Self; 6] = [Self::Npm, Self::Maven, Self::Rubygems, Self::Docker, Self::Nuget, Self::Container];

    /// The word that GitHub's paths and our inputs use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Npm => "npm",
            Self::Maven => "maven",
            Self::Rubygems => "rubygems",
            Self::Docker => "docker",
            Self::Nuget => "nuget",
            Self::Container => "container",
        }
    }
}

impl fmt::Display for PackageType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Whose packages they are, as far as the API's paths are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnerKind {
    /// An organization: `/orgs/{org}/…`.
    Organization,
    /// The user whose token this is: `/user/…`.
    TokenOwner,
    /// Another user, or a token without a namespace of its own: `/users/{username}/…`.
    User,
}

/// The user or organization that owns the packages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The login; GitHub compares logins without case.
    pub login: String,
    /// Which of the API's three bases is right for it.
    pub kind: OwnerKind,
}

/// One package of one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Which registry it lives in.
    pub package_type: PackageType,
    /// The name as GitHub lists it; a container's may hold slashes (`repository/image`).
    pub name: String,
    /// `public`, `private`, `internal`, or whatever GitHub says next.
    pub visibility: Option<String>,
}

/// One version of a package, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// GitHub's number for it; grows past 32 bits.
    pub id: u64,
    /// The version string; for a container the digest of its manifest.
    pub name: String,
    /// All its tags. A version string is its own only tag. `None` where GitHub did not say.
    pub tags: Option<Vec<String>>,
    /// When it was pushed. `None` where it is missing or does not parse.
    pub created_at: Option<Timestamp>,
    /// When it, or one of its tags, was last changed. `None` where it is missing or does not parse.
    pub updated_at: Option<Timestamp>,
    /// When it was deleted, of a deleted version.
    pub deleted_at: Option<Timestamp>,
}

impl Version {
    /// The moment that age and "newest" count from: the later of pushed and updated.
    /// `None` if either is unknown, and then nothing is decided by it.
    pub fn last_touched(&self) -> Option<Timestamp> {
        Some(self.created_at?.max(self.updated_at?))
    }

    /// The tags that are the version's own, without fallback tags, in the order GitHub gave them.
    pub fn own_tags(&self) -> impl Iterator<Item = &str> {
        self.tags.iter().flatten().map(String::as_str).filter(|tag| subject_of_fallback_tag(tag).is_none())
    }

    /// Whether every tag it has is a fallback tag (and it has one): such a version refers to
    /// the digest that the tag names, and is neither tagged nor untagged.
    pub fn has_fallback_tags_alone(&self) -> bool {
        self.tags.as_ref().is_some_and(|tags| !tags.is_empty()) && self.own_tags().next().is_none()
    }
}

/// The digest that a fallback tag names: `sha256-` and 64 hex digits, with or without a suffix
/// (cosign's `.sig`, `.att`, `.sbom`).
///
/// Source: the referrers tag schema of the OCI distribution specification, and cosign's
/// signature specification. Anything that only looks alike is an ordinary tag.
pub fn subject_of_fallback_tag(tag: &str) -> Option<String> {
    let rest = tag.strip_prefix("sha256-")?;
    let hex = rest.get(..64)?;
    let suffix = &rest[64..];
    let is_hex = hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    let ends_there = !suffix.starts_with(|first: char| first.is_ascii_hexdigit());
    (is_hex && ends_there).then(|| format!("sha256:{hex}"))
}

#[cfg(test)]
mod tests {
    use super::subject_of_fallback_tag;

    #[test]
    fn a_fallback_tag_names_a_digest_and_whatever_only_looks_alike_does_not() {
        let hex = "3561f0cff06caccddb99c93bd26e712fcc56a811de0f8ea7a17bb865f30b176a";
        for (tag, is_one) in [
            (format!("sha256-{hex}"), true),
            (format!("sha256-{hex}.sig"), true),
            (format!("sha256-{hex}.att"), true),
            (format!("sha256-{hex}0"), false),
            (format!("sha256-{}", &hex[1..]), false),
            (format!("sha256-{}", hex.to_uppercase()), false),
            (format!("x-sha256-{hex}"), false),
            (format!("sha256:{hex}"), false),
            ("sha256-é".repeat(20), false),
            ("latest".to_owned(), false),
        ] {
            assert_eq!(subject_of_fallback_tag(&tag).is_some(), is_one, "{tag}");
        }
    }
}
