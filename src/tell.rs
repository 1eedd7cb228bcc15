//! How a run is told: in the log while it goes on, and in the step's outputs and summary at its
//! end. Everything is told from the report, and everything from elsewhere (names, tags, messages)
//! is made safe for its place.

pub mod log;
pub mod outputs;
pub mod plan;
pub mod summary;
pub mod text;
