//! Runs that together make every kind of call.

use std::sync::Arc;

use jiff::SignedDuration;

use crate::{
    simulator::{GitHub, Token, Version, images},
    virtual_time::{TOKEN, VirtualClock, midnight},
};

/// What there is, and what is asked for.
pub(crate) struct Scenario {
    pub(crate) world: fn() -> GitHub,
    pub(crate) inputs: Inputs,
    /// A run before it, of which it has the report.
    pub(crate) first: Option<Inputs>,
}

type Inputs = &'static [(&'static str, &'static str)];

fn organization() -> GitHub {
    let scopes = ["read:packages", "write:packages", "delete:packages"];
    GitHub::new().organization("octo-org").user("octocat").token(TOKEN, Token::classic("octocat", &scopes))
}

/// A month old at the virtual midnight, whatever the real time is.
fn aged(mut versions: Vec<Version>) -> Vec<Version> {
    let month = SignedDuration::from_hours(24 * 30);
    versions.iter_mut().for_each(|version| *version = version.clone().pushed_at(midnight() - month));
    versions
}

fn named(names: &[&str]) -> Vec<Version> {
    aged(names.iter().map(|name| Version::new(name).tags(&[name])).collect())
}

/// Three pages of versions: images that go and stay, which share a child, and signatures.
fn three_pages() -> GitHub {
    let text = "P[pr-1] -> pa,shared · S[sha256-P.sig] · Q[pr-2] -> qa · V[v1] -> va,shared · R subject V";
    let mut github = organization().package("octo-org", "container", "app", aged(images(text)));
    github.most_per_page = 4;
    github
}

fn small() -> GitHub {
    let text = "P[pr-1] -> pa,pb · S[sha256-P.sig] · Q[pr-2] · V[v1] -> va";
    organization().package("octo-org", "container", "app", aged(images(text)))
}

/// Every kind of call of a clean-up of images: owner, package, pages, tokens and manifests of the
/// registry, deletions of roots, children and referrers, the look afterwards.
pub(crate) const IMAGES: Scenario = Scenario {
    world: three_pages,
    inputs: &[("package-type", "container"), ("packages", "app"), ("tags", "pr-.*")],
    first: None,
};

/// A user's own packages, found by a pattern: `GET /user` and the listing of packages.
pub(crate) const OWN_PACKAGES: Scenario = Scenario {
    world: || {
        organization().package("octocat", "npm", "left-pad", named(&["1.0.0", "1.1.0", "1.2.0", "2.0.0"])).package(
            "octocat",
            "npm",
            "right-pad",
            named(&["1.0.0", "1.1.0", "2.0.0"]),
        )
    },
    inputs: &[
        ("package-type", "npm"),
        ("owner", "octocat"),
        ("packages", "*-pad"),
        ("tags", "1\\..*"),
        ("keep-latest", "1"),
    ],
    first: None,
};

/// Versions that come back.
pub(crate) const RESTORATION: Scenario = Scenario {
    world: || {
        let mut github = organization().package("octo-org", "docker", "app", named(&["a", "b", "c", "v1"]));
        let package = github.package_mut("app");
        let mut deleted: Vec<_> = package.versions.drain(..3).collect();
        let yesterday = midnight() - SignedDuration::from_hours(24);
        deleted.iter_mut().for_each(|version| version.deleted_at = Some(yesterday));
        package.deleted = deleted;
        github
    },
    inputs: &[("mode", "restore"), ("deleted-within", "3d")],
    first: None,
};

/// Tags that come off: pushes to the registry, and copies that are deleted.
pub(crate) const UNTAGGING: Scenario = Scenario {
    world: || {
        let text = "P[pr-1,v1] -> pa · Q[pr-2] · V[v2]";
        organization().package("octo-org", "container", "app", aged(images(text)))
    },
    inputs: &[("package-type", "container"), ("packages", "app"), ("tags", "pr-.*"), ("partial-match", "untag")],
    first: None,
};

/// A package that goes as a whole.
pub(crate) const WHOLE_PACKAGE: Scenario = Scenario {
    world: || {
        organization().package("octo-org", "container", "app", aged(images("P[pr-1] -> pa · Q[pr-2]"))).package(
            "octo-org",
            "container",
            "other",
            aged(images("P[pr-1] · V[v1]")),
        )
    },
    inputs: &[
        ("package-type", "container"),
        ("packages", "app\nother"),
        ("tags", "pr-.*"),
        ("delete-empty-package", "true"),
    ],
    first: None,
};

/// A plan that grows old while the limit on points holds it up: it is looked at again.
pub(crate) const AGED: Scenario = Scenario {
    world: small,
    inputs: &[("package-type", "container"), ("packages", "app"), ("tags", "pr-.*"), ("points-per-minute", "16")],
    first: None,
};

/// Litter that the registry is asked about twice.
pub(crate) const SWEEP: Scenario = Scenario {
    world: || {
        let text = "G[g1] -> !ga,!gb · H[h1] -> ha,!hb · S[sha256-lost.sig] · V[v1] -> va";
        organization().package("octo-org", "container", "app", aged(images(text)))
    },
    inputs: &[
        ("package-type", "container"),
        ("packages", "app"),
        ("delete-ghost-images", "true"),
        ("delete-partial-images", "true"),
        ("delete-orphaned-images", "true"),
    ],
    first: None,
};

/// Shared and nested parts, signatures, and a tag that comes off an image that stays.
fn several() -> GitHub {
    let text = "P[pr-1] -> pa,J · J -> ja · S[sha256-P.sig] · T[pr-2,v2] · V[v1] -> va,ja";
    organization().package("octo-org", "container", "app", aged(images(text)))
}

const PULL_REQUESTS: Inputs = &[("tags", "pr-.*"), ("partial-match", "untag"), ("package-type", "container")];

/// A plan that was reviewed.
pub(crate) const APPLIED: Scenario = Scenario {
    world: several,
    inputs: &[],
    first: Some(&[("tags", "pr-.*"), ("partial-match", "untag"), ("package-type", "container"), ("dry-run", "true")]),
};

/// A run that is taken back: versions, and a tag that is pushed.
pub(crate) const UNDONE: Scenario =
    Scenario { world: several, inputs: &[("mode", "restore")], first: Some(PULL_REQUESTS) };

/// Packages that come back as a whole.
pub(crate) const PACKAGES_BACK: Scenario = Scenario {
    world: || {
        let mut github = organization()
            .package("octo-org", "container", "app", aged(images("P[pr-1] -> pa · Q[pr-2]")))
            .package("octo-org", "container", "other", aged(images("V[v1]")));
        github.packages.iter_mut().for_each(|package| package.deleted_at = Some(midnight()));
        github
    },
    inputs: &[("mode", "restore"), ("target", "packages"), ("package-type", "container"), ("packages", "app,other")],
    first: None,
};

impl Scenario {
    /// The world, in the clock's time.
    pub(crate) fn begin(&self, clock: &VirtualClock) -> GitHub {
        let of_server = clock.clone();
        (self.world)().clock(Arc::new(move || of_server.moment()))
    }
}
