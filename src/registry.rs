//! The container registry: reads manifests, and pushes one where a tag has to be taken off.
//!
//! See the OCI distribution specification (<https://github.com/opencontainers/distribution-spec>).
//! `ghcr.io` has no referrers endpoint and deletes nothing; both are done by other means.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use reqwest::{
    Method, Url,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE},
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::{Mutex, OnceCell};

use crate::{
    caller::Caller,
    failure::{Failure, FailureKind},
    manifest::{ACCEPTED, Manifest, digest_of},
    pace::{Bounds, Cost, Lane},
    retry::{Attempts, Meaning, Seen, jitter, meaning},
    tell::log::Log,
    transport::{NoAnswer, Received, Transport},
};

mod challenge;
mod reading;
mod tags;
mod wait;

use challenge::Challenge;
pub use reading::Unreadable;
pub(crate) use reading::repository;
use wait::named_wait;

/// The largest manifest that is read. The specification asks registries to take at least 4 MiB
/// (distribution specification, "Pushing Manifests").
const MOST_BYTES: usize = 8 * 1024 * 1024;
/// Tokens that one request may ask for anew: they expire without telling when.
const MOST_RENEWALS: u32 = 2;
/// Any user name will do beside a token of GitHub's.
const USER: &str = "tidy-packages";

/// The container registry of one server.
pub struct Registry {
    transport: Transport,
    base: Url,
    /// The API: the only other server that may ask for the token.
    api: Url,
    token: SecretString,
    lane: Lane,
    concurrency: usize,
    challenge: OnceCell<Option<Challenge>>,
    accesses: RefCell<HashMap<String, Rc<Mutex<Access>>>>,
    /// Whether every manifest is read, and what it says of sizes kept.
    is_for_inventory: bool,
    log: Rc<Log>,
}

/// What opens a repository of the registry.
#[derive(Default)]
struct Access {
    bearer: Option<HeaderValue>,
    /// How many tokens there were: a refusal of an older one asks for no new one.
    generation: u32,
}

/// What the token server answers; the specification has both names.
#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
}

/// Error bodies of registries (distribution specification, "Error Codes").
#[derive(Default, Deserialize)]
struct ErrorBody {
    #[serde(default)]
    errors: Vec<ErrorItem>,
    /// What stands there when it is GitHub that answers, and not its registry.
    #[serde(default)]
    message: String,
}

#[derive(Default, Deserialize)]
struct ErrorItem {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// A call on its way through its attempts.
struct Call {
    method: Method,
    address: Url,
    request: String,
    body: Option<(String, Vec<u8>)>,
    attempts: Attempts,
    /// Whether it was sent, changes something, and brought no answer that says whether it did.
    perhaps_done: bool,
}

impl Call {
    fn new(method: Method, address: Url, body: Option<(String, Vec<u8>)>) -> Self {
        let request = format!("{method} {}{}", address.host_str().unwrap_or_default(), address.path());
        Self { method, address, request, body, attempts: Attempts::default(), perhaps_done: false }
    }

    fn failure(&self, kind: FailureKind, message: String) -> Failure {
        let Self { request, perhaps_done, .. } = self;
        Failure { kind, request: request.clone(), message, request_id: None, perhaps_done: *perhaps_done }
    }
}

impl Registry {
    /// A client; nothing is sent yet.
    ///
    /// # Errors
    ///
    /// When no TLS set-up can be made: a container without CA certificates, for one.
    pub fn new(base: Url, api: Url, caller: &Caller) -> anyhow::Result<Self> {
        let Caller { token, pace, clock, log, .. } = caller;
        let transport = Transport::new(&base, HeaderMap::new(), MOST_BYTES, Rc::clone(clock))?;
        transport.keep_secret(token.clone());
        let bounds = Bounds { points_per_minute: None, concurrency: pace.concurrency, reserve_percent: 0 };
        Ok(Self {
            transport,
            base,
            api,
            token: token.clone(),
            lane: Lane::new("the registry's", bounds, caller),
            concurrency: pace.concurrency,
            challenge: OnceCell::new(),
            accesses: RefCell::default(),
            is_for_inventory: false,
            log: Rc::clone(log),
        })
    }

    /// Reads every manifest from now on, also those that a decision does not depend on, and keeps what
    /// they say of sizes.
    pub fn for_inventory(self) -> Self {
        Self { is_for_inventory: true, ..self }
    }

    /// Reads the manifest of a digest; `None` if the registry says there is none. `repository` is
    /// `owner/name`, in lower case.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or its bytes are not those of the digest, each time it was tried.
    pub async fn manifest(&self, repository: &str, digest: &str) -> Result<Option<Manifest>, Failure> {
        let address = self.address(&format!("v2/{repository}/manifests/{digest}"));
        let parse = |received: &Received, body: &[u8]| match received.status {
            200 => {
                let came = digest_of(body);
                if came != digest {
                    return Err(format!("the bytes that came are those of {came}"));
                }
                let mut manifest = Manifest::parse(received.header(CONTENT_TYPE.as_str()), body)?;
                if !self.is_for_inventory {
                    manifest.blobs = Box::default();
                }
                Ok(Some(manifest))
            }
            404 if says(body, "MANIFEST_UNKNOWN") => Ok(None),
            status => Err(format!("status {status}")),
        };
        self.call(repository, "pull", Call::new(Method::GET, address, None), parse).await
    }

    /// Pushes a manifest under a tag, which leaves the manifest it was on.
    ///
    /// # Errors
    ///
    /// When the registry does not take it: most often the token may not write the package.
    pub async fn push(&self, repository: &str, tag: &str, media_type: &str, bytes: Vec<u8>) -> Result<(), Failure> {
        let address = self.address(&format!("v2/{repository}/manifests/{tag}"));
        let parse = |received: &Received, _: &[u8]| match received.status {
            201 => Ok(()),
            status => Err(format!("status {status} instead of 201")),
        };
        self.call(repository, "pull,push", Call::new(Method::PUT, address, Some((media_type.to_owned(), bytes))), parse)
            .await
    }

    fn address(&self, path: &str) -> Url {
        let mut address = self.base.clone();
        address.set_path(&format!("{}/{path}", self.base.path().trim_end_matches('/')));
        address
    }

    async fn call<T>(
        &self,
        repository: &str,
        actions: &str,
        mut call: Call,
        parse: impl Fn(&Received, &[u8]) -> Result<T, String>,
    ) -> Result<T, Failure> {
        let scope = format!("repository:{repository}:{actions}");
        let access = Rc::clone(self.accesses.borrow_mut().entry(scope.clone()).or_default());
        let mut renewals = 0;
        loop {
            let (bearer, generation) = self.bearer(&access, &scope).await?;
            let received = self.attempt(&mut call, bearer).await?;
            let body = received.body.as_deref().unwrap_or_default();
            match received.status {
                401 if renewals < MOST_RENEWALS => {
                    renewals += 1;
                    let challenge = received.header(WWW_AUTHENTICATE.as_str()).and_then(challenge::read);
                    let Some(challenge) = challenge else {
                        return Err(call.failure(FailureKind::Status(401), self.message(&received)));
                    };
                    let mut access = access.lock().await;
                    if access.generation == generation {
                        self.renew(&mut access, &challenge, &scope).await?;
                    }
                }
                404 if says(body, "MANIFEST_UNKNOWN") => {
                    return parse(&received, body).map_err(|_| self.refusal(&call, &received));
                }
                200..=299 => match parse(&received, body) {
                    Ok(answer) => return Ok(answer),
                    Err(message) => self.again(&mut call, FailureKind::NotJson, message).await?,
                },
                _ => return Err(self.refusal(&call, &received)),
            }
        }
    }

    fn refusal(&self, call: &Call, received: &Received) -> Failure {
        call.failure(FailureKind::Status(received.status), self.message(received))
    }

    /// What opens the repository; the first call asks the registry whom it sends for a token.
    async fn bearer(&self, access: &Mutex<Access>, scope: &str) -> Result<(Option<HeaderValue>, u32), Failure> {
        let mut access = access.lock().await;
        if access.generation == 0 && access.bearer.is_none() {
            let challenge = self.challenge.get_or_try_init(|| self.greet()).await?;
            if let Some(challenge) = challenge {
                self.renew(&mut access, challenge, scope).await?;
            }
        }
        Ok((access.bearer.clone(), access.generation))
    }

    /// Asks the registry's front door, with nothing in hand, whom it sends for a token: asking
    /// for a manifest instead could count as a download.
    async fn greet(&self) -> Result<Option<Challenge>, Failure> {
        let mut call = Call::new(Method::GET, self.address("v2/"), None);
        let received = self.attempt(&mut call, None).await?;
        let header = received.header(WWW_AUTHENTICATE.as_str()).filter(|_| received.status == 401);
        Ok(header.and_then(challenge::read))
    }

    /// Gets a token for the scope, where the challenge says; the own token goes there only if it
    /// is the registry's own server, or the API's.
    async fn renew(&self, access: &mut Access, challenge: &Challenge, scope: &str) -> Result<(), Failure> {
        let realm = self.base.join(&challenge.realm).ok();
        let is_own = |realm: &Url| realm.origin() == self.base.origin() || realm.origin() == self.api.origin();
        let Some(mut realm) = realm.filter(is_own) else {
            let call = Call::new(Method::GET, self.address("v2/"), None);
            let named = self.transport.clean(&challenge.realm);
            let message = format!(
                "the registry sends for a token to {named}, which is neither its own server nor the API's: the token \
                 does not go there"
            );
            return Err(call.failure(FailureKind::Status(401), message));
        };
        if let Some(service) = &challenge.service {
            realm.query_pairs_mut().append_pair("service", service);
        }
        realm.query_pairs_mut().append_pair("scope", scope);
        let mut call = Call::new(Method::GET, realm, None);
        loop {
            let received =
                self.attempt_with(&mut call, |request| request.basic_auth(USER, Some(self.token.expose_secret())));
            let received = received.await?;
            if received.status != 200 {
                return Err(self.refusal(&call, &received));
            }
            let body = received.body.as_deref().unwrap_or_default();
            let answer = serde_json::from_slice::<TokenAnswer>(body).map_err(|error| error.to_string());
            let header = answer.and_then(|answer| {
                let token = answer.token.or(answer.access_token).ok_or("there is no token in it")?;
                let header = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|error| error.to_string())?;
                Ok((SecretString::from(token), header))
            });
            match header {
                Ok((token, mut header)) => {
                    header.set_sensitive(true);
                    self.log.mask(token.expose_secret());
                    self.transport.keep_secret(token);
                    access.bearer = Some(header);
                    access.generation += 1;
                    return Ok(());
                }
                Err(message) => self.again(&mut call, FailureKind::NotJson, message).await?,
            }
        }
    }

    async fn attempt(&self, call: &mut Call, bearer: Option<HeaderValue>) -> Result<Received, Failure> {
        self.attempt_with(call, |request| {
            let request = request.header(ACCEPT, ACCEPTED);
            match &bearer {
                Some(bearer) => request.header(AUTHORIZATION, bearer.clone()),
                None => request,
            }
        })
        .await
    }

    /// Sends a call until there is an answer that is neither a fault nor a rate limit.
    async fn attempt_with(
        &self,
        call: &mut Call,
        complete: impl Fn(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
    ) -> Result<Received, Failure> {
        loop {
            let cost = if call.method == Method::GET { Cost::Read } else { Cost::Change };
            let flight = self.lane.admit(cost).await.map_err(|kind| call.failure(kind, String::new()))?;
            let mut request = complete(self.transport.request(call.method.clone(), call.address.clone()));
            if let Some((media_type, bytes)) = &call.body {
                request = request.header(CONTENT_TYPE, media_type).body(bytes.clone());
            }
            let received = match self.transport.exchange(request).await {
                Ok(received) => received,
                Err(NoAnswer { message, untrusted: true }) => {
                    return Err(call.failure(FailureKind::Untrusted, message));
                }
                Err(NoAnswer { message, .. }) => {
                    drop(flight);
                    self.again(call, FailureKind::Unreachable, message).await?;
                    continue;
                }
            };
            if let Err(message) = &received.body {
                drop(flight);
                self.again(call, FailureKind::Unreachable, message.clone()).await?;
                continue;
            }
            let message = self.message(&received);
            let header = self.transport.asked_wait(&received);
            let seen = Seen {
                status: received.status,
                retry_after: header.or_else(|| named_wait(&message)),
                remaining: None,
                resets_in: None,
                message: &message,
            };
            match meaning(seen) {
                Meaning::Answer => {
                    flight.was_let_through();
                    return Ok(received);
                }
                Meaning::Fault => {
                    drop(flight);
                    self.again(call, FailureKind::Status(received.status), message).await?;
                }
                Meaning::Limit(asked) => {
                    flight.was_limited(asked, &message).map_err(|kind| call.failure(kind, message))?;
                }
            }
        }
    }

    /// Waits before the next attempt, or gives up with the failure that the last one was.
    async fn again(&self, call: &mut Call, kind: FailureKind, message: String) -> Result<(), Failure> {
        call.perhaps_done = call.body.is_some();
        let failure = call.failure(kind, message);
        let Some(wait) = call.attempts.after_fault(jitter()) else { return Err(failure) };
        self.log.debug(&format!("{failure}; again in {:.0} s", wait.as_secs_f32()));
        self.lane.wait(wait).await.map_err(|kind| Failure { kind, ..failure })
    }

    /// What the calls' pace depends on.
    pub(crate) fn lane(&self) -> &Lane {
        &self.lane
    }

    /// The registry's own words.
    fn message(&self, received: &Received) -> String {
        if received.status < 300 {
            return String::new();
        }
        let body: ErrorBody = serde_json::from_slice(received.body.as_deref().unwrap_or_default()).unwrap_or_default();
        let of_registry = body.errors.iter().map(|error| format!("{} {}", error.code, error.message));
        let words: Vec<_> = of_registry.chain(Some(body.message).filter(|message| !message.is_empty())).collect();
        match words.is_empty() {
            true => "(no message)".to_owned(),
            false => self.transport.clean(words.join(", ").trim()),
        }
    }
}

/// Whether an error body has this code.
fn says(body: &[u8], code: &str) -> bool {
    let body: ErrorBody = serde_json::from_slice(body).unwrap_or_default();
    body.errors.iter().any(|error| error.code == code)
}
