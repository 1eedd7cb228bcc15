//! Tags that come off images that stay.

use super::*;

#[test]
fn a_tag_is_not_taken_off_with_a_token_that_may_not_push() {
    let package = Package::with("S[pr-1,v1] · w[v2]", |github| {
        github.token(TOKEN, Token::classic("octocat", &["read:packages", "delete:packages"]))
    });
    let ended = run(&package.simulator, &[("tags", "pr-.*"), ("partial-match", "untag")]);
    assert_eq!((ended.code, package.simulator.changes().len()), (Some(1), 0), "{}", ended.log);
    assert!(ended.log.contains("lacks the scope write:packages"), "{}", ended.log);
}

#[test]
fn a_tag_comes_off_an_index_and_off_several_images_each_by_itself() {
    let package = Package::new("I[pr-1,v1] -> a,b · J[pr-2,v2] -> b,c · S[pr-3,pr-4,v3] · w[v4]");
    let ended = run(&package.simulator, &[("tags", "pr-.*"), ("partial-match", "untag")]);
    assert_eq!((ended.code, ended.count("untagged")), (Some(0), 3), "{}", ended.log);
    let mut tags: Vec<_> = {
        let mut github = package.simulator.github();
        github.package_mut("app").versions.iter().flat_map(|version| version.tags.clone()).collect()
    };
    tags.sort();
    assert_eq!(tags, ["v1", "v2", "v3", "v4"]);
    assert_eq!(package.left(), ["I", "J", "S", "a", "b", "c", "w"]);
    assert!(package.simulator.github().broken_images().is_empty());
}

#[test]
fn a_tag_comes_off_a_child_that_was_never_read() {
    let package = Package::new("a[pr-1-amd64,keep-amd64] · I[pr-1] -> a,b · w[v1]");
    let ended = run(&package.simulator, &[("tags", "pr-.*"), ("partial-match", "untag")]);
    assert_eq!((ended.code, ended.count("untagged"), ended.count("deleted")), (Some(0), 1, 2), "{}", ended.log);
    assert_eq!(package.simulator.github().left("app"), ["keep-amd64", "v1"]);
    assert!(package.simulator.pulls().values().all(|count| *count == 1));
}

#[test]
fn what_a_sweep_makes_an_orphan_goes_with_all_its_tags_and_not_its_parts_alone() {
    let state = "S[pr-2] · R[pr-1,keep] subject S · RR subject R · v[v1]";
    let inputs = [("tags", "pr-.*"), ("partial-match", "untag"), ("delete-orphaned-images", "true")];
    goes(state, &inputs, "S R RR");
    // without the sweep it stays, with what it needs
    let package = Package::new(state);
    let ended = run(&package.simulator, &inputs[..2]);
    assert_eq!((ended.count("deleted"), ended.count("untagged")), (1, 1), "{}", ended.log);
    assert_eq!(package.left(), ["R", "RR", "v"]);
}

#[test]
fn the_tags_of_a_child_stay_if_its_image_does() {
    let package = Package::new("a[pr-1-amd64,keep] · I[pr-1] => a · v[v1]");
    let root = package.digest("I");
    for version in &mut package.simulator.github().package_mut("app").versions {
        if version.name == root {
            version.downloads = 6_000;
        }
    }
    let ended = run(&package.simulator, &[("tags", "pr-.*"), ("partial-match", "untag")]);
    let counts = ["retained", "untagged", "skipped"].map(|name| ended.count(name));
    assert_eq!(counts, [1, 0, 1], "{}", ended.log);
    assert!(package.reason(&ended, "a").starts_with("needed by pr-1"));
}

#[test]
fn what_protects_an_image_protects_its_tags() {
    let package = Package::new("S[pr-1,latest] · T[pr-2,v2] 3 · w[v3]");
    let inputs = [("tags", "pr-.*"), ("partial-match", "untag"), ("older-than", "7d")];
    assert_eq!(run(&package.simulator, &inputs).count("selected"), 0);
}
