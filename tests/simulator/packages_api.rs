//! The 27 Packages endpoints (<https://docs.github.com/rest/packages/packages>), the two that tell
//! who is who, and who may do what.

use jiff::SignedDuration;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Value, json};

use super::{
    Request,
    accounts::{Token, TokenKind},
    answers::Answer,
    paging,
    state::{GitHub, Package, Version, merge, secret_of},
};

const TYPES: [&str; 6] = ["npm", "maven", "rubygems", "docker", "nuget", "container"];
/// "Publicly visible package versions with more than 5000 downloads cannot be deleted."
const MOST_DOWNLOADS: u64 = 5_000;
/// "You can restore a deleted package within 30 days."
const RESTORABLE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Whose packages a path speaks of.
struct Base {
    owner: String,
    /// The path of the API's own links, with a number instead of the login.
    numeric: String,
}

pub(super) fn answer(github: &mut GitHub, request: &Request) -> Answer {
    if request.header("user-agent").is_none_or(str::is_empty) {
        return Answer::error(
            403,
            "Request forbidden by administrative rules. Please make sure your request has a User-Agent header",
        );
    }
    if request.header("x-github-api-version").is_some_and(|version| !matches!(version, "2022-11-28" | "2026-03-10")) {
        return Answer::error(400, "The version of the API that was asked for is not supported.");
    }
    let Some(token) = github.tokens.get(secret_of(request)).cloned() else {
        return Answer::observed("bad-credentials");
    };
    if let Some((_, 0, resets_at)) = token.quota
        && github.now() < resets_at
    {
        return Answer::observed("primary-rate-limit").header("x-ratelimit-remaining", "0");
    }
    if github.is_over_the_limits(request) {
        return Answer::observed("secondary-rate-limit").header("retry-after", "60");
    }
    let path = request.path.strip_prefix(&github.prefix).unwrap_or(&request.path).to_owned();
    let decoded: Vec<String> =
        path.split('/').skip(1).map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned()).collect();
    let segments: Vec<&str> = decoded.iter().map(String::as_str).collect();
    match (request.method.as_str(), segments.as_slice()) {
        ("GET", ["users", login]) => match github.account_named(login) {
            Some(account) => Answer::json(200, &github.public_user(account)),
            None => Answer::observed("generic-not-found"),
        },
        ("GET", ["user"]) => match &token.kind {
            TokenKind::Classic { login, .. } => match github.account_named(login) {
                Some(account) => Answer::json(200, &github.public_user(account)),
                None => Answer::observed("bad-credentials"),
            },
            TokenKind::Workflow | TokenKind::App => Answer::observed("integration-forbidden"),
        },
        (_, ["organizations" | "user", id, rest @ ..]) if id.bytes().all(|byte| byte.is_ascii_digit()) => {
            let login = github.accounts.iter().find(|account| account.id.to_string() == *id);
            let login = login.map(|account| account.login.clone());
            with_owner(github, request, &token, login, rest)
        }
        (_, ["orgs", login, rest @ ..]) => {
            let organization = github.account_named(login).filter(|account| account.kind == "Organization");
            let login = organization.map(|account| account.login.clone());
            with_owner(github, request, &token, login, rest)
        }
        (_, ["users", login, rest @ ..]) => {
            let login = github.account_named(login).map(|account| account.login.clone());
            with_owner(github, request, &token, login, rest)
        }
        (_, ["user", rest @ ..]) => match &token.kind {
            TokenKind::Classic { login, .. } => with_owner(github, request, &token, Some(login.clone()), rest),
            // a token without a namespace of its own finds nothing there (AnswerDotAI/ghapi#132)
            TokenKind::Workflow | TokenKind::App => Answer::observed("generic-not-found"),
        },
        _ => Answer::observed("generic-not-found"),
    }
}

fn with_owner(github: &mut GitHub, request: &Request, token: &Token, login: Option<String>, rest: &[&str]) -> Answer {
    let account = login.and_then(|login| github.account_named(&login).cloned());
    let Some(account) = account else { return Answer::observed("generic-not-found") };
    let kind = if account.kind == "Organization" { "organizations" } else { "user" };
    let escaped: String =
        rest.iter().map(|segment| format!("/{}", utf8_percent_encode(segment, NON_ALPHANUMERIC))).collect();
    let base = Base { owner: account.login, numeric: format!("/{kind}/{}{}", account.id, escaped.replace("%2D", "-")) };
    match rest {
        ["docker", "conflicts"] if request.method == "GET" => Answer::json(200, &json!(github.conflicts)),
        ["packages"] if request.method == "GET" => list_packages(github, request, token, &base),
        ["packages", package_type, name, rest @ ..] => {
            if !TYPES.contains(package_type) {
                // what GitHub really says is not known
                return Answer::error(400, "Invalid package type.");
            }
            one_package(github, request, token, &base, package_type, name, rest)
        }
        _ => Answer::observed("generic-not-found"),
    }
}

fn list_packages(github: &GitHub, request: &Request, token: &Token, base: &Base) -> Answer {
    let Some(package_type) = request.parameter("package_type").filter(|package_type| TYPES.contains(package_type))
    else {
        return Answer::error(400, "Invalid argument.");
    };
    if package_type == "container" && !matches!(token.kind, TokenKind::Classic { .. }) {
        return Answer::observed("list-org-packages-with-github-token");
    }
    if !token.has("read:packages") {
        return Answer::observed("scope-list-packages");
    }
    let number = |name| request.parameter(name).and_then(|text| text.parse::<u64>().ok());
    if number("page").unwrap_or(1) * number("per_page").unwrap_or(30) > 10_000 {
        return Answer::error(400, "The value of `per_page` multiplied by `page` cannot be greater than 10000.");
    }
    let visibility = request.parameter("visibility");
    let packages = github.packages.iter().filter(|package| {
        package.owner == base.owner
            && package.package_type == package_type
            && package.deleted_at.is_none()
            && visibility.is_none_or(|visibility| package.visibility == visibility)
    });
    let packages: Vec<_> = packages.collect();
    paging::page(github, request, &base.numeric, packages.len(), |place| package_json(github, packages[place]))
}

fn one_package(
    github: &mut GitHub,
    request: &Request,
    token: &Token,
    base: &Base,
    package_type: &str,
    name: &str,
    rest: &[&str],
) -> Answer {
    let found = github.packages.iter().position(|package| {
        package.owner == base.owner && package.package_type == package_type && package.name == name
    });
    let Some(index) = found else { return Answer::observed("package-not-found") };
    let needed = match (request.method.as_str(), rest) {
        ("GET", _) => "read:packages",
        ("DELETE", _) => "delete:packages",
        _ => "write:packages",
    };
    if !token.has("read:packages") {
        return Answer::observed("scope-get-versions");
    }
    if request.is_change() {
        if !token.has(needed) {
            return Answer::error(403, &format!("You need at least {needed} scope to do this."));
        }
        if !token.is_admin {
            // a user's missing right looks like a missing package, an integration's is told
            return match token.kind {
                TokenKind::Classic { .. } => Answer::observed("package-not-found"),
                TokenKind::Workflow | TokenKind::App => Answer::observed("integration-forbidden"),
            };
        }
    }
    let is_deleted = github.packages[index].deleted_at.is_some();
    match (request.method.as_str(), rest) {
        ("POST", ["restore"]) => restore_package(github, index),
        _ if is_deleted => Answer::observed("package-not-found"),
        ("GET", []) => Answer::json(200, &package_json(github, &github.packages[index])),
        ("DELETE", []) => delete_package(github, index),
        ("GET", ["versions"]) => {
            let package = &github.packages[index];
            let deleted = request.parameter("state") == Some("deleted");
            let mut versions: Vec<_> =
                if deleted { &package.deleted } else { &package.versions }.iter().rev().collect();
            // newest first, which is practice and documented nowhere
            let newest_first =
                |left: &&Version, right: &&Version| (&right.created_at, right.id).cmp(&(&left.created_at, left.id));
            if !versions.is_sorted_by(|left, right| newest_first(left, right).is_le()) {
                versions.sort_by(newest_first);
            }
            let of_package = package_json(github, package);
            let item = |place: usize| version_json(&of_package, package, versions[place]);
            paging::page(github, request, &base.numeric, versions.len(), item)
        }
        (method, ["versions", id, rest @ ..]) => {
            let id = id.parse::<u64>().unwrap_or_default();
            match (method, rest) {
                ("GET", []) => {
                    let package = &github.packages[index];
                    match package.versions.iter().find(|version| version.id == id) {
                        Some(version) => {
                            Answer::json(200, &version_json(&package_json(github, package), package, version))
                        }
                        None => Answer::observed("version-not-found"),
                    }
                }
                ("DELETE", []) => delete_version(github, index, id),
                ("POST", ["restore"]) => restore_version(github, index, id),
                _ => Answer::observed("generic-not-found"),
            }
        }
        _ => Answer::observed("generic-not-found"),
    }
}

fn delete_package(github: &mut GitHub, index: usize) -> Answer {
    let now = github.now();
    let package = &mut github.packages[index];
    let is_public = package.visibility == "public";
    if is_public && package.versions.iter().any(|version| version.downloads > MOST_DOWNLOADS) {
        return Answer::observed("too-many-downloads-package");
    }
    package.deleted_at = Some(now);
    Answer::no_content()
}

fn restore_package(github: &mut GitHub, index: usize) -> Answer {
    let now = github.now();
    let package = &mut github.packages[index];
    match package.deleted_at {
        Some(at) if now.duration_since(at) <= RESTORABLE => {
            package.deleted_at = None;
            Answer::no_content()
        }
        _ => Answer::observed("package-not-found"),
    }
}

fn delete_version(github: &mut GitHub, index: usize, id: u64) -> Answer {
    let now = github.now();
    let package = &mut github.packages[index];
    let Some(place) = package.versions.iter().position(|version| version.id == id) else {
        return Answer::observed("version-not-found");
    };
    let version = &package.versions[place];
    if package.visibility == "public" && version.downloads > MOST_DOWNLOADS {
        return Answer::observed("too-many-downloads-version");
    }
    let last_tagged =
        !version.tags.is_empty() && !package.versions.iter().any(|other| other.id != id && !other.tags.is_empty());
    match package.package_type.as_str() {
        "container" if last_tagged => return Answer::observed("last-tagged-version"),
        // npm takes the package away with its last version (actions/delete-package-versions#105)
        "npm" if package.versions.len() == 1 => package.deleted_at = Some(now),
        "container" => {}
        _ if package.versions.len() == 1 => return Answer::observed("last-version-v1-registry"),
        _ => {}
    }
    let mut version = package.versions.remove(place);
    version.deleted_at = Some(now);
    package.deleted.push(version);
    Answer::no_content()
}

fn restore_version(github: &mut GitHub, index: usize, id: u64) -> Answer {
    let now = github.now();
    let package = &mut github.packages[index];
    let Some(place) = package.deleted.iter().position(|version| version.id == id) else {
        return Answer::observed("version-not-found");
    };
    let version = &package.deleted[place];
    let in_time = version.deleted_at.is_none_or(|at| now.duration_since(at) <= RESTORABLE);
    let taken = package.versions.iter().any(|other| other.name == version.name);
    if !in_time || taken {
        // nobody has published what GitHub says here
        return if taken {
            Answer::error(422, "Version name has been taken.")
        } else {
            Answer::observed("version-not-found")
        };
    }
    let mut version = package.deleted.remove(place);
    version.deleted_at = None;
    let in_use: Vec<_> = package.versions.iter().flat_map(|other| other.tags.clone()).collect();
    version.tags.retain(|tag| !in_use.contains(tag));
    package.versions.push(version);
    Answer::no_content()
}

fn package_json(github: &GitHub, package: &Package) -> Value {
    let owner = github.account_named(&package.owner).expect("its owner");
    let escaped = utf8_percent_encode(&package.name, NON_ALPHANUMERIC).to_string().replace("%2D", "-");
    let base = if owner.kind == "Organization" { "orgs" } else { "users" };
    let path = format!("{base}/{}/packages/{}", owner.login, package.package_type);
    json!({
        "id": package.id, "name": package.name, "package_type": package.package_type, "owner": github.simple_user(owner),
        "version_count": package.versions.len(), "visibility": package.visibility,
        "url": format!("{}/{path}/{escaped}", github.url),
        "html_url": format!("https://github.com/{path}/package/{escaped}"),
        "created_at": "2020-05-19T22:19:11Z", "updated_at": "2026-05-19T22:19:11Z",
    })
}

/// All versions on one page, whatever was asked for.
pub(super) fn versions_page(github: &GitHub, package: &Package) -> Answer {
    let of_package = package_json(github, package);
    let versions = package.versions.iter().map(|version| version_json(&of_package, package, version));
    Answer::json(200, &versions.collect())
}

fn version_json(of_package: &Value, package: &Package, version: &Version) -> Value {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let mut metadata = json!({"package_type": package.package_type});
    match package.package_type.as_str() {
        "container" => metadata["container"] = json!({"tags": version.tags}),
        // the description declares `tag` and requires `tags`
        "docker" => metadata["docker"] = json!({"tag": version.tags, "tags": version.tags}),
        _ => {}
    }
    let mut json = json!({
        "id": version.id, "name": version.name, "url": format!("{}/versions/{}", text(&of_package["url"]), version.id),
        "package_html_url": of_package["html_url"], "created_at": version.created_at, "updated_at": version.updated_at,
        "html_url": format!("{}/{}", text(&of_package["html_url"]), version.id), "metadata": metadata,
    });
    if let Some(deleted_at) = version.deleted_at {
        json["deleted_at"] = json!(deleted_at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    }
    merge(&mut json, &version.patch);
    json
}
