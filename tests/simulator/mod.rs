//! A make-believe GitHub over real HTTP on loopback, for the tests and the demo.
//!
//! It behaves like GitHub's Packages API, errors included, and not like our client: it knows
//! nothing of the library. `tests/simulator_conformity.rs` holds its answers against GitHub's own
//! OpenAPI description and against error bodies seen in public.
#![allow(dead_code, unused_imports, unreachable_pub, missing_docs, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a fault in here is a fault of the tests")]

use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use http_body_util::{BodyExt, combinators::BoxBody};
use hyper::{Response, body::Bytes, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
};

mod accounts;
mod answers;
mod faults;
mod images;
mod packages_api;
mod paging;
mod registry;
mod state;

pub use accounts::Token;
pub use answers::Answer;
pub use faults::{Effect, Fault};
pub use images::{Manifest, attested_images, digest_of, images, real_images};
pub use state::{GitHub, Limits, Package, Paging, Version};

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
    in_flight: Arc<AtomicUsize>,
    most_in_flight: Arc<AtomicUsize>,
    /// How many requests were left without an answer.
    hangs: Arc<watch::Sender<usize>>,
}

/// What goes over the wire instead of, or as, an answer.
enum Wire {
    Answer(Response<Body>),
    /// The connection stays open, and nothing comes.
    Nothing,
    /// The connection ends without an answer.
    Reset,
}

type Body = BoxBody<Bytes, io::Error>;

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
        let world = World {
            github: Arc::new(Mutex::new(github)),
            requests: Arc::default(),
            in_flight: Arc::default(),
            most_in_flight: Arc::default(),
            hangs: Arc::default(),
        };
        let (stop, stopped) = oneshot::channel();
        let served = world.clone();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, served) => {}
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

    /// How many requests were left without an answer, as it grows.
    pub fn hangs(&self) -> watch::Receiver<usize> {
        self.world.hangs.subscribe()
    }

    /// The most requests that were in flight at one moment.
    pub fn most_in_flight(&self) -> usize {
        self.world.most_in_flight.load(Ordering::SeqCst)
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

async fn serve(listener: std::net::TcpListener, world: World) {
    let listener = TcpListener::from_std(listener).expect("a listener");
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        let _ = stream.set_nodelay(true);
        let world = world.clone();
        let service = service_fn(move |request| answer(world.clone(), request));
        tokio::spawn(async move {
            // a client that goes away is no concern of the server's
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// Counts a request for as long as it is under way.
struct Flight(Arc<AtomicUsize>);

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn answer(world: World, request: hyper::Request<hyper::body::Incoming>) -> io::Result<Response<Body>> {
    let in_flight = world.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
    let _flight = Flight(Arc::clone(&world.in_flight));
    world.most_in_flight.fetch_max(in_flight, Ordering::SeqCst);
    let (parts, body) = request.into_parts();
    let headers = parts.headers.iter();
    let headers =
        headers.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let request = Request {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: headers.collect(),
        body: body.collect().await.map_err(io::Error::other)?.to_bytes().to_vec(),
    };
    world.requests.lock().expect("the requests").push(request.clone());
    let (wire, latency) = {
        let mut github = world.github.lock().expect("the state");
        github.in_flight = in_flight;
        (faults::answer(&mut github, &request), github.latency_of(&request))
    };
    if !latency.is_zero() {
        wait(latency).await;
    }
    match wire {
        Wire::Answer(response) => Ok(response),
        Wire::Nothing => {
            world.hangs.send_modify(|hangs| *hangs += 1);
            std::future::pending().await
        }
        Wire::Reset => Err(io::ErrorKind::ConnectionReset.into()),
    }
}

#[expect(clippy::disallowed_methods, reason = "the distance to a server is real time, for benchmarks alone")]
async fn wait(latency: Duration) {
    tokio::time::sleep(latency).await;
}
