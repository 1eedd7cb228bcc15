//! Tidy Packages cleans up GitHub Packages.

pub mod inputs;
pub mod model;
pub mod report;
