//! Who calls, and on what terms: the same for every server that a run speaks with.

use std::rc::Rc;

use secrecy::SecretString;

use crate::{clock::Clock, inputs::Pace, stop::Stop, tell::log::Log};

/// What all calls of a run have in common.
#[derive(Clone)]
pub struct Caller {
    /// What opens the servers; nothing but their clients exposes it.
    pub token: SecretString,
    /// How fast to go.
    pub pace: Pace,
    /// Time.
    pub clock: Rc<dyn Clock>,
    /// Whether to go on.
    pub stop: Stop,
    /// Where waits and repetitions are told.
    pub log: Rc<Log>,
}
