//! One call to the API: paced, with the token, repeated as long as that makes sense, and read
//! with bounds.

use std::{
    cell::{Cell, RefCell},
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    rc::Rc,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use reqwest::{
    Method, Url,
    header::{ACCEPT, AUTHORIZATION, DATE, HeaderMap, HeaderName, HeaderValue, LOCATION},
};
use secrecy::ExposeSecret;
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    caller::Caller,
    clock::Clock,
    failure::{Failure, FailureKind},
    pace::{Bounds, Cost, Lane, Quota},
    retry::{Attempts, Meaning, Seen, jitter, meaning},
    tell::log::Log,
    transport::{NoAnswer, Received, Transport},
};

/// The version of the API that is spoken
/// (<https://docs.github.com/rest/about-the-rest-api/api-versions>).
const API_VERSION: &str = "2022-11-28";
/// The largest answer that is read; a page of 100 versions has some 100 kB.
const MOST_BYTES: usize = 32 * 1024 * 1024;
/// Redirects in a row that a read follows, on the API's own origin.
const MOST_REDIRECTS: u32 = 5;
/// So often in a row a token is refused (401) before it is taken to have expired: GitHub locks out
/// whoever goes on with bad credentials
/// (<https://docs.github.com/rest/authentication/authenticating-to-the-rest-api#failed-login-limit>).
const MOST_REFUSALS: u32 = 3;
/// A wait this long is worth a line in the log.
const NOTEWORTHY: Duration = Duration::from_secs(5);

/// What makes calls. One for the whole run.
pub(super) struct Http {
    transport: Transport,
    base: Url,
    concurrency: usize,
    lane: Lane,
    clock: Rc<dyn Clock>,
    log: Rc<Log>,
    date: Cell<Option<Timestamp>>,
    /// How often in a row the token was refused.
    refusals: Cell<u32>,
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
    /// Differs, in all likelihood, where the bodies do.
    pub(super) fingerprint: u64,
}

/// An error body; every field is optional in the API's description (`basic-error`).
#[derive(Debug, Default, Deserialize)]
struct ErrorBody {
    #[serde(default)]
    message: String,
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
    /// What the last attempt that brought no usable answer brought instead.
    last_fault: Option<String>,
}

impl Call {
    fn new(method: Method, address: Url, until: Duration) -> Self {
        let request = format!("{method} {}", address.path());
        Self {
            method,
            address,
            request,
            until,
            attempts: Attempts::default(),
            redirects: 0,
            perhaps_done: false,
            last_fault: None,
        }
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
    pub(super) fn new(base: Url, caller: &Caller) -> anyhow::Result<Self> {
        let Caller { token, pace, clock, log, .. } = caller;
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))?;
        authorization.set_sensitive(true);
        let headers = HeaderMap::from_iter([
            (AUTHORIZATION, authorization),
            (ACCEPT, HeaderValue::from_static("application/vnd.github+json")),
            (HeaderName::from_static("x-github-api-version"), HeaderValue::from_static(API_VERSION)),
        ]);
        let transport = Transport::new(&base, headers, MOST_BYTES, Rc::clone(clock))?;
        transport.keep_secret(token.clone());
        let bounds = Bounds {
            points_per_minute: pace.points_per_minute,
            concurrency: pace.concurrency,
            reserve_percent: pace.quota_reserve_percent,
        };
        Ok(Self {
            transport,
            base,
            concurrency: pace.concurrency,
            lane: Lane::new("GitHub's", bounds, caller),
            clock: Rc::clone(clock),
            log: Rc::clone(log),
            date: Cell::new(None),
            refusals: Cell::new(0),
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

    /// An address that an answer names, in full.
    pub(super) fn resolve(&self, address: &str) -> Option<Url> {
        self.base.join(address).ok()
    }

    /// The address, if it is on the API's own origin (RFC 6454: scheme, host and port).
    pub(super) fn own(&self, address: &str) -> Option<Url> {
        self.resolve(address).filter(|address| address.origin() == self.base.origin())
    }

    /// Reads JSON.
    pub(super) async fn read<T: DeserializeOwned>(&self, address: Url) -> Result<Answer<T>, Failure> {
        let parse = |received: &Received| {
            if received.status != 200 {
                return Err(format!("status {} instead of 200", received.status));
            }
            let link = received.header("link").map(str::to_owned);
            let body = received.body.as_deref().map_err(Clone::clone)?;
            let fingerprint = BuildHasherDefault::<DefaultHasher>::default().hash_one(body);
            let body = serde_json::from_slice(body).map_err(|error| error.to_string())?;
            Ok(Answer { body, link, fingerprint })
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
        self.call(Call::new(method, address, until), parse).await
    }

    async fn call<T>(&self, mut call: Call, parse: impl Fn(&Received) -> Result<T, String>) -> Result<T, Failure> {
        loop {
            if self.refusals.get() >= MOST_REFUSALS {
                let message = format!("not sent, since the token was refused {MOST_REFUSALS} times in a row");
                return Err(call.failure(FailureKind::Status(401), message, None));
            }
            let flight = self.lane.admit(call.cost()).await;
            let flight = flight.map_err(|kind| call.failure(kind, String::new(), None))?;
            if self.clock.elapsed() > call.until {
                flight.withdraw();
                let last = call.last_fault.take().unwrap_or_default();
                return Err(call.failure(FailureKind::Stale, last, None));
            }
            let request = self.transport.request(call.method.clone(), call.address.clone());
            let attempt = self.transport.exchange(request).await;
            let received = match attempt {
                Ok(received) => {
                    self.observe(&received);
                    let body = received.body.map(|body| self.transport.clean_body(body));
                    Received { body, ..received }
                }
                Err(NoAnswer { message, untrusted: true }) => {
                    return Err(call.failure(FailureKind::Untrusted, message, None));
                }
                Err(NoAnswer { message, .. }) => {
                    drop(flight);
                    let message = format!("{}: {message}", self.base.authority());
                    self.again(&mut call, FailureKind::Unreachable, message, None).await?;
                    continue;
                }
            };
            if let Err(message) = &received.body {
                drop(flight);
                self.again(&mut call, FailureKind::Unreachable, message.clone(), None).await?;
                continue;
            }
            let status = received.status;
            let message = self.message_of(&received);
            let request_id = received.header("x-github-request-id").map(|id| self.transport.clean(id));
            match meaning(self.seen(&received, &message)) {
                Meaning::Answer => flight.was_let_through(),
                Meaning::Fault => {
                    drop(flight);
                    self.again(&mut call, FailureKind::Status(status), message, request_id).await?;
                    continue;
                }
                Meaning::Limit(asked) => {
                    // a header has whole seconds, and none would be no wait at all
                    let asked = asked.map(|asked| asked.max(Duration::from_secs(1)));
                    let waiting = flight.was_limited(asked, &message);
                    waiting.map_err(|kind| call.failure(kind, message, request_id))?;
                    continue;
                }
            }
            self.refusals.set(if status == 401 { self.refusals.get() + 1 } else { 0 });
            if received.header("x-github-sso").is_some_and(|value| value.starts_with("partial-results")) {
                let message = "GitHub left out what single sign-on protects (x-github-sso: partial-results)";
                return Err(call.failure(FailureKind::Incomplete, message.to_owned(), request_id));
            }
            match status {
                200..=299 => match parse(&received) {
                    Ok(answer) => return Ok(answer),
                    Err(message) => self.again(&mut call, FailureKind::NotJson, message, request_id).await?,
                },
                301 | 302 | 307 | 308 if call.cost() == Cost::Read && call.redirects < MOST_REDIRECTS => {
                    let target = received.header(LOCATION.as_str()).and_then(|target| self.own(target));
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
        call.last_fault = Some(message.clone());
        let failure = call.failure(kind, message, request_id);
        let told = format!("{failure}; again in {:.0} s", wait.as_secs_f32());
        if wait >= NOTEWORTHY {
            self.log.line(&told)
        } else {
            self.log.debug(&told)
        }
        self.lane.wait(wait).await.map_err(|kind| Failure { kind, ..failure })
    }

    /// Takes in what every answer tells: the time, the token's scopes, the primary limit.
    fn observe(&self, received: &Received) {
        let date = received.moment(DATE.as_str());
        if self.date.get().is_none() {
            self.date.set(date);
        }
        if let Some(scopes) = received.header("x-oauth-scopes").filter(|scopes| !scopes.trim().is_empty()) {
            *self.scopes.borrow_mut() = Some(scopes.to_owned());
        }
        let core = received.header("x-ratelimit-resource").is_none_or(|resource| resource == "core");
        if let (true, Some(limit), Some(remaining), Some(reset), Some(resets_in)) = (
            core,
            received.number("x-ratelimit-limit"),
            received.number("x-ratelimit-remaining"),
            received.number("x-ratelimit-reset"),
            self.resets_in(received),
        ) {
            let resets_at = self.clock.elapsed().saturating_add(resets_in);
            self.lane.observe(Quota { limit, remaining, resets_at, reset });
        }
    }

    /// How long until the primary limit resets, by GitHub's clock where it told the time.
    fn resets_in(&self, received: &Received) -> Option<Duration> {
        let reset = Timestamp::from_second(received.number("x-ratelimit-reset")?.try_into().ok()?).ok()?;
        Some(reset.duration_since(self.transport.time_of(received)).max(SignedDuration::ZERO).unsigned_abs())
    }

    fn seen<'a>(&self, received: &Received, message: &'a str) -> Seen<'a> {
        Seen {
            status: received.status,
            retry_after: self.transport.asked_wait(received),
            remaining: received.number("x-ratelimit-remaining"),
            resets_in: self.resets_in(received),
            message,
        }
    }

    /// GitHub's message; some error bodies are HTML or empty, and then the status has to do.
    fn message_of(&self, received: &Received) -> String {
        if received.status < 300 {
            return String::new();
        }
        let body = received.body.as_deref().unwrap_or_default();
        let body: ErrorBody = serde_json::from_slice(body).unwrap_or_default();
        if body.message.is_empty() { "(no message)".to_owned() } else { self.transport.clean(&body.message) }
    }

    /// The time of GitHub's first answer, by its header `date`.
    pub(super) fn date(&self) -> Option<Timestamp> {
        self.date.get()
    }

    /// What `x-oauth-scopes` told: only a personal access token (classic) has it.
    pub(super) fn scopes(&self) -> Option<String> {
        self.scopes.borrow().clone()
    }

    /// Requests in flight, at most.
    pub(super) fn concurrency(&self) -> usize {
        self.concurrency
    }

    /// What the calls' pace depends on.
    pub(super) fn lane(&self) -> &Lane {
        &self.lane
    }
}
