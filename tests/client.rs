//! The client by itself: every endpoint for every kind of owner, and narrow questions about single
//! answers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

use std::{collections::BTreeSet, rc::Rc, time::Duration};

use httpmock::{Method::DELETE, Method::GET, MockServer};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tidy_packages::{
    caller::Caller,
    clock::SystemClock,
    failure::FailureKind,
    github::{GitHub as Client, State},
    inputs::Pace,
    model::{Owner, OwnerKind, Package, PackageType},
    stop,
    tell::log::Log,
};

mod simulator;

use simulator::{GitHub, Simulator, Token, Version};

const TOKEN: &str = "ghp_canary0123456789abcdefghijklmnopqr";

fn with_client<T>(url: &str, work: impl AsyncFnOnce(Client) -> T) -> T {
    let pace = Pace {
        concurrency: 4,
        points_per_minute: None,
        quota_reserve_percent: 10,
        max_wait: SignedDuration::from_mins(1),
        time_limit: None,
    };
    let log = Rc::new(Log::new(Box::new(std::io::sink()), false, false));
    let (_stopper, stop) = stop::channel();
    let caller = Caller { token: TOKEN.into(), pace, clock: Rc::new(SystemClock::start()), stop, log };
    let client = Client::new(url.parse().expect("an address"), &caller).expect("a client");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(work(client))
}

fn package(name: &str) -> Package {
    Package { package_type: PackageType::Container, name: name.to_owned(), visibility: None }
}

#[test]
fn all_27_endpoints_are_spoken() {
    let two = || vec![Version::image("a", &["a"]), Version::image("b", &["b"])];
    let github = GitHub::new()
        .organization("octo-org")
        .user("octocat")
        .user("hubot")
        .token(TOKEN, Token::classic("octocat", &["delete:packages", "write:packages"]))
        .package("octo-org", "container", "repository/image", two())
        .package("octocat", "container", "repository/image", two())
        .package("hubot", "container", "repository/image", two());
    let simulator = Simulator::start(github);
    with_client(simulator.url(), async |client: Client| {
        for (login, kind) in
            [("octo-org", OwnerKind::Organization), ("octocat", OwnerKind::TokenOwner), ("hubot", OwnerKind::User)]
        {
            let owner = Owner { login: login.to_owned(), kind };
            let package = package("repository/image");
            client.docker_conflicts(&owner).await.expect("conflicts");
            assert_eq!(client.packages(&owner, PackageType::Container).await.expect("packages").len(), 1);
            let told = client.package(&owner, PackageType::Container, &package.name).await.expect("the package");
            assert_eq!((told.version_count, told.package.visibility.as_deref()), (Some(2), Some("public")));
            let versions = client.versions(&owner, &package, State::Active, None).await.expect("versions");
            let id = versions[0].id;
            assert_eq!(client.version(&owner, &package, id).await.expect("the version"), versions[0]);
            client.delete_version(&owner, &package, id, Duration::MAX).await.expect("deleted");
            assert_eq!(client.versions(&owner, &package, State::Deleted, None).await.expect("versions").len(), 1);
            client.restore_version(&owner, &package, id).await.expect("restored");
            client.delete_package(&owner, &package, Duration::MAX).await.expect("deleted");
            client.restore_package(&owner, &package).await.expect("restored");
        }
    });
    let spoken: BTreeSet<_> = simulator
        .requests()
        .iter()
        .map(|request| {
            let path = request.path.split('/').map(|part| if part.len() == 10 { "{id}" } else { part });
            format!("{} {}", request.method, path.collect::<Vec<_>>().join("/"))
        })
        .collect();
    assert_eq!(spoken.len(), 27, "{spoken:#?}");
    assert!(spoken.iter().filter(|line| line.contains("/repository")).all(|line| line.contains("/repository%2Fimage")));
}

#[test]
fn a_redirect_takes_the_token_to_no_other_server() {
    let (ours, other) = (MockServer::start(), MockServer::start());
    let stolen = other.mock(|when, then| {
        when.any_request();
        then.status(200).json_body(json!({"login": "octocat"}));
    });
    for status in [301, 302, 307, 308] {
        let mut redirect = ours.mock(|when, then| {
            when.method(GET).path("/users/octocat");
            then.status(status).header("location", other.url("/users/octocat"));
        });
        let failure =
            with_client(&ours.base_url(), async |client: Client| client.account("octocat").await.unwrap_err());
        assert_eq!(failure.kind, FailureKind::Status(status));
        redirect.assert();
        redirect.delete();
    }
    stolen.assert_calls(0);
}

#[test]
fn a_redirect_on_the_same_server_is_followed_for_reads_and_never_for_changes() {
    let server = MockServer::start();
    let old = server.mock(|when, then| {
        when.path_includes("/old/");
        then.status(307).header("location", "/users/new");
    });
    let new = server.mock(|when, then| {
        when.method(GET).path("/users/new").header("authorization", format!("Bearer {TOKEN}"));
        then.status(200).json_body(json!({"login": "new", "type": "User", "unknown": [1]}));
    });
    with_client(&server.url("/old"), async |client: Client| {
        assert_eq!(client.account("octocat").await.expect("an account").login, "new");
        let owner = Owner { login: "old".to_owned(), kind: OwnerKind::User };
        let failure = client.delete_version(&owner, &package("a"), 1, Duration::MAX).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Status(307));
    });
    old.assert_calls(2);
    new.assert_calls(1);
}

#[test]
fn links_that_say_nothing_of_numbers_are_followed_one_after_another_and_never_in_a_circle() {
    let version = |id: u64| json!({"id": id, "name": format!("1.{id}")});
    for (last_links_to, expected) in [(None, Some(3)), (Some("two"), None)] {
        let server = MockServer::start();
        let pages = [(None, 1, Some("one")), (Some("one"), 2, Some("two")), (Some("two"), 3, last_links_to)];
        for (cursor, id, next) in pages {
            server.mock(|when, then| {
                match cursor {
                    Some(cursor) => when.method(GET).query_param("after", cursor),
                    None => when.method(GET).query_param_missing("after"),
                };
                let links = next.map(|next| format!("<{}/versions?after={next}>; rel=\"next\"", server.base_url()));
                let links = links.unwrap_or_else(|| "<https://example.com/>; rel=\"first\"".to_owned());
                then.status(200).header("link", links).json_body(json!([version(id)]));
            });
        }
        let owner = Owner { login: "octo-org".to_owned(), kind: OwnerKind::Organization };
        let listed = with_client(&server.base_url(), async |client: Client| {
            client.versions(&owner, &package("a"), State::Active, None).await
        });
        match expected {
            Some(count) => assert_eq!(listed.expect("versions").len(), count),
            None => assert!(listed.unwrap_err().message.contains("circle")),
        }
    }
}

#[test]
fn a_page_instead_of_an_answer_is_no_deletion() {
    let server = MockServer::start();
    let page = server.mock(|when, then| {
        when.method(DELETE);
        then.status(200).body("<html>welcome to the hotel's network</html>");
    });
    let owner = Owner { login: "octo-org".to_owned(), kind: OwnerKind::Organization };
    let failure = with_client(&server.base_url(), async |client: Client| {
        // the waits between the attempts are cut short: what it was decided on is too old by then
        client.delete_version(&owner, &package("a"), 1, Duration::from_millis(500)).await.unwrap_err()
    });
    assert_eq!((failure.kind, failure.perhaps_done), (FailureKind::Stale, true));
    page.assert_calls(1);
}

#[test]
fn errors_carry_githubs_message_and_request_id() {
    let server = MockServer::start();
    server.mock(|when, then| {
        when.any_request();
        let body: Value = json!({"message": "Package not found.", "status": "404"});
        then.status(404).header("x-github-request-id", "C0FE:1").json_body(body);
    });
    let failure = with_client(&server.base_url(), async |client: Client| client.account("octocat").await.unwrap_err());
    assert_eq!(failure.to_string(), "GET /users/octocat was answered with 404: Package not found. (request id C0FE:1)");
}
