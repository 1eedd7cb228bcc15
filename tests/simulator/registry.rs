//! The container registry: the same packages as OCI clients see them, on the API's own port.
//!
//! As far as anybody saw ghcr.io: a token by challenge, no referrers endpoint, no deletion, and
//! nothing that looks after what belongs together.

use base64::{Engine, prelude::BASE64_STANDARD};
use percent_encoding::percent_decode_str;
use serde_json::json;

use super::{
    Manifest, Request,
    answers::Answer,
    state::{GitHub, Version, secret_of},
};

/// The registry's answer, or `None` where the path is the API's.
pub(super) fn answer(github: &mut GitHub, request: &Request) -> Option<Answer> {
    if request.path == "/token" {
        return Some(token(github, request));
    }
    let path = request.path.strip_prefix("/v2/")?.to_owned();
    let answer = match (path.rsplit_once("/manifests/"), path.split_once("/blobs/uploads/")) {
        (Some((repository, reference)), _) => manifests(github, request, repository, reference),
        (None, Some((repository, _))) => blobs(github, request, repository),
        (None, None) if path.contains("/referrers/") => referrers(&path),
        (None, None) => challenge(github, "repository:user/image:pull"),
    };
    Some(answer.header("docker-distribution-api-version", "registry/2.0"))
}

/// 401, and where to get a token.
fn challenge(github: &GitHub, scope: &str) -> Answer {
    let own = format!("{}/token", origin(github));
    let realm = github.realm.as_ref().unwrap_or(&own);
    let challenge = format!("Bearer realm=\"{realm}\",service=\"ghcr.io\",scope=\"{scope}\"");
    Answer::observed("no-auth").header("www-authenticate", &challenge)
}

fn origin(github: &GitHub) -> &str {
    github.url.strip_suffix(&github.prefix).unwrap_or(&github.url)
}

/// `GET /token`: for GitHub's token as the password of any user.
fn token(github: &mut GitHub, request: &Request) -> Answer {
    let basic = request.header("authorization").and_then(|header| header.strip_prefix("Basic "));
    let decoded = basic.and_then(|text| BASE64_STANDARD.decode(text).ok());
    let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
    let password = decoded.split_once(':').map(|(_, password)| password).unwrap_or_default();
    if !github.tokens.contains_key(password) {
        return Answer::observed("token-denied");
    }
    let scope = percent_decode_str(request.parameter("scope").unwrap_or_default()).decode_utf8_lossy().into_owned();
    let token = format!("registry-token-{}", github.registry_tokens.len());
    github.registry_tokens.insert(token.clone(), format!("{password} {scope}"));
    Answer::json(200, &json!({"token": token}))
}

/// Whether a request's token opens a repository; otherwise the answer that says so.
fn open(github: &GitHub, request: &Request, repository: &str) -> Result<(), Answer> {
    let is_push = matches!(request.method.as_str(), "POST" | "PUT");
    let scope = format!("repository:{repository}:{}", if is_push { "pull,push" } else { "pull" });
    let bearer = secret_of(request);
    let opens = github.registry_tokens.get(bearer).cloned();
    let Some((secret, opened)) = opens.as_deref().and_then(|opens| opens.split_once(' ')) else {
        return Err(if github.tokens.contains_key(bearer) {
            // the raw token is no token of the registry
            Answer::json(403, &json!({"errors": [{"code": "DENIED", "message": "denied"}]}))
        } else {
            challenge(github, &scope)
        });
    };
    let is_opened = opened == scope || (!is_push && opened == format!("repository:{repository}:pull,push"));
    if !is_opened {
        return Err(challenge(github, &scope));
    }
    let token = github.tokens.get(secret).expect("a token");
    if !token.has(if is_push { "write:packages" } else { "read:packages" }) {
        return Err(Answer::observed("denied-read"));
    }
    Ok(())
}

/// An upload in one piece (OCI distribution specification, "POST then PUT"). What is in a blob concerns
/// nobody here.
fn blobs(github: &mut GitHub, request: &Request, repository: &str) -> Answer {
    if let Err(refusal) = open(github, request, repository) {
        return refusal;
    }
    let status = if request.method == "POST" { 202 } else { 201 };
    let location = format!("/v2/{repository}/blobs/uploads/1");
    Answer { status, headers: Vec::new(), body: Vec::new() }.header("location", &location)
}

fn manifests(github: &mut GitHub, request: &Request, repository: &str, reference: &str) -> Answer {
    if let Err(refusal) = open(github, request, repository) {
        return refusal;
    }
    // the first push makes the package
    if request.method == "PUT" && package(github, repository).is_none() {
        let (owner, name) = repository.split_once('/').unwrap_or_default();
        let owner = github.accounts.iter().find(|account| account.login.to_lowercase() == owner);
        if let Some(owner) = owner.map(|account| account.login.clone()) {
            github.add_package(&owner, "container", name, Vec::new());
        }
    }
    let Some(index) = package(github, repository) else { return Answer::observed("manifest-unknown") };
    match request.method.as_str() {
        "GET" | "HEAD" => pull(github, request, index, reference),
        "PUT" => push(github, request, index, reference),
        _ => Answer::observed("delete-unsupported"),
    }
}

/// The package of a repository: its path is lower case, whatever case the owner's login has.
fn package(github: &GitHub, repository: &str) -> Option<usize> {
    let is_it = |package: &super::Package| {
        package.package_type == "container"
            && format!("{}/{}", package.owner.to_lowercase(), package.name) == repository
    };
    github.packages.iter().position(|package| is_it(package) && package.deleted_at.is_none())
}

fn pull(github: &mut GitHub, request: &Request, index: usize, reference: &str) -> Answer {
    let versions = &mut github.packages[index].versions;
    let is_meant = |version: &Version| version.name == reference || version.tags.iter().any(|tag| tag == reference);
    // where it was when the package was last searched: large ones are slow to search each time
    let known = github.places.get(reference).copied();
    let place = known.filter(|place| versions.get(*place).is_some_and(is_meant)).or_else(|| {
        let places = versions.iter().enumerate().map(|(place, version)| (version.name.clone(), place));
        github.places = places.collect();
        versions.iter().position(is_meant)
    });
    let Some(version) = place.map(|place| &mut versions[place]) else { return Answer::observed("manifest-unknown") };
    let Some(manifest) = &version.manifest else { return Answer::observed("manifest-unknown") };
    // what a client does not accept is not there for it
    let accepts = request.header("accept").unwrap_or_default();
    if !accepts.contains("*/*") && !accepts.contains(&manifest.media_type) {
        return Answer::observed("manifest-unknown");
    }
    version.downloads += 1;
    *github.pulls.entry(version.name.clone()).or_default() += 1;
    Answer { status: 200, headers: Vec::new(), body: manifest.bytes.clone() }
        .header("content-type", &manifest.media_type)
        .header("docker-content-digest", &version.name)
}

/// A manifest that is there already gets the tag; another version that has it loses it.
fn push(github: &mut GitHub, request: &Request, index: usize, tag: &str) -> Answer {
    let manifest = Manifest {
        media_type: request.header("content-type").unwrap_or_default().to_owned(),
        bytes: request.body.clone(),
    };
    if serde_json::from_slice::<serde_json::Value>(&manifest.bytes).is_err() {
        return Answer::json(400, &json!({"errors": [{"code": "MANIFEST_INVALID", "message": "manifest invalid"}]}));
    }
    let digest = manifest.digest();
    let now = github.now();
    let id = github.new_id();
    let versions = &mut github.packages[index].versions;
    let stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    for version in versions.iter_mut().filter(|version| version.tags.iter().any(|known| known == tag)) {
        version.tags.retain(|known| known != tag);
        version.updated_at.clone_from(&stamp);
    }
    if !versions.iter().any(|version| version.name == digest) {
        versions.push(Version::with_manifest(manifest).id(id).pushed_at(now));
    }
    for version in versions.iter_mut().filter(|version| version.name == digest) {
        if tag != digest {
            version.tags.push(tag.to_owned());
        }
        version.updated_at.clone_from(&stamp);
    }
    Answer { status: 201, headers: Vec::new(), body: Vec::new() }.header("docker-content-digest", &digest)
}

/// ghcr.io sends away to a page that does not exist (artifacthub/hub#4785).
fn referrers(path: &str) -> Answer {
    let location = format!("https://github.com/-/v2/packages/container/package/{}", path.replace('/', "%2F"));
    Answer { status: 303, headers: Vec::new(), body: Vec::new() }.header("location", &location)
}
