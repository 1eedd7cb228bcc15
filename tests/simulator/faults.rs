//! Things that go wrong between a client and GitHub, as data.

use std::sync::Arc;

use super::{Request, Wire, answers::Answer, packages_api, registry, state::GitHub};

/// What happens instead of, or around, GitHub's answer.
#[derive(Clone)]
pub enum Effect {
    /// This status with this body, before anything was done.
    Answer(Answer),
    /// The work is done, and then this status comes.
    AfterDoing(Answer),
    /// No answer, ever.
    Hang,
    /// The work is done, and no answer comes, ever.
    HangAfterDoing,
    /// The connection ends without an answer.
    Reset,
    /// The work is done, and the connection ends without an answer.
    ResetAfterDoing,
    /// The answer's head says more bytes than come.
    CutOff,
    /// The state changes before GitHub answers as usual.
    Meanwhile(Arc<dyn Fn(&mut GitHub) + Send + Sync>),
}

/// Which requests a fault is about.
type Matches = Arc<dyn Fn(&Request) -> bool + Send + Sync>;

/// A fault at some requests.
#[derive(Clone)]
pub struct Fault {
    matches: Matches,
    /// Requests that match and pass before the first.
    skip: u32,
    /// How often it strikes.
    times: u32,
    effect: Effect,
}

impl Fault {
    /// Strikes every request of the method whose path or query contains the part.
    pub fn on(method: &'static str, path_part: &str, effect: Effect) -> Self {
        let path_part = path_part.to_owned();
        let matches = move |request: &Request| {
            request.method == method && format!("{}?{}", request.path, request.query).contains(&path_part)
        };
        Self::when(matches, effect)
    }

    /// Strikes every request that is like this.
    pub fn when(matches: impl Fn(&Request) -> bool + Send + Sync + 'static, effect: Effect) -> Self {
        Self { matches: Arc::new(matches), skip: 0, times: u32::MAX, effect }
    }

    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    pub fn after(mut self, requests: u32) -> Self {
        self.skip = requests;
        self
    }

    fn strikes(&mut self, request: &Request) -> bool {
        if self.times == 0 || !(self.matches)(request) {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        self.times -= 1;
        true
    }
}

/// What GitHub does, without any fault: the API or the registry.
fn served(github: &mut GitHub, request: &Request) -> Answer {
    match registry::answer(github, request) {
        Some(answer) => answer,
        None => packages_api::answer(github, request),
    }
}

/// What a request brings.
pub(super) fn answer(github: &mut GitHub, request: &Request) -> Wire {
    let struck = github.faults.iter_mut().find_map(|fault| fault.strikes(request).then(|| fault.effect.clone()));
    let answer = match struck {
        None => served(github, request),
        Some(Effect::Answer(answer)) => answer,
        Some(Effect::AfterDoing(answer)) => {
            served(github, request);
            answer
        }
        Some(Effect::Hang) => return Wire::Nothing,
        Some(Effect::Reset) => return Wire::Reset,
        Some(Effect::HangAfterDoing) => {
            served(github, request);
            return Wire::Nothing;
        }
        Some(Effect::ResetAfterDoing) => {
            served(github, request);
            return Wire::Reset;
        }
        Some(Effect::CutOff) => {
            let whole = served(github, request);
            return Wire::Answer(whole.cut_off(github, request));
        }
        Some(Effect::Meanwhile(change)) => {
            change(github);
            served(github, request)
        }
    };
    Wire::Answer(answer.into_response(github, request))
}
