//! What goes and what stays: a decision and a reason for every version, computed from what was
//! read, without any input, output or clock.
//!
//! The order of a listing never matters, and in doubt a version stays.

use jiff::Timestamp;

use crate::{
    inputs::{Guards, Rules},
    model::{Package, Version},
    report::{Decision, Outcome, PackageReport, Role, VersionReport},
};

mod bounds;
mod deletion;
mod latest;
pub mod reason;
mod restoration;
#[cfg(test)]
mod tests;
mod warnings;

use reason::Reason;
pub use restoration::restoration;

/// A package and all its versions, as they were read.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The package.
    pub package: Package,
    /// How many active versions it has, where known.
    pub active: Option<u64>,
    /// Its active versions; for a restoration, its deleted ones.
    pub versions: Vec<Version>,
}

/// What will happen.
#[derive(Debug)]
pub struct Plan {
    /// Package by package, in the order they were asked for.
    pub packages: Vec<PackagePlan>,
    /// What the user should look at although nothing is wrong.
    pub warnings: Vec<String>,
}

/// What will happen in one package.
#[derive(Debug)]
pub struct PackagePlan {
    /// The package.
    pub package: Package,
    /// How many active versions it has, where known.
    pub active: Option<u64>,
    /// Every version, newest first.
    pub verdicts: Vec<Verdict>,
    /// Why nothing of it is carried out.
    pub hold: Option<Hold>,
}

/// Why a package's plan is not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// A guard holds it back.
    Refused(String),
    /// What was asked for cannot be done.
    Failed(String),
}

/// What will happen to one version, and why.
#[derive(Debug)]
pub struct Verdict {
    /// The version.
    pub version: Version,
    /// Its place in the image graph.
    pub role: Role,
    /// What will happen.
    pub decision: Decision,
    /// What decided.
    pub reason: Reason,
}

impl PackagePlan {
    /// The plan as the report tells it, before anything was done.
    pub fn into_report(self) -> PackageReport {
        let (error, refused) = match self.hold {
            None => (None, false),
            Some(Hold::Refused(why)) => (Some(why), true),
            Some(Hold::Failed(why)) => (Some(why), false),
        };
        PackageReport {
            package_type: self.package.package_type,
            name: self.package.name,
            visibility: self.package.visibility,
            active: self.active,
            decision: None,
            error,
            refused,
            versions: self.verdicts.into_iter().map(Verdict::into_report).collect(),
        }
    }
}

impl Verdict {
    fn into_report(self) -> VersionReport {
        VersionReport {
            id: self.version.id,
            name: self.version.name,
            tags: self.version.tags.unwrap_or_default(),
            created_at: self.version.created_at,
            updated_at: self.version.updated_at,
            role: self.role,
            decision: self.decision,
            reason: self.reason.to_string(),
            via: None,
            untag: Vec::new(),
            outcome: match self.decision {
                Decision::Keep => None,
                Decision::Retain => Some(Outcome::Retained),
                Decision::Delete | Decision::Restore | Decision::Untag => Some(Outcome::Planned),
            },
            error: None,
            at: None,
        }
    }
}

/// Plans a deletion over all packages in question.
pub fn deletion(listings: Vec<Listing>, rules: &Rules, guards: Guards, now: Timestamp) -> Plan {
    let mut packages: Vec<_> = listings.into_iter().map(|listing| deletion::of_package(listing, rules, now)).collect();
    bounds::apply_limit(&mut packages, rules.limit);
    for package in &mut packages {
        bounds::retain_last_image(package);
    }
    bounds::apply_guards(&mut packages, guards);
    let warnings = warnings::of(&packages, rules);
    Plan { packages, warnings }
}

/// Newest first: by the later of pushed and updated, then by id; what has no date comes last.
fn newest_first(left: &Version, right: &Version) -> std::cmp::Ordering {
    (right.last_touched(), right.id).cmp(&(left.last_touched(), left.id))
}
