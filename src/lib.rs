//! Tidy Packages cleans up GitHub Packages.
#![doc = ""]

pub mod inputs;
pub mod model;
pub mod report;
