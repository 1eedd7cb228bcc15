//! The walk: a few small images are pushed, and everything the product does is done to them.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    observations::Observations,
    runner::Ended,
    service::{IMAGE, INDEX, Service},
};

/// An image without files; `name` makes it another one than the rest.
fn image(service: &Service, name: &str, subject: Option<&Value>) -> Value {
    let config = service.blob("application/vnd.oci.image.config.v1+json", br#"{"architecture":"amd64","os":"linux"}"#);
    let mut manifest = json!({
        "schemaVersion": 2, "mediaType": IMAGE, "config": config, "layers": [], "annotations": {"name": name},
    });
    if let Some(subject) = subject {
        manifest["artifactType"] = json!("application/vnd.tidy-packages.live");
        manifest["subject"] = subject.clone();
    }
    manifest
}

/// What stands for a manifest in another one.
fn descriptor(manifest: &Value, digest: &str) -> Value {
    json!({"mediaType": manifest["mediaType"], "digest": digest, "size": manifest.to_string().len()})
}

/// Ids of versions by their digests.
fn ids(versions: &[Value]) -> BTreeSet<(String, u64)> {
    let pairs =
        versions.iter().filter_map(|version| Some((version["name"].as_str()?.to_owned(), version["id"].as_u64()?)));
    pairs.collect()
}

fn outcome(ended: &Ended) -> String {
    let counts = ["deleted", "untagged", "restored", "failed"].map(|name| format!("{} {name}", ended.output(name)));
    format!("{}: {}", ended.output("status"), counts.join(", "))
}

fn tags(version: &Value) -> String {
    let tags = version["metadata"]["container"]["tags"].as_array().cloned().unwrap_or_default();
    let mut tags: Vec<_> = tags.iter().filter_map(Value::as_str).collect();
    tags.sort_unstable();
    tags.join(",")
}

/// Takes the walk, and throws the package away.
pub fn walk(service: &Service) -> Observations {
    let mut seen = Observations::default();
    let before = service.package(Method::GET, "");
    assert_eq!(before.status, 404, "{} is there already: name a package that is not", service.package);

    // an image of two platforms with a referrer, a plain one, and one with two tags
    let platforms = ["first", "second"].map(|name| {
        let manifest = image(service, name, None);
        let (digest, _) = service.push(IMAGE, &manifest, None);
        descriptor(&manifest, &digest)
    });
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": platforms});
    let (index_digest, _) = service.push(INDEX, &index, Some("pr-1"));
    let referrer = image(service, "referrer", Some(&descriptor(&index, &index_digest)));
    let (referrer_digest, pushed) = service.push(IMAGE, &referrer, None);
    seen.assume(
        "a push of a referrer is answered with OCI-Subject",
        "no",
        yes(!pushed.header("oci-subject").is_empty()),
    );
    let plain = image(service, "plain", None);
    let (plain_digest, _) = service.push(IMAGE, &plain, Some("keep"));
    let double = image(service, "double", None);
    let (double_digest, _) = service.push(IMAGE, &double, Some("moving"));
    service.push(IMAGE, &double, Some("fixed"));
    let all = [&index_digest, &referrer_digest, &plain_digest, &double_digest];
    all.iter().for_each(|digest| drop(service.version(digest)));

    listing(service, &mut seen);
    registry(service, &mut seen, &index_digest, &plain_digest);
    errors(service, &mut seen, &plain_digest);
    delete_and_undo(service, &mut seen, &index_digest);
    untag(service, &mut seen, &double_digest);
    last_tagged(service, &mut seen, &plain_digest);
    whole_package(service, &mut seen);
    limits(service, &mut seen);
    seen
}

fn yes(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}

fn listing(service: &Service, seen: &mut Observations) {
    let page = service.package(Method::GET, "/versions?per_page=2");
    seen.assume(
        "the first of several pages names the last one",
        "yes",
        yes(page.header("link").contains("rel=\"last\"")),
    );
    seen.assume("per_page is kept", 2, page.body.as_array().map_or(0, Vec::len));
    let all = service.versions("active");
    let count = service.package(Method::GET, "").body["version_count"].clone();
    seen.assume("version_count is the number of active versions", all.len(), count);
    let created: Vec<_> = all.iter().filter_map(|version| version["created_at"].as_str()).collect();
    seen.note("the newest version is listed first", yes(created.is_sorted_by(|left, right| left >= right)));
    seen.note("scopes the token tells of itself", page.header("x-oauth-scopes"));
    seen.note("the primary limit", page.header("x-ratelimit-limit"));
    seen.note("the primary limit counts for", page.header("x-ratelimit-resource"));
    let ended = service.step().input("mode", "report").run();
    seen.assume("an inventory", "complete: 0 deleted, 0 untagged, 0 restored, 0 failed", outcome(&ended));
}

fn registry(service: &Service, seen: &mut Observations, index: &str, plain: &str) {
    let by_digest = format!("/manifests/{plain}");
    seen.assume("HEAD of a manifest", 200, service.registry(Method::HEAD, &by_digest).status);
    let referrers = service.referrers(index);
    let is_index = referrers.status == 200 && referrers.header("content-type").starts_with(INDEX);
    seen.assume("the referrers API works", "no", yes(is_index));
    seen.note("the referrers API answers with", referrers.status);
    seen.note("GitHub's token in base64 opens the registry", yes(service.short_cut(plain).status == 200));
    seen.assume("the registry deletes manifests", 405, service.registry(Method::DELETE, &by_digest).status);
}

fn errors(service: &Service, seen: &mut Observations, plain: &str) {
    let id = service.version(plain)["id"].clone();
    let restored = service.package(Method::POST, &format!("/versions/{id}/restore"));
    seen.note("restoring what is not deleted", restored.told());
    seen.assume("restoring what never was", 404, service.package(Method::POST, "/versions/1/restore").status);
    seen.assume("a version that never was", 404, service.package(Method::GET, "/versions/1").status);
    seen.assume("deleting what never was", 404, service.package(Method::DELETE, "/versions/1").status);
    let unknown = service.api(Method::GET, &format!("/users/{}/packages?package_type=unknown", service.owner));
    seen.note("a type of packages that is none", unknown.told());
}

fn delete_and_undo(service: &Service, seen: &mut Observations, index: &str) {
    let before = service.versions("active");
    let pulls = |digest: &str| service.registry(Method::GET, &format!("/manifests/{digest}")).status;
    let step = || service.step().inputs("tags=pr-.* untagged-grace=0s");
    let dry = step().input("dry-run", "true").run();
    seen.assume("a dry run selects the image, its platforms and its referrer", 4, dry.count("selected"));
    let deletion = step().run();
    seen.assume("they go", "complete: 4 deleted, 0 untagged, 0 restored, 0 failed", outcome(&deletion));
    seen.assume("a deleted manifest can be pulled", 404, pulls(index));
    let deleted = service.until(|| Some(service.versions("deleted")).filter(|deleted| deleted.len() == 4));
    let deleted = deleted.unwrap_or_else(|| service.versions("deleted"));
    seen.assume("deleted versions are listed", 4, deleted.len());
    let of_index = deleted.iter().find(|version| version["name"] == index).cloned().unwrap_or_default();
    seen.note("a deleted version shows its tags", tags(&of_index));
    let again = service.package(Method::DELETE, &format!("/versions/{}", of_index["id"]));
    seen.assume("deleting what is deleted", 404, again.status);
    seen.note("deleting what is deleted, in words", again.told());

    let report = std::fs::read(deletion.workspace().join(deletion.output("report"))).unwrap();
    let undo = service.step().inputs("mode=restore from-report=report.json");
    std::fs::write(undo.workspace().join("report.json"), report).unwrap();
    let undone = undo.run();
    seen.assume("they come back", "complete: 0 deleted, 0 untagged, 4 restored, 0 failed", outcome(&undone));
    let after = service.until(|| Some(service.versions("active")).filter(|after| ids(after) == ids(&before)));
    seen.assume("with the same ids and digests", "yes", yes(after.is_some()));
    seen.assume("their tags are back", "pr-1", tags(&service.version(index)));
    seen.note("a tag had to be put back by a push", yes(undone.log.contains("  put pr-1 on ")));
    seen.assume(
        "a restored manifest can be pulled",
        200,
        service.until(|| Some(pulls(index)).filter(|it| *it == 200)).unwrap_or(404),
    );
    let stamp = |versions: &[Value]| versions.iter().find(|it| it["name"] == index).map(|it| it["updated_at"].clone());
    seen.note(
        "updated_at is the same after deletion and restoration",
        yes(stamp(&before) == after.as_deref().and_then(stamp)),
    );
}

fn untag(service: &Service, seen: &mut Observations, double: &str) {
    seen.assume("one image, two tags, one version", "fixed,moving", tags(&service.version(double)));
    let before = service.version(double)["updated_at"].clone();
    let ended = service.step().inputs("tags=moving partial-match=untag").run();
    seen.assume("one of its tags comes off", "complete: 0 deleted, 1 untagged, 0 restored, 0 failed", outcome(&ended));
    let left = service.until(|| Some(tags(&service.version(double))).filter(|tags| tags == "fixed"));
    seen.assume("the other one stays", "fixed", left.unwrap_or_default());
    seen.note("updated_at is the same without the tag", yes(before == service.version(double)["updated_at"]));
}

fn last_tagged(service: &Service, seen: &mut Observations, plain: &str) {
    let ended = service.step().inputs("tags=.* exclude-tags=keep").run();
    seen.assume("all but one image go", "complete", ended.output("status"));
    let id = service.version(plain)["id"].clone();
    let refused = service.package(Method::DELETE, &format!("/versions/{id}"));
    seen.assume("GitHub deletes the last tagged version", 400, refused.status);
    seen.assume("and says so", "yes", yes(refused.message().contains("last tagged version")));
    seen.note("in these words", refused.told());
}

fn whole_package(service: &Service, seen: &mut Observations) {
    let step = || service.step().inputs("target=packages exclude-tags=none untagged-grace=0s");
    let ended = step().run();
    seen.assume("the whole package goes", "complete", ended.output("status"));
    seen.assume("it is gone", 404, service.package(Method::GET, "").status);
    let ended = service.step().inputs("target=packages mode=restore").run();
    seen.assume("it comes back", "complete", ended.output("status"));
    let versions = service.until(|| Some(service.versions("active")).filter(|versions| !versions.is_empty()));
    seen.assume("with its versions", 1, versions.map_or(0, |versions| versions.len()));
    seen.assume("and goes again", "complete", step().run().output("status"));
}

/// The last question, since what comes after a limit says nothing.
fn limits(service: &Service, seen: &mut Observations) {
    // 80 of what GitHub calls content-generating are allowed in a minute; that deletions are such, nobody has said
    let refused = (1..=90).find_map(|number| {
        let answer = service.package(Method::DELETE, "/versions/1");
        (answer.status != 404).then(|| format!("number {number}: {}", answer.told()))
    });
    seen.note("of 90 deletions in a row, the first that meets a limit", refused.as_deref().unwrap_or("none"));
}
