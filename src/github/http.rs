//! One call to the API: paced, with the token, repeated as long as that makes sense, and read
//! with bounds.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use reqwest::{
    Method, Response, Url,
    header::{ACCEPT, AUTHORIZATION, DATE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER},
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::sync::{Notify, Semaphore};

use super::{
    failure::{Failure, FailureKind},
    pace::{Admission, Cost, Pacer, Quota},
    retry::{Attempts, Next, Seen},
};
use crate::{clock::Clock, inputs::Pace, stop::Stop, tell::log::Log};

/// The version of the API that is spoken
/// (<https://docs.github.com/rest/about-the-rest-api/api-versions>).
const API_VERSION: &str = "2022-11-28";
/// The largest answer that is read; a page of 100 versions has some 100 kB.
const MOST_BYTES: usize = 32 * 1024 * 1024;
/// Redirects in a row that a read follows, on the API's own origin.
const MOST_REDIRECTS: u32 = 5;
/// A token shorter than this is no secret of GitHub's, and could occur in any text by chance.
const SHORTEST_SECRET: usize = 8;
/// A wait this long is worth a line in the log.
const NOTEWORTHY: Duration = Duration::from_secs(5);

/// What makes calls. One for the whole run.
pub(super) struct Http {
    client: reqwest::Client,
    token: SecretString,
    base: Url,
    max_wait: Duration,
    flights: Semaphore,
    an_answer: Notify,
    pacer: RefCell<Pacer>,
    clock: Rc<dyn Clock>,
    stop: Stop,
    log: Rc<Log>,
    date: Cell<Option<Timestamp>>,
    scopes: RefCell<Option<String>>,
}

/// A change that GitHub accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed;

/// An answer to a read.
#[derive(Debug)]
pub(super) struct Answer<T> {
    pub(super) body: T,
    pub(super) link: Option<String>,
}

/// An error body; every field is optional in the API's description (`basic-error`).
#[derive(Debug, Default, Deserialize)]
struct ErrorBody {
    #[serde(default)]
    message: String,
}

/// What one attempt brought.
struct Received {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// A call on its way through its attempts.
struct Call {
    method: Method,
    address: Url,
    request: String,
    until: Duration,
    attempts: Attempts,
    redirects: u32,
    perhaps_done: bool,
}

impl Call {
    fn new(method: Method, address: Url, until: Duration) -> Self {
        let request = format!("{method} {}", address.path());
        Self { method, address, request, until, attempts: Attempts::default(), redirects: 0, perhaps_done: false }
    }

    fn cost(&self) -> Cost {
        if self.method == Method::GET { Cost::Read } else { Cost::Change }
    }

    fn failure(&self, kind: FailureKind, message: String, request_id: Option<String>) -> Failure {
        let Self { request, perhaps_done, .. } = self;
        Failure { kind, request: request.clone(), message, request_id, perhaps_done: *perhaps_done }
    }
}

impl Http {
    /// A client for one API.
    ///
    /// # Errors
    ///
    /// When no TLS set-up can be made (no CA certificates, for one), or the token cannot stand
    /// in a header.
    pub(super) fn new(
        base: Url,
        token: SecretString,
        pace: Pace,
        clock: Rc<dyn Clock>,
        stop: Stop,
        log: Rc<Log>,
    ) -> anyhow::Result<Self> {
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))?;
        authorization.set_sensitive(true);
        let headers = HeaderMap::from_iter([
            (AUTHORIZATION, authorization),
            (ACCEPT, HeaderValue::from_static("application/vnd.github+json")),
            (reqwest::header::HeaderName::from_static("x-github-api-version"), HeaderValue::from_static(API_VERSION)),
        ]);
        // one provider for the process; a second client finds it in place, which is fine
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder();
        if base.scheme() == "http" {
            // plain http is for this machine alone, and a proxy is another
            builder = builder.no_proxy();
        }
        let client = builder
            .user_agent(concat!("tidy-packages/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            // a redirect could carry the token elsewhere; those that stay are followed by hand
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(10))
            .timeout(Duration::from_secs(60))
            .build()?;
        Ok(Self {
            client,
            token,
            base,
            max_wait: pace.max_wait.unsigned_abs(),
            flights: Semaphore::new(pace.concurrency),
            an_answer: Notify::new(),
            pacer: RefCell::new(Pacer::new(pace.points_per_minute, pace.quota_reserve_percent)),
            clock,
            stop,
            log,
            date: Cell::new(None),
            scopes: RefCell::new(None),
        })
    }

    /// The address of a path below the API's base, whose segments are escaped one by one.
    pub(super) fn address(&self, segments: &[&str], query: &[(&str, &str)]) -> Url {
        let mut address = self.base.clone();
        let path: String = segments.iter().flat_map(|segment| ["/", segment]).collect();
        address.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        if !query.is_empty() {
            address.query_pairs_mut().extend_pairs(query);
        }
        address
    }

    /// The address, if it is on the API's own origin (RFC 6454: scheme, host and port).
    pub(super) fn own(&self, address: &str) -> Option<Url> {
        let address = self.base.join(address).ok()?;
        (address.origin() == self.base.origin()).then_some(address)
    }

    /// Reads JSON.
    pub(super) async fn read<T: DeserializeOwned>(&self, address: Url) -> Result<Answer<T>, Failure> {
        let parse = |received: &Received| {
            if received.status != 200 {
                return Err(format!("status {} instead of 200", received.status));
            }
            let link = text_of(&received.headers, "link").map(str::to_owned);
            serde_json::from_slice(&received.body).map(|body| Answer { body, link }).map_err(|error| error.to_string())
        };
        self.call(Call::new(Method::GET, address, Duration::MAX), parse).await
    }

    /// Changes something; only the status of the answer counts. Nothing is sent later than
    /// `until`, by the clock's elapsed time: waits may outlast what the change was decided on.
    pub(super) async fn change(&self, method: Method, address: Url, until: Duration) -> Result<Changed, Failure> {
        // anything but 204 is not GitHub's word for it: a proxy's page, for one
        let parse = |received: &Received| match received.status {
            204 => Ok(Changed),
            status => Err(format!("status {status} instead of 204")),
        };
        let result = self.call(Call::new(method, address, until), parse).await;
        if result.is_ok() {
            self.pacer.borrow_mut().succeeded();
        }
        result
    }

    async fn call<T>(&self, mut call: Call, parse: impl Fn(&Received) -> Result<T, String>) -> Result<T, Failure> {
        loop {
            self.admit(call.cost()).await.map_err(|kind| call.failure(kind, String::new(), None))?;
            if self.clock.elapsed() > call.until {
                self.pacer.borrow_mut().withdrawn(call.cost());
                return Err(call.failure(FailureKind::Stale, String::new(), None));
            }
            let attempt = self.attempt(call.method.clone(), call.address.clone()).await;
            self.pacer.borrow_mut().answered(call.cost(), self.clock.elapsed());
            self.an_answer.notify_waiters();
            let received = match attempt {
                Ok(received) => received,
                Err(message) => {
                    self.again(&mut call, FailureKind::Unreachable, message, None).await?;
                    continue;
                }
            };
            let status = received.status;
            let message = self.message_of(&received);
            let request_id = text_of(&received.headers, "x-github-request-id").map(|id| self.clean(id));
            match call.attempts.after_answer(self.seen(&received, &message), jitter()) {
                Next::Take => {}
                Next::Fault => {
                    self.again(&mut call, FailureKind::Status(status), message, request_id).await?;
                    continue;
                }
                Next::RepeatAfterLimit(wait) => {
                    self.pacer.borrow_mut().limited(wait, self.clock.elapsed());
                    if wait > self.max_wait {
                        return Err(call.failure(FailureKind::Limit(wait), message, request_id));
                    }
                    self.log.line(&format!("GitHub's rate limit: waiting {} s ({message})", wait.as_secs()));
                    self.wait(wait).await.map_err(|kind| call.failure(kind, message, request_id))?;
                    continue;
                }
                Next::GiveUpOnLimit => {
                    return Err(call.failure(FailureKind::Limit(Duration::ZERO), message, request_id));
                }
            }
            if text_of(&received.headers, "x-github-sso").is_some_and(|value| value.starts_with("partial-results")) {
                let message = "GitHub left out what single sign-on protects (x-github-sso: partial-results)";
                return Err(call.failure(FailureKind::Incomplete, message.to_owned(), request_id));
            }
            match status {
                200..=299 => match parse(&received) {
                    Ok(answer) => return Ok(answer),
                    Err(message) => self.again(&mut call, FailureKind::NotJson, message, request_id).await?,
                },
                301 | 302 | 307 | 308 if call.cost() == Cost::Read && call.redirects < MOST_REDIRECTS => {
                    let target = text_of(&received.headers, LOCATION.as_str()).and_then(|target| self.own(target));
                    let Some(target) = target else {
                        let message = "GitHub redirects to another host, where the token must not go".to_owned();
                        return Err(call.failure(FailureKind::Status(status), message, request_id));
                    };
                    call.redirects += 1;
                    call.address = target;
                }
                _ => return Err(call.failure(FailureKind::Status(status), message, request_id)),
            }
        }
    }

    /// Waits before the next attempt, or gives up with the failure that the last one was.
    async fn again(
        &self,
        call: &mut Call,
        kind: FailureKind,
        message: String,
        request_id: Option<String>,
    ) -> Result<(), Failure> {
        call.perhaps_done = call.cost() == Cost::Change;
        let Some(wait) = call.attempts.after_fault(jitter()) else {
            return Err(call.failure(kind, message, request_id));
        };
        let failure = call.failure(kind, message, request_id);
        let told = format!("{failure}; again in {:.0} s", wait.as_secs_f32());
        if wait >= NOTEWORTHY {
            self.log.line(&told)
        } else {
            self.log.debug(&told)
        }
        self.wait(wait).await.map_err(|kind| Failure { kind, ..failure })
    }

    /// Waits until the limits let one more request through, and until a flight is free.
    async fn admit(&self, cost: Cost) -> Result<(), FailureKind> {
        loop {
            if cost == Cost::Change && self.stop.is_asked() {
                return Err(FailureKind::Stopped);
            }
            let admission = self.pacer.borrow_mut().admit(cost, self.clock.elapsed());
            match admission {
                Admission::Go => return Ok(()),
                Admission::Wait(wait) => self.wait(wait).await?,
                Admission::WaitForAnswer => tokio::select! {
                    biased;
                    () = self.stop.asked() => return Err(FailureKind::Stopped),
                    () = self.an_answer.notified() => {}
                },
                Admission::WaitForReset(wait) if wait > self.max_wait => return Err(FailureKind::Limit(wait)),
                Admission::WaitForReset(wait) => {
                    if wait >= NOTEWORTHY {
                        let share = "the share of GitHub's hourly limit that this job may use is spent";
                        self.log.line(&format!("{share}: waiting {} s for the reset", wait.as_secs()));
                    }
                    self.wait(wait).await?;
                }
            }
        }
    }

    /// Waits, but no longer than until the run is asked to stop.
    async fn wait(&self, wait: Duration) -> Result<(), FailureKind> {
        tokio::select! {
            biased;
            () = self.stop.asked() => Err(FailureKind::Stopped),
            () = self.clock.sleep(wait) => Ok(()),
        }
    }

    async fn attempt(&self, method: Method, address: Url) -> Result<Received, String> {
        let _flight = self.flights.acquire().await.map_err(|error| error.to_string())?;
        let sent = self.client.request(method, address).send().await;
        let response = sent.map_err(|error| self.clean(&chain(&error.without_url())))?;
        self.observe(&response);
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = self.body(response).await?;
        Ok(Received { status, headers, body })
    }

    /// Reads a body up to [`MOST_BYTES`], and takes the token out should a server send it back.
    async fn body(&self, mut response: Response) -> Result<Vec<u8>, String> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| chain(&error.without_url()))? {
            if body.len() + chunk.len() > MOST_BYTES {
                return Err(format!("the answer is larger than {MOST_BYTES} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        let secret = self.token.expose_secret().as_bytes();
        if secret.len() >= SHORTEST_SECRET && body.windows(secret.len()).any(|window| window == secret) {
            return Ok(self.clean(&String::from_utf8_lossy(&body)).into_bytes());
        }
        Ok(body)
    }

    /// Takes in what every answer tells: the time, the token's scopes, the primary limit.
    fn observe(&self, response: &Response) {
        let headers = response.headers();
        let date = text_of(headers, DATE.as_str()).and_then(moment);
        if self.date.get().is_none() {
            self.date.set(date);
        }
        if let Some(scopes) = text_of(headers, "x-oauth-scopes").filter(|scopes| !scopes.trim().is_empty()) {
            *self.scopes.borrow_mut() = Some(scopes.to_owned());
        }
        let core = text_of(headers, "x-ratelimit-resource").is_none_or(|resource| resource == "core");
        if let (true, Some(limit), Some(remaining), Some(resets_in)) = (
            core,
            number_of(headers, "x-ratelimit-limit"),
            number_of(headers, "x-ratelimit-remaining"),
            self.resets_in(headers),
        ) {
            let resets_at = self.clock.elapsed().saturating_add(resets_in);
            self.pacer.borrow_mut().observe(Quota { limit, remaining, resets_at });
        }
    }

    /// How long until the primary limit resets, by GitHub's clock where it told the time.
    fn resets_in(&self, headers: &HeaderMap) -> Option<Duration> {
        let reset = Timestamp::from_second(number_of(headers, "x-ratelimit-reset")?.try_into().ok()?).ok()?;
        let now = text_of(headers, DATE.as_str()).and_then(moment).unwrap_or_else(|| self.clock.now());
        Some(reset.duration_since(now).max(SignedDuration::ZERO).unsigned_abs())
    }

    fn seen<'a>(&self, received: &'a Received, message: &'a str) -> Seen<'a> {
        Seen {
            status: received.status,
            retry_after: text_of(&received.headers, RETRY_AFTER.as_str()),
            remaining: number_of(&received.headers, "x-ratelimit-remaining"),
            resets_in: self.resets_in(&received.headers),
            message,
        }
    }

    /// GitHub's message; some error bodies are HTML or empty, and then the status has to do.
    fn message_of(&self, received: &Received) -> String {
        if received.status < 300 {
            return String::new();
        }
        let body: ErrorBody = serde_json::from_slice(&received.body).unwrap_or_default();
        if body.message.is_empty() { "(no message)".to_owned() } else { self.clean(&body.message) }
    }

    /// Text from elsewhere without the token, should a server send it back.
    fn clean(&self, text: &str) -> String {
        let secret = self.token.expose_secret();
        if secret.len() >= SHORTEST_SECRET { text.replace(secret, "***") } else { text.to_owned() }
    }

    /// The time of GitHub's first answer, by its header `date`.
    pub(super) fn date(&self) -> Option<Timestamp> {
        self.date.get()
    }

    /// What `x-oauth-scopes` told: only a personal access token (classic) has it.
    pub(super) fn scopes(&self) -> Option<String> {
        self.scopes.borrow().clone()
    }

    /// Requests left of the primary limit, where GitHub told.
    pub(super) fn quota_left(&self) -> Option<u64> {
        self.pacer.borrow().quota_left()
    }
}

fn text_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn number_of(headers: &HeaderMap, name: &str) -> Option<u64> {
    text_of(headers, name)?.trim().parse().ok()
}

/// A moment as HTTP writes it (RFC 9110, section 5.6.7).
fn moment(text: &str) -> Option<Timestamp> {
    rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

/// An error with its causes: the outermost alone says too little ("error sending request").
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// A random share between 0 and 1, so that many jobs do not come back at the same moment.
fn jitter() -> f32 {
    getrandom::u32().map_or(0.5, |random| random as f32 / u32::MAX as f32)
}
