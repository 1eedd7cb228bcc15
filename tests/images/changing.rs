//! In what order things go, what ends a package, and what is there in the end.

use super::*;

#[test]
fn roots_go_before_their_children_and_these_before_their_referrers() {
    // one of the referrers is older than the children
    let state = "O[sha256-I.sig] · I[pr-1] -> a,b · R subject I · T[sha256-I] => R · S[sha256-a.sig] · v[v1]";
    let package = Package::new(state);
    let ids: BTreeMap<u64, String> = {
        let mut github = package.simulator.github();
        let versions = &github.package_mut("app").versions;
        versions.iter().map(|version| (version.id, package.name(&version.name))).collect()
    };
    assert_eq!(package.goes(&[("tags", "pr-.*"), ("concurrency", "1")]).len(), 7);
    let order = package.simulator.changes();
    let order: Vec<_> = order
        .iter()
        .map(|change| ids[&change.rsplit('/').next().expect("an id").parse::<u64>().expect("an id")].as_str())
        .collect();
    let place = |name: &str| order.iter().position(|each| *each == name).expect("it went");
    assert_eq!(place("I"), 0, "{order:?}");
    assert!(
        ["a", "b"].iter().all(|child| ["O", "R", "T", "S"].iter().all(|late| place(child) < place(late))),
        "{order:?}"
    );
    assert!(place("T") < place("R"), "what lists a referrer goes before it: {order:?}");
}

#[test]
fn a_right_that_is_missing_leaves_the_whole_image() {
    let package = Package::with("I[pr-1] -> a,b · v[v1]", |github| {
        github.token(TOKEN, Token::classic("octocat", &["read:packages", "delete:packages"]).without_admin())
    });
    let ended = run(&package.simulator, &[("tags", "pr-.*")]);
    assert_eq!((ended.code, ended.count("failed"), ended.count("skipped")), (Some(1), 1, 2), "{}", ended.log);
    assert_eq!(package.left(), ["I", "a", "b", "v"]);
}

#[test]
fn a_part_of_two_images_waits_for_both() {
    let package = Package::new("I[pr-1] -> a,b · J[pr-2] -> b,c · v[v1]");
    let refused = package.digest("J");
    for version in &mut package.simulator.github().package_mut("app").versions {
        if version.name == refused {
            version.downloads = 6_000;
        }
    }
    let ended = run(&package.simulator, &[("tags", "pr-.*")]);
    assert_eq!((ended.code, ended.count("retained")), (Some(0), 1), "{}", ended.log);
    assert_eq!(package.left(), ["J", "b", "c", "v"], "b is J's too");
    assert!(package.simulator.github().broken_images().is_empty());
}

#[test]
fn another_job_that_deletes_what_is_kept_is_told_and_not_undone() {
    let package = Package::new("P[pr-1] · I[v1] -> a,b · w[v2]");
    let (child, single) = (package.digest("a"), package.digest("w"));
    for (digest, code) in [(child, 1), (single, 0)] {
        let package = Package::with("P[pr-1] · I[v1] -> a,b · w[v2]", |github| {
            let digest = digest.clone();
            let other_job = Effect::Meanwhile(std::sync::Arc::new(move |github: &mut GitHub| github.delete(&digest)));
            github.fault(Fault::on("DELETE", "/versions/", other_job).times(1))
        });
        let ended = run(&package.simulator, &[("tags", "pr-.*")]);
        assert_eq!((ended.code, ended.count("deleted")), (Some(code), 1), "{}", ended.log);
        assert!(ended.log.contains("This run did not delete it"), "{}", ended.log);
        assert_eq!(ended.log.contains("is broken"), code == 1, "{}", ended.log);
        assert!(!package.simulator.changes().iter().any(|change| change.contains("restore")));
    }
}

#[test]
fn what_an_index_pushed_under_way_needs_is_brought_back() {
    let package = Package::with("a[x] 3 · P[pr-1] -> a1,b1 · v[v1]", |github| {
        let versions = images("N[v2] 0.0 -> a1,b1");
        let index = versions.into_iter().find(|version| version.tags == ["v2"]).expect("the index");
        let push = Effect::Meanwhile(std::sync::Arc::new(move |github: &mut GitHub| github.push("app", index.clone())));
        // the push comes in while the last deletion is under way
        github.fault(Fault::on("DELETE", "/versions/", push).after(2).times(1))
    });
    let ended = run(&package.simulator, &[("tags", "pr-.*")]);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(package.simulator.github().broken_images().is_empty(), "{}", ended.log);
    assert!(ended.log.contains("was brought back: v2"), "{}", ended.log);
    assert_eq!((ended.count("deleted"), ended.count("skipped"), ended.count("selected")), (1, 2, 3));
}

#[test]
fn a_listing_that_lags_behind_hides_nothing_that_is_needed_again() {
    let state = "P[pr-1] -> a1,b1 · v[v1]";
    let all = images(&format!("{state} · N[v2] 0.0 -> a1,b1"));
    let index = all.last().expect("the index").clone();
    // it shows what was deleted, beside the index that needs it
    let lagging = world(all).listing("app");
    let package = Package::with(state, |github| {
        let push = Effect::Meanwhile(std::sync::Arc::new(move |github: &mut GitHub| github.push("app", index.clone())));
        github
            .fault(Fault::on("DELETE", "/versions/", push).after(2).times(1))
            .fault(Fault::on("GET", "/versions?", Effect::Answer(lagging)).after(1).times(1))
    });
    let ended = run(&package.simulator, &[("tags", "pr-.*")]);
    assert_eq!((ended.code, ended.count("deleted")), (Some(0), 1), "{}", ended.log);
    assert!(package.simulator.github().broken_images().is_empty(), "{}", ended.log);
}

#[test]
fn what_is_brought_back_comes_with_all_it_lists() {
    let state = "J -> a1,b1 · P[pr-1] -> J,c1 · v[v1]";
    let package = Package::with(state, |github| {
        let index = images("J -> a1,b1 · N[v2] 0.0 -> J").into_iter().find(|version| version.tags == ["v2"]);
        let index = index.expect("the index");
        let push = Effect::Meanwhile(std::sync::Arc::new(move |github: &mut GitHub| github.push("app", index.clone())));
        github.fault(Fault::on("DELETE", "/versions/", push).after(4).times(1))
    });
    let ended = run(&package.simulator, &[("tags", "pr-.*"), ("concurrency", "1")]);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(package.simulator.github().broken_images().is_empty(), "{}", ended.log);
    let restored: Vec<_> =
        package.simulator.changes().into_iter().filter(|change| change.ends_with("/restore")).collect();
    assert_eq!(restored.len(), 3, "J and what it lists, not c1: {restored:?}");
    assert_eq!((package.outcome(&ended, "J"), package.outcome(&ended, "c1")), ("skipped".into(), "done".into()));
}

#[test]
fn nothing_is_looked_at_again_without_verify_or_without_a_change() {
    let package = Package::new("P[pr-1] · v[v1]");
    package.goes(&[("tags", "pr-.*"), ("verify", "false")]);
    let listings = |package: &Package| {
        package.simulator.requests().into_iter().filter(|request| request.path.ends_with("/versions")).count()
    };
    assert_eq!(listings(&package), 1);
    package.goes(&[("tags", "nothing")]);
    assert_eq!(listings(&package), 2);
}

#[test]
fn a_package_to_which_something_was_added_is_not_deleted() {
    let package = Package::with("I[a] 9 -> x,y · b[b] 3", |github| {
        let push = |github: &mut GitHub| github.push("app", Version::image("new", &["new"]));
        let push = Effect::Meanwhile(std::sync::Arc::new(push));
        github.fault(Fault::on("GET", "/versions?", push).after(1).times(1))
    });
    let ended = run(&package.simulator, &[("tags", ".*"), ("delete-empty-package", "true")]);
    assert_eq!((ended.code, ended.count("deleted"), ended.count("retained")), (Some(0), 3, 1), "{}", ended.log);
    assert_eq!(package.simulator.github().left("app"), ["b", "new"]);
    assert_eq!(package.reason(&ended, "b"), "last tagged image");
}

#[test]
fn a_package_goes_only_if_just_what_was_planned_is_there() {
    let relisting = |effect| Fault::on("GET", "/versions?", effect).after(1).times(1);
    let whole = "DELETE /orgs/octo-org/packages/container/app".to_owned();
    let inputs = [("tag-status", "any"), ("tags", ".*"), ("untagged-grace", "0s"), ("delete-empty-package", "true")];
    // one is gone and another is new: there are as many as before
    let package = Package::with("a[a] 9 · b[b] 5", |github| {
        github.fault(relisting(meanwhile(|github| {
            github.delete(&simulator::digest_of("b"));
            github.push("app", Version::image("new", &["v9"]));
        })))
    });
    let ended = run(&package.simulator, &inputs);
    assert!(!package.simulator.changes().contains(&whole), "{}", ended.log);
    // one is gone and nothing else is there
    let package = Package::with("u · S[v1] · T[sha256-S.sig]", |github| {
        github.fault(relisting(meanwhile(|github| github.delete(&simulator::digest_of("u")))))
    });
    let ended = run(&package.simulator, &inputs);
    assert_eq!(package.simulator.changes(), [whole], "{}", ended.log);
}

#[test]
fn a_package_that_may_not_be_deleted_is_told_as_such() {
    for (downloads, admin, code, says) in [(6_000, true, 0, "more than 5000 downloads"), (0, false, 1, "Admin")] {
        let package = Package::with("a[a] 9 · b[b] 3", |mut github| {
            github.package_mut("app").versions[0].downloads = downloads;
            let token = Token::workflow();
            github.token(TOKEN, if admin { token } else { token.without_admin() })
        });
        let ended = run(&package.simulator, &[("tags", ".*"), ("delete-empty-package", "true")]);
        assert_eq!((ended.code, package.left()), (Some(code), vec!["a".to_owned(), "b".to_owned()]), "{}", ended.log);
        assert!(ended.log.contains(says), "{}", ended.log);
        assert_eq!(package.simulator.changes().len(), 1, "it is tried once: {:?}", package.simulator.changes());
        assert_eq!(ended.count("retained") + ended.count("failed"), 2);
    }
}

#[test]
fn a_retained_image_does_not_take_the_place_of_others_within_the_limit() {
    let inputs = [("tag-status", "any"), ("tags", ".*"), ("untagged-grace", "0s"), ("limit", "1")];
    let package = Package::new("A[a] 30 · u 10");
    assert_eq!(package.goes(&inputs), ["u"]);
    // where the limit leaves another, none has to be retained
    let package = Package::new("A[a] 30 · B[b] 20 · C[c] 10");
    let ended = run(&package.simulator, &inputs);
    assert_eq!((ended.count("deleted"), ended.count("retained"), ended.count("kept")), (1, 0, 2), "{}", ended.log);
    assert_eq!(package.reason(&ended, "C"), "left for the next run (limit 1)");
}

#[test]
fn a_refused_package_does_not_take_the_place_of_others_within_the_limit() {
    let package = Package::with("a[pr-1] 90 · b[v1] 90", |github| {
        let other = images("x[pr-1] 50 · y[v1] 50 · z[v2] 50");
        github.package("octo-org", "container", "other", other)
    });
    let inputs = [("packages", "app,other"), ("tags", "pr-.*"), ("limit", "1"), ("max-delete-percent", "40")];
    let ended = run(&package.simulator, &inputs);
    assert_eq!((ended.output("status"), ended.count("deleted")), ("refused", 1), "{}", ended.log);
    assert_eq!(package.left(), ["a", "b"]);
}
