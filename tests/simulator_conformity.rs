//! Holds the simulator against GitHub's own OpenAPI description, and against answers that people
//! saw: a make-believe that behaves like us would prove nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, prelude::BASE64_STANDARD};
use jsonschema::Validator;
use serde_json::{Value, json};

mod simulator;

use simulator::{GitHub, Request, Simulator, Token, Version};

const CLASSIC: &str = "ghp_classic_token";
const NARROW: &str = "ghp_narrow_token";
const POWERLESS: &str = "ghp_powerless_token";
const WORKFLOW: &str = "ghs_workflow_token";

fn description(name: &str) -> Value {
    let path = format!("{}/tests/data/github/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_slice(&text).expect("JSON")
}

/// OpenAPI 3.0 writes `nullable: true` where JSON Schema has a union with null; references are to
/// components of the same file. One defect is mended: `metadata.docker` requires `tags` and
/// declares `tag`.
fn translated(schema: &Value, of: &Value) -> Value {
    match schema {
        Value::Object(object) => {
            if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
                let pointer = reference.trim_start_matches('#');
                return translated(of.pointer(pointer).unwrap_or_else(|| panic!("no {reference}")), of);
            }
            let mut plain: serde_json::Map<_, _> = object
                .iter()
                .filter(|(key, _)| !matches!(key.as_str(), "nullable" | "example" | "examples"))
                .map(|(key, value)| (key.clone(), translated(value, of)))
                .collect();
            if object.get("title") == Some(&json!("Docker Metadata")) {
                plain.remove("required");
            }
            if object.get("nullable") == Some(&json!(true)) {
                return json!({"anyOf": [{"type": "null"}, plain]});
            }
            Value::Object(plain)
        }
        Value::Array(items) => items.iter().map(|item| translated(item, of)).collect(),
        other => other.clone(),
    }
}

/// The schema of an operation's answer with a status, if the description has one.
fn schema_of(description: &Value, path: &str, method: &str, status: u16) -> Option<Value> {
    let responses = &description["paths"][path][method.to_lowercase()]["responses"];
    let mut response = responses.get(status.to_string())?;
    if let Some(reference) = response.get("$ref").and_then(Value::as_str) {
        response = description.pointer(reference.trim_start_matches('#'))?;
    }
    let schema = response.pointer("/content/application~1json/schema").unwrap_or(&Value::Null);
    Some(translated(schema, description))
}

/// The path template of the description that a request falls under.
fn template_of(descriptions: &[Value], request: &Request) -> Option<(usize, String)> {
    let segments: Vec<_> = request.path.split('/').collect();
    descriptions.iter().enumerate().find_map(|(number, description)| {
        let paths = description["paths"].as_object().expect("paths");
        let matches = |template: &&String| {
            let parts: Vec<_> = template.split('/').collect();
            parts.len() == segments.len()
                && parts.iter().zip(&segments).all(|(part, segment)| part.starts_with('{') || part == segment)
        };
        paths.keys().find(matches).map(|template| (number, template.clone()))
    })
}

fn world() -> GitHub {
    let captured: Vec<Value> =
        serde_json::from_value(description("observed/real-versions-2025-07.json")).expect("captured versions");
    let examples: Vec<Value> =
        serde_json::from_value(description("examples/package-versions-for-authenticated-user.json")).expect("examples");
    GitHub::new()
        .organization("octo-org")
        .user("octocat")
        .user("hubot")
        .token(CLASSIC, Token::classic("octocat", &["delete:packages", "write:packages"]))
        .token(NARROW, Token::classic("octocat", &["repo"]))
        .token(POWERLESS, Token::classic("octocat", &["read:packages", "delete:packages"]).without_admin())
        .token(WORKFLOW, Token::workflow())
        .package("octo-org", "container", "vuls-data-db", captured.iter().map(Version::captured).collect())
        .package("octocat", "container", "hello_docker", examples.iter().map(Version::captured).collect())
        .package("hubot", "container", "robot", vec![Version::image("a", &["a"]), Version::image("b", &["b"])])
        .package("octo-org", "docker", "legacy", vec![Version::new("1").tags(&["v1"]), Version::new("2")])
        .package("octo-org", "maven", "com.example.lib", vec![Version::new("1.0")])
        .package("octo-org", "container", "popular", vec![Version::image("p", &["p"]).downloads(5_001)])
}

struct Caller {
    client: reqwest::Client,
    simulator: Simulator,
    runtime: tokio::runtime::Runtime,
}

impl Caller {
    fn new(github: GitHub) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            client: reqwest::Client::builder().user_agent("tests").no_proxy().build().expect("a client"),
            simulator: Simulator::start(github),
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime"),
        }
    }

    /// Calls and returns status, body and the `link` header.
    fn call(&self, token: &str, method: &str, path: &str) -> (u16, Value, Option<String>) {
        let address = format!("{}{path}", self.simulator.url());
        let method = method.parse().expect("a method");
        self.runtime.block_on(async {
            let answer = self.client.request(method, address).bearer_auth(token).send().await.expect("an answer");
            let link = answer.headers().get("link").map(|link| link.to_str().expect("text").to_owned());
            let status = answer.status().as_u16();
            let body = answer.bytes().await.expect("a body");
            (status, serde_json::from_slice(&body).unwrap_or(Value::Null), link)
        })
    }
}

#[test]
fn every_documented_answer_fits_its_schema_and_all_27_endpoints_are_walked_through() {
    let caller = Caller::new(world());
    let descriptions = [description("packages.json"), description("support.json")];
    let mut calls: Vec<(&str, &str, String)> = vec![
        (CLASSIC, "GET", "/user".into()),
        (WORKFLOW, "GET", "/user".into()),
        (CLASSIC, "GET", "/users/octo-org".into()),
        (CLASSIC, "GET", "/users/octocat".into()),
        (CLASSIC, "GET", "/users/nobody".into()),
        ("ghp_wrong", "GET", "/user".into()),
    ];
    for (base, name) in [("/orgs/octo-org", "vuls-data-db"), ("/user", "hello_docker"), ("/users/hubot", "robot")] {
        let package = format!("{base}/packages/container/{name}");
        // the oldest: the newest of one package is its last tagged version
        let id = caller.call(CLASSIC, "GET", &format!("{package}/versions")).1[1]["id"].clone();
        calls.extend([
            (CLASSIC, "GET", format!("{base}/docker/conflicts")),
            (CLASSIC, "GET", format!("{base}/packages?package_type=container")),
            (NARROW, "GET", format!("{base}/packages?package_type=container")),
            (WORKFLOW, "GET", format!("{base}/packages?package_type=container")),
            (CLASSIC, "GET", format!("{base}/packages?package_type=container&page=101&per_page=100")),
            (CLASSIC, "GET", package.clone()),
            (CLASSIC, "GET", format!("{package}/versions")),
            (CLASSIC, "GET", format!("{package}/versions/{id}")),
            (NARROW, "GET", format!("{package}/versions")),
            (POWERLESS, "DELETE", format!("{package}/versions/{id}")),
            (CLASSIC, "DELETE", format!("{package}/versions/{id}")),
            (CLASSIC, "DELETE", format!("{package}/versions/{id}")),
            (CLASSIC, "GET", format!("{package}/versions?state=deleted")),
            (CLASSIC, "POST", format!("{package}/versions/{id}/restore")),
            (CLASSIC, "POST", format!("{package}/versions/{id}/restore")),
            (CLASSIC, "DELETE", package.clone()),
            (CLASSIC, "DELETE", package.clone()),
            (CLASSIC, "POST", format!("{package}/restore")),
            (NARROW, "POST", format!("{package}/restore")),
        ]);
    }
    let mut walked = BTreeSet::new();
    let mut checked: BTreeMap<u16, usize> = BTreeMap::new();
    for (token, method, path) in calls {
        let (status, body, _) = caller.call(token, method, &path);
        let request = caller.simulator.requests().pop().expect("the request");
        let Some((number, template)) = template_of(&descriptions, &request) else { panic!("no template for {path}") };
        if status < 300 && number == 0 {
            walked.insert(format!("{method} {template}"));
        }
        match schema_of(&descriptions[number], &template, method, status) {
            Some(Value::Null) if status < 300 => assert_eq!(body, Value::Null, "{method} {path}"),
            Some(schema) if !schema.is_null() => {
                let validator: Validator = jsonschema::validator_for(&schema).expect("a schema");
                let errors: Vec<_> = validator.iter_errors(&body).map(|error| error.to_string()).collect();
                assert!(errors.is_empty(), "{method} {path} {status}: {errors:?}\n{body:#}");
                *checked.entry(status).or_default() += 1;
            }
            _ => assert!(seen_in_public(status, &body), "{method} {path} answers {status} {body}, which nobody saw"),
        }
    }
    let endpoints: Vec<Value> = serde_json::from_value(description("endpoints.json")).expect("endpoints");
    let all: BTreeSet<_> = endpoints
        .iter()
        .map(|row| format!("{} {}", row["method"].as_str().expect("a method"), row["path"].as_str().expect("a path")))
        .collect();
    assert_eq!(all.len(), 27);
    assert_eq!(walked, all);
    assert!([200, 401, 403, 404].iter().all(|status| checked.contains_key(status)), "{checked:?}");
}

/// Whether somebody saw this message with this status; the description has only few of them.
fn seen_in_public(status: u16, body: &Value) -> bool {
    let seen = description("observed/rest-errors.json");
    let seen = seen.as_array().expect("a list");
    let documented = "The value of `per_page` multiplied by `page` cannot be greater than 10000.";
    seen.iter().any(|seen| seen["status"] == status && seen["body"]["message"] == body["message"])
        || (status == 400 && body["message"] == documented)
}

#[test]
fn refusals_are_to_the_letter_what_people_saw() {
    let caller = Caller::new(world());
    let message = |token: &str, method: &str, path: &str| {
        let (status, body, _) = caller.call(token, method, path);
        assert!(seen_in_public(status, &body), "{method} {path}: {status} {body}");
        body["message"].as_str().expect("a message").to_owned()
    };
    let first = |package: &str| {
        let id = caller.call(CLASSIC, "GET", &format!("{package}/versions")).1[0]["id"].clone();
        format!("{package}/versions/{id}")
    };
    let tagged = "/orgs/octo-org/packages/container/vuls-data-db";
    assert_eq!(caller.call(CLASSIC, "DELETE", &first(tagged)).0, 204);
    assert!(message(CLASSIC, "DELETE", &first(tagged)).contains("last tagged version"));
    assert!(
        message(CLASSIC, "DELETE", &first("/orgs/octo-org/packages/maven/com.example.lib")).contains("last version")
    );
    let popular = "/orgs/octo-org/packages/container/popular";
    assert!(message(CLASSIC, "DELETE", &first(popular)).starts_with("Publicly visible package versions"));
    assert!(message(CLASSIC, "DELETE", popular).starts_with("Publicly visible packages with a version"));
    assert_eq!(message(WORKFLOW, "GET", "/orgs/octo-org/packages?package_type=container"), "Invalid argument.");
    assert_eq!(message(CLASSIC, "GET", "/orgs/octocat/packages?package_type=npm"), "Not Found");
    assert_eq!(message(CLASSIC, "GET", "/orgs/octo-org/packages/npm/none"), "Package not found.");
    assert_eq!(message(POWERLESS, "DELETE", &first(tagged)), "Package not found.");
    assert_eq!(caller.call(POWERLESS, "GET", &first(tagged)).0, 200);
}

#[test]
fn links_have_the_form_that_was_captured() {
    let versions = (0..120).map(|number| Version::image(&number.to_string(), &["x"])).collect();
    let caller = Caller::new(world().package("octo-org", "container", "preview-last/first-next", versions));
    let links = |query: &str| {
        let path = format!("/orgs/octo-org/packages/container/preview-last%2Ffirst-next/versions?{query}");
        let (status, body, link) = caller.call(CLASSIC, "GET", &path);
        assert_eq!(status, 200);
        let link = link.unwrap_or_default().replace(caller.simulator.url(), "");
        (body.as_array().expect("a page").len(), link)
    };
    let base = "/organizations/9000/packages/container/preview-last%2Ffirst-next/versions";
    let link = |page: u32, rel: &str| format!("<{base}?page={page}&per_page=100>; rel=\"{rel}\"");
    // above 100 a page it is silently 100
    assert_eq!(links("per_page=500"), (100, format!("{}, {}", link(2, "next"), link(2, "last"))));
    assert_eq!(links("page=2&per_page=100"), (20, format!("{}, {}", link(1, "prev"), link(1, "first"))));
    assert_eq!(links("page=3&per_page=100").0, 0);
    // the paths with numbers that the links have answer too
    assert_eq!(
        caller.call(CLASSIC, "GET", &format!("{base}?page=2&per_page=100")).1.as_array().map(Vec::len),
        Some(20)
    );
    // a slash that is not escaped is another path
    let unescaped = "/orgs/octo-org/packages/container/preview-last/first-next/versions";
    assert_eq!(caller.call(CLASSIC, "GET", unescaped).0, 404);
}

#[test]
fn what_was_deleted_is_listed_as_such_and_comes_back_with_its_id() {
    let caller = Caller::new(world());
    let package = "/users/hubot/packages/container/robot";
    let ids = |state: &str| {
        let (_, body, _) = caller.call(CLASSIC, "GET", &format!("{package}/versions?state={state}"));
        body.as_array()
            .expect("a page")
            .iter()
            .map(|version| version["id"].as_u64().expect("an id"))
            .collect::<Vec<_>>()
    };
    let before = ids("active");
    assert!(before.iter().all(|id| *id > u64::from(u32::MAX)), "ids outgrow 32 bits");
    assert_eq!(caller.call(CLASSIC, "DELETE", &format!("{package}/versions/{}", before[0])).0, 204);
    assert_eq!((ids("active"), ids("deleted")), (before[1..].to_vec(), before[..1].to_vec()));
    assert_eq!(caller.call(CLASSIC, "POST", &format!("{package}/versions/{}/restore", before[0])).0, 204);
    assert_eq!((ids("active"), ids("deleted")), (before, Vec::new()));
}

#[test]
fn the_registry_answers_as_ghcr_io_was_seen_to() {
    let caller = Caller::new(world());
    let seen = description("observed/registry-responses.json");
    let seen = |id: &str| {
        let seen = seen.as_array().expect("a list").iter().find(|seen| seen["id"] == id).expect("an observation");
        (u16::try_from(seen["status"].as_u64().expect("a status")).expect("a status"), seen.clone())
    };
    let redirect = reqwest::redirect::Policy::none();
    let client = reqwest::Client::builder().redirect(redirect).no_proxy().build().expect("a client");
    // method, path, and what stands in the header `authorization`
    let call = |method: &str, path: &str, authorization: Option<String>| {
        let address = format!("{}{path}", caller.simulator.registry_url());
        let method: reqwest::Method = method.parse().expect("a method");
        caller.runtime.block_on(async {
            let request =
                client.request(method, address).header("accept", "application/vnd.oci.image.manifest.v1+json");
            let request =
                authorization.into_iter().fold(request, |request, value| request.header("authorization", value));
            let answer = request.send().await.expect("an answer");
            let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
            let body = answer.bytes().await.expect("a body");
            (status, headers, serde_json::from_slice::<Value>(&body).unwrap_or(Value::Null))
        })
    };
    let basic = |password: &str| Some(format!("Basic {}", BASE64_STANDARD.encode(format!("octocat:{password}"))));
    let manifest = format!("/v2/hubot/robot/manifests/{}", simulator::digest_of("a"));
    let scope = "repository:hubot/robot:pull";
    let token_of =
        |password: &str, scope: &str| call("GET", &format!("/token?service=ghcr.io&scope={scope}"), basic(password));
    let check = |id: &str, answer: (u16, reqwest::header::HeaderMap, Value)| {
        let (status, seen) = seen(id);
        assert_eq!(answer.0, status, "{id}");
        if seen["body"].is_object() {
            assert_eq!(answer.2, seen["body"], "{id}");
        }
        answer.1
    };
    let headers = check("no-auth", call("GET", &manifest, None));
    let challenge = headers["www-authenticate"].to_str().expect("text");
    let form = seen("no-auth").1["headers"]["www-authenticate"].as_str().expect("text").to_owned();
    let form = form.replace("https://ghcr.io", &caller.simulator.registry_url()).replace("user/image", "hubot/robot");
    assert_eq!(challenge, form);
    check("token-denied", token_of("ghp_wrong", scope));
    check("raw-pat-bearer", call("GET", &manifest, Some(format!("Bearer {CLASSIC}"))));

    let (status, _, body) = token_of(CLASSIC, scope);
    assert_eq!(
        (status, body.as_object().map(|body| body.keys().cloned().collect())),
        (200, Some(vec!["token".to_owned()]))
    );
    let bearer = Some(format!("Bearer {}", body["token"].as_str().expect("a token")));
    let (status, headers, _) = call("GET", &manifest, bearer.clone());
    assert_eq!(
        (status, &headers["docker-content-digest"]),
        (200, &simulator::digest_of("a").parse().expect("a header"))
    );
    // a token opens what it was asked for, and nothing else
    assert_eq!(call("GET", "/v2/octocat/hello_docker/manifests/latest", bearer.clone()).0, 401);
    check("manifest-unknown", call("GET", "/v2/hubot/robot/manifests/none", bearer.clone()));
    check("delete-unsupported", call("DELETE", &manifest, bearer.clone()));
    let headers = check("referrers-redirect", call("GET", "/v2/hubot/robot/referrers/sha256:aa", bearer));
    assert!(
        headers["location"]
            .to_str()
            .is_ok_and(|to| to.starts_with("https://github.com/-/v2/packages/container/package/"))
    );

    let narrow = token_of(NARROW, scope).2["token"].as_str().expect("a token").to_owned();
    check("denied-read", call("GET", &manifest, Some(format!("Bearer {narrow}"))));
}
