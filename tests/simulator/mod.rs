//! A make-believe GitHub over real HTTP on loopback, for the tests and the demo.
//!
//! It behaves like GitHub's Packages API, errors included, and not like our client: it knows
//! nothing of the library. `tests/simulator_conformity.rs` holds its answers against GitHub's own
//! OpenAPI description and against error bodies seen in public.
#![allow(dead_code, unused_imports, unreachable_pub, missing_docs, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a fault in here is a fault of the tests")]

use std::{
    sync::{Arc, Mutex, MutexGuard},
    thread,
};

use axum::{
    Router,
    body::Body,
    extract::{Request as HttpRequest, State},
    http::Response,
};
use tokio::sync::oneshot;

mod answers;
mod faults;
mod images;
mod packages_api;
mod paging;
mod registry;
mod state;

pub use answers::Answer;
pub use faults::{Effect, Fault};
pub use images::{Manifest, digest_of, images, real_images};
pub use state::{GitHub, Package, Paging, Token, Version};

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// The path, still escaped.
    pub path: String,
    pub query: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// The value of a query parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    pub fn is_change(&self) -> bool {
        self.method != "GET"
    }

    /// `METHOD /path`, for assertions.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

#[derive(Clone)]
struct World {
    github: Arc<Mutex<GitHub>>,
    requests: Arc<Mutex<Vec<Request>>>,
}

/// The running server. It stops when dropped, whatever is still in flight.
pub struct Simulator {
    url: String,
    world: World,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Simulator {
    /// Serves a GitHub on a free port of 127.0.0.1.
    pub fn start(mut github: GitHub) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
        listener.set_nonblocking(true).expect("a listener");
        let url = format!("http://{}{}", listener.local_addr().expect("an address"), github.prefix);
        github.url.clone_from(&url);
        let world = World { github: Arc::new(Mutex::new(github)), requests: Arc::default() };
        let (stop, stopped) = oneshot::channel();
        let served = world.clone();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                let router = Router::new().fallback(answer).with_state(served);
                tokio::select! {
                    result = async { axum::serve(listener, router).await } => result.expect("the simulator serves"),
                    _ = stopped => {}
                }
            });
            // what hangs on purpose must not keep the thread
            runtime.shutdown_background();
        });
        Self { url, world, stop: Some(stop), thread: Some(thread) }
    }

    /// The base of the API.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The state, to look at or to change in the middle.
    pub fn github(&self) -> MutexGuard<'_, GitHub> {
        self.world.github.lock().expect("the state")
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Request> {
        self.world.requests.lock().expect("the requests").clone()
    }

    /// How often each manifest was given out, by digest.
    pub fn pulls(&self) -> std::collections::BTreeMap<String, u32> {
        self.github().pulls.clone()
    }

    /// The base of the container registry.
    pub fn registry_url(&self) -> String {
        let (scheme, rest) = self.url.split_once("://").expect("an address");
        format!("{scheme}://{}", rest.split('/').next().expect("a host"))
    }

    /// Every request that is no GET, as `METHOD /path`.
    pub fn changes(&self) -> Vec<String> {
        self.requests().iter().filter(|request| request.is_change()).map(Request::line).collect()
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn answer(State(world): State<World>, request: HttpRequest) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let headers = parts.headers.iter();
    let headers =
        headers.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let request = Request {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: headers.collect(),
        body: axum::body::to_bytes(body, 32 * 1024 * 1024).await.expect("a body").to_vec(),
    };
    world.requests.lock().expect("the requests").push(request.clone());
    let response = {
        let mut github = world.github.lock().expect("the state");
        faults::answer(&mut github, &request)
    };
    match response {
        Some(response) => response,
        None => std::future::pending().await,
    }
}
