//! GitHub's API and registry, called as anybody would, without the product's own clients.

use std::time::{Duration, Instant};

use base64::{Engine, prelude::BASE64_STANDARD};
use reqwest::{Client, Method, Url};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::{runner::Step, simulator::Manifest};

pub const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub struct Service {
    runtime: Runtime,
    client: Client,
    api: String,
    registry: String,
    /// How long a change may take to be seen everywhere.
    patience: Duration,
    token: String,
    pub owner: String,
    pub package: String,
    /// `orgs/OWNER` or `users/OWNER`.
    base: String,
    registry_token: String,
}

pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }

    /// Status and message, as a table shows them.
    pub fn told(&self) -> String {
        format!("{} {}", self.status, self.message()).trim().to_owned()
    }
}

impl Service {
    /// A service at these addresses.
    pub fn new(api: &str, registry: &str, patience: Duration) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().user_agent("tidy-packages-live").redirect(reqwest::redirect::Policy::none());
        Self {
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
            client: client.build().unwrap(),
            api: api.trim_end_matches('/').to_owned(),
            registry: registry.trim_end_matches('/').to_owned(),
            patience,
            token: String::new(),
            owner: String::new(),
            package: String::new(),
            base: String::new(),
            registry_token: String::new(),
        }
    }

    /// One package of an owner, by a token.
    pub fn open(mut self, token: &str, owner: &str, package: &str) -> Self {
        (self.token, self.owner, self.package) = (token.to_owned(), owner.to_owned(), package.to_owned());
        let account = self.api(Method::GET, &format!("/users/{owner}"));
        assert_eq!(account.status, 200, "who is {owner}? {}", account.told());
        let kind = if account.body["type"] == "Organization" { "orgs" } else { "users" };
        self.base = format!("/{kind}/{owner}/packages/container/{package}");
        self.log_in();
        self
    }

    fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        self.runtime.block_on(async {
            let response = request.send().await.unwrap();
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let bytes = response.bytes().await.unwrap();
            Answer { status, headers, body: serde_json::from_slice(&bytes).unwrap_or_default() }
        })
    }

    /// A call of the API, by its path.
    pub fn api(&self, method: Method, path: &str) -> Answer {
        let request = self.client.request(method, format!("{}{path}", self.api)).bearer_auth(&self.token);
        self.send(request.header("accept", "application/vnd.github+json").header("x-github-api-version", "2022-11-28"))
    }

    /// A call below the package's own path.
    pub fn package(&self, method: Method, path: &str) -> Answer {
        self.api(method, &format!("{}{path}", self.base))
    }

    /// All active versions, or all deleted ones.
    pub fn versions(&self, state: &str) -> Vec<Value> {
        let answer = self.package(Method::GET, &format!("/versions?per_page=100&state={state}"));
        answer.body.as_array().cloned().unwrap_or_default()
    }

    /// The active version with this digest, as soon as the API knows it.
    pub fn version(&self, digest: &str) -> Value {
        self.until(|| self.versions("active").into_iter().find(|version| version["name"] == digest))
            .unwrap_or_else(|| panic!("{digest} was pushed, and the API does not list it"))
    }

    /// Asks again until there is an answer, or patience is at its end: a real service owns its time.
    pub fn until<T>(&self, ask: impl Fn() -> Option<T>) -> Option<T> {
        let begun = Instant::now();
        loop {
            match ask() {
                None if begun.elapsed() < self.patience => {
                    self.runtime.block_on(tokio::time::sleep(Duration::from_secs(2)))
                }
                answer => return answer,
            }
        }
    }

    fn repository(&self) -> String {
        format!("{}/{}", self.owner.to_lowercase(), self.package)
    }

    fn log_in(&mut self) {
        let scope = format!("repository:{}:pull,push", self.repository());
        let query = [("service", "ghcr.io"), ("scope", scope.as_str())];
        let address = Url::parse_with_params(&format!("{}/token", self.registry), query).unwrap();
        let answer = self.send(self.client.get(address).basic_auth(&self.owner, Some(&self.token)));
        assert_eq!(answer.status, 200, "no token of the registry: {}", answer.body);
        self.registry_token = answer.body["token"].as_str().unwrap().to_owned();
    }

    /// A call of the registry, by its path below the repository.
    pub fn registry(&self, method: Method, path: &str) -> Answer {
        let address = format!("{}/v2/{}{path}", self.registry, self.repository());
        let accept = format!("{INDEX}, {IMAGE}");
        self.send(self.client.request(method, address).bearer_auth(&self.registry_token).header("accept", accept))
    }

    /// Pushes a manifest under a tag, or without one by its digest, and gives the digest.
    pub fn push(&self, media_type: &str, manifest: &Value, tag: Option<&str>) -> (String, Answer) {
        let manifest = Manifest { media_type: media_type.to_owned(), bytes: manifest.to_string().into_bytes() };
        let digest = manifest.digest();
        let address = format!("{}/v2/{}/manifests/{}", self.registry, self.repository(), tag.unwrap_or(&digest));
        let request = self.client.put(address).bearer_auth(&self.registry_token).header("content-type", media_type);
        let answer = self.send(request.body(manifest.bytes));
        assert_eq!(answer.status, 201, "pushing {digest}: {}", answer.body);
        (digest, answer)
    }

    /// Pushes a blob, and gives what describes it.
    pub fn blob(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = Manifest { media_type: String::new(), bytes: bytes.to_vec() }.digest();
        let begun = self.registry(Method::POST, "/blobs/uploads/");
        assert_eq!(begun.status, 202, "a blob: {}", begun.body);
        let mut address = Url::parse(&self.registry).unwrap().join(begun.header("location")).unwrap();
        address.query_pairs_mut().append_pair("digest", &digest);
        let request = self.client.put(address).bearer_auth(&self.registry_token);
        let ended = self.send(request.header("content-type", "application/octet-stream").body(bytes.to_vec()));
        assert_eq!(ended.status, 201, "a blob: {}", ended.body);
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    }

    /// A step of the product in this package.
    pub fn step(&self) -> Step {
        Step::new(&self.api)
            .input("registry-url", &self.registry)
            .input("token", &self.token)
            .input("owner", &self.owner)
            .input("packages", &self.package)
    }

    /// What a referrers request brings (OCI distribution specification, "Listing Referrers").
    pub fn referrers(&self, digest: &str) -> Answer {
        self.registry(Method::GET, &format!("/referrers/{digest}"))
    }

    /// Whether the short cut that several tools use is open: GitHub's token, in base64, as the registry's.
    pub fn short_cut(&self, digest: &str) -> Answer {
        let address = format!("{}/v2/{}/manifests/{digest}", self.registry, self.repository());
        let request = self.client.get(address).bearer_auth(BASE64_STANDARD.encode(&self.token));
        self.send(request.header("accept", format!("{INDEX}, {IMAGE}")))
    }
}
