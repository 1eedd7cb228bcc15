//! Holds the simulator against GitHub's own OpenAPI description, and against answers that people
//! saw.
mod simulator;
