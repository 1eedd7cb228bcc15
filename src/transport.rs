//! One exchange over HTTP: no redirect followed, read with a bound, and told without secrets.

use std::{cell::RefCell, future::Future, rc::Rc, time::Duration};

use jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use reqwest::{
    Client, Method, RequestBuilder, Response, Url,
    header::{DATE, HeaderMap, RETRY_AFTER},
};
use secrecy::{ExposeSecret, SecretString};

use crate::clock::Clock;

/// A secret shorter than this is none of GitHub's, and could occur in any text by chance.
const SHORTEST_SECRET: usize = 8;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long nothing may come of an answer that is under way.
const SILENCE: Duration = Duration::from_secs(20);
/// How long an exchange may take in all.
const TOTAL: Duration = Duration::from_secs(60);

/// What speaks with one server.
pub(crate) struct Transport {
    client: Client,
    most_bytes: usize,
    secrets: RefCell<Vec<SecretString>>,
    clock: Rc<dyn Clock>,
}

/// An answer.
pub(crate) struct Received {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// The body, or why there is no whole one.
    pub(crate) body: Result<Vec<u8>, String>,
}

impl Received {
    /// A header, if it is there and is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A header that is a whole number.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.header(name)?.trim().parse().ok()
    }

    /// A header that is a moment (RFC 9110, section 5.6.7).
    pub(crate) fn moment(&self, name: &str) -> Option<Timestamp> {
        rfc2822::DateTimeParser::new().parse_timestamp(self.header(name)?).ok()
    }
}

impl Transport {
    /// What speaks with the server of `base`; `headers` go with every request, and bodies are read up to
    /// `most_bytes`.
    ///
    /// # Errors
    ///
    /// When no TLS set-up can be made: a container without CA certificates, for one.
    pub(crate) fn new(base: &Url, headers: HeaderMap, most_bytes: usize, clock: Rc<dyn Clock>) -> anyhow::Result<Self> {
        // one provider for the process; a second client finds it in place, which is fine
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder();
        if base.scheme() == "http" {
            // plain http is for this machine alone: a proxy is another, and certificates are none of its business
            builder = builder.no_proxy().tls_certs_only([]);
        }
        let client = builder
            .user_agent(concat!("tidy-packages/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            // a redirect could carry the token elsewhere; those that are safe are followed by hand
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .build()?;
        Ok(Self { client, most_bytes, secrets: RefCell::default(), clock })
    }

    /// Takes this out of every text that is told from now on.
    pub(crate) fn keep_secret(&self, secret: SecretString) {
        if secret.expose_secret().len() >= SHORTEST_SECRET {
            self.secrets.borrow_mut().push(secret);
        }
    }

    /// A request that is yet to be sent.
    pub(crate) fn request(&self, method: Method, address: Url) -> RequestBuilder {
        self.client.request(method, address)
    }

    /// Sends a request, and reads the whole answer. It never waits for ever.
    ///
    /// # Errors
    ///
    /// Why there was none, with the causes: the outermost alone says too little ("error sending
    /// request").
    pub(crate) async fn exchange(&self, request: RequestBuilder) -> Result<Received, NoAnswer> {
        let exchange = async {
            let response = self.within(SILENCE, request.send()).await??;
            let status = response.status().as_u16();
            let headers = response.headers().clone();
            let body = self.body(response).await.map_err(Error::told);
            Ok(Received { status, headers, body })
        };
        let exchanged = self.within(TOTAL, exchange).await.and_then(|exchanged| exchanged);
        exchanged.map_err(|error: Error| {
            let untrusted = error.is_about_trust();
            NoAnswer { message: self.clean(&error.told()), untrusted }
        })
    }

    /// Waits for something, but not for longer than this.
    async fn within<T>(&self, most: Duration, future: impl Future<Output = T>) -> Result<T, Error> {
        tokio::select! {
            biased;
            done = future => Ok(done),
            () = self.clock.patience(most) => Err(Error::Slow(most)),
        }
    }

    /// Reads a body up to the bound.
    async fn body(&self, mut response: Response) -> Result<Vec<u8>, Error> {
        let mut body = Vec::new();
        while let Some(chunk) = self.within(SILENCE, response.chunk()).await?? {
            if body.len() + chunk.len() > self.most_bytes {
                return Err(Error::Large(self.most_bytes));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// What time it is by the server's clock, or by the own one where an answer has no time.
    pub(crate) fn time_of(&self, received: &Received) -> Timestamp {
        received.moment(DATE.as_str()).unwrap_or_else(|| self.clock.now())
    }

    /// How long an answer asks to wait: so many seconds, or until a moment (RFC 9110, section 10.2.3).
    pub(crate) fn asked_wait(&self, received: &Received) -> Option<Duration> {
        let seconds = received.number(RETRY_AFTER.as_str()).map(Duration::from_secs);
        seconds.or_else(|| {
            let until = received.moment(RETRY_AFTER.as_str())?;
            Some(until.duration_since(self.time_of(received)).max(SignedDuration::ZERO).unsigned_abs())
        })
    }

    /// A body without secrets, should a server send one back in the midst of what is told later.
    pub(crate) fn clean_body(&self, body: Vec<u8>) -> Vec<u8> {
        let holds = |secret: &SecretString| {
            let secret = secret.expose_secret().as_bytes();
            body.windows(secret.len()).any(|window| window == secret)
        };
        if self.secrets.borrow().iter().any(holds) {
            return self.clean(&String::from_utf8_lossy(&body)).into_bytes();
        }
        body
    }

    /// Text from elsewhere without secrets, should a server send one back.
    pub(crate) fn clean(&self, text: &str) -> String {
        let secrets = self.secrets.borrow();
        secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.expose_secret(), "***"))
    }
}

/// A request that brought no answer.
pub(crate) struct NoAnswer {
    /// Why, with the causes.
    pub(crate) message: String,
    /// Whether the server's certificate is not to be trusted: asking again would not change that.
    pub(crate) untrusted: bool,
}

/// Why there is no whole answer.
enum Error {
    Slow(Duration),
    Large(usize),
    Broken(reqwest::Error),
}

impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Self {
        Self::Broken(error.without_url())
    }
}

impl Error {
    fn told(self) -> String {
        match self {
            Self::Slow(most) => format!("nothing came within {} s", most.as_secs()),
            Self::Large(most) => format!("the answer is larger than {most} bytes"),
            Self::Broken(error) => chain(&error),
        }
    }

    fn is_about_trust(&self) -> bool {
        let Self::Broken(error) = self else { return false };
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(error) = cause {
            // an I/O error that wraps another one does not name it as its source
            let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
            let of_tls = wrapped.and_then(|error| error.downcast_ref::<rustls::Error>());
            if matches!(of_tls, Some(rustls::Error::InvalidCertificate(_))) {
                return true;
            }
            cause = error.source();
        }
        false
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
