//! Tidy Packages cleans up GitHub Packages: it reads, plans, applies and tells.
//!
//! ```text
//!  INPUT_*  --inputs-->  Inputs
//!  owner, packages  <--github--    what is there
//!  manifests        <--registry--  what belongs together, where a decision depends on it
//!  an earlier report <--from-report-- what was planned, or is to be undone
//!                    |
//!                  plan      pure: a decision and a reason for every version, by the image graph
//!                    |
//!                  report    the document everything is told from
//!                    |
//!                  apply     the one place that changes anything
//!                    |
//!                  verify    what was to stay is there, and whole
//!                    |
//!                  tell      log, summary, outputs
//! ```
//!
//! Every call to GitHub or its registry goes through `pace`, which keeps their limits.
//!
//! The library exists for the binary and its tests; it is no interface for others.

pub mod apply;
pub mod caller;
pub mod clock;
pub mod failure;
pub mod github;
pub mod graph;
pub mod inputs;
pub mod inventory;
pub mod manifest;
pub mod model;
pub mod owner;
mod pace;
pub mod packages;
pub mod plan;
pub mod registry;
pub mod report;
mod retry;
pub mod rights;
mod run;
pub mod stop;
pub mod tell;
mod transport;
pub mod verify;

pub use run::run;
