//! The worked cases of images with parts, in their order.

use super::*;

#[test]
fn case_1_children_of_a_kept_index_are_needed() {
    goes("I[v1] -> c1,c2", &UNTAGGED, "");
    let package = Package::new("I[v1] -> c1,c2");
    let ended = run(&package.simulator, &UNTAGGED);
    let digest = &package.digest("I")["sha256:".len()..][..12];
    assert_eq!(package.reason(&ended, "c1"), format!("needed by v1 (sha256:{digest}…)"));
}

#[test]
fn cases_2_and_3_a_shared_child_stays_for_the_other() {
    // `goes` runs twice: the second run is case 3
    goes("I1[rc] -> c1,c2 · I2[v1] -> c1,c3", &[("tags", "rc")], "I1 c2");
}

#[test]
fn case_4_tagged_children_are_children() {
    goes("a[x-amd64] · b[x-arm64] · I[latest] -> a,b", &[("tags", ".*-(amd64|arm64)")], "");
}

#[test]
fn case_5_every_tag_must_match() {
    goes("X[pr-1,v1.0] · Y[pr-2,pr-3]", &[("tags", "pr-.*")], "Y");
}

#[test]
fn cases_6_and_7_referrers_stay_and_go_with_their_subject() {
    let state = "S[v1] · R subject S · T[sha256-S] => R";
    goes(state, &UNTAGGED, "");
    goes(&format!("{state} · other[v2]"), &[("tags", "v1")], "S R T");
}

#[test]
fn case_8_the_referrer_of_a_child_is_needed() {
    goes("I[v1] -> c1 · R subject c1", &UNTAGGED, "");
}

#[test]
fn case_9_a_nested_index_is_walked() {
    goes("J -> c1 · I[v1] -> J", &UNTAGGED, "");
    goes("J -> c1 · I[v1] -> J · other[v2]", &[("tags", "v1")], "I J c1");
}

#[test]
fn case_10_the_pool_is_made_of_roots_and_before_the_age_test() {
    let state = "i3[i3] 20 · u3 10 · i2[i2] 10 · u2 1 · u1 1 · i1[i1] 1";
    goes(state, &[("tag-status", "tagged"), ("older-than", "7d"), ("keep-latest", "2")], "i3");
}

#[test]
fn case_13_a_manifest_that_cannot_be_read_ends_its_package() {
    let package = Package::with("a[pr-1] · b[v1]", |github| {
        let digest = simulator::digest_of("b");
        github
            .fault(Fault::on("GET", &digest, Effect::Answer(Answer::json(403, &serde_json::json!({"errors": []})))))
            .package("octo-org", "container", "other", images("x[pr-1] · y[v1]"))
    });
    let ended = run(&package.simulator, &[("packages", "app,other"), ("tags", "pr-.*")]);
    assert_eq!((ended.code, ended.output("status")), (Some(1), "failed"), "{}", ended.log);
    assert_eq!(package.left(), ["a", "b"]);
    assert_eq!(package.simulator.github().left("other"), ["v1"], "the other package goes on");
    let digest = package.digest("b");
    assert!(ended.log.contains(&digest) && ended.log.contains("[v1]"), "{}", ended.log);
    assert_eq!((ended.count("deleted"), ended.count("kept")), (1, 3));
}

#[test]
fn case_17_the_last_tagged_image_stays_or_the_package_goes() {
    goes("a[a] 9 · b[b] 3", &[("tags", ".*")], "a");
    let package = Package::new("a[a] 9 · b[b] 3");
    let ended = run(&package.simulator, &[("tags", ".*"), ("delete-empty-package", "true")]);
    assert_eq!((ended.code, ended.count("deleted"), ended.count("retained")), (Some(0), 2, 0), "{}", ended.log);
    assert_eq!(package.simulator.changes(), ["DELETE /orgs/octo-org/packages/container/app"]);
}

#[test]
fn case_18_a_signature_is_no_image_and_stays_with_its_own() {
    goes("S[v1] 9 · T[sha256-S.sig] 3", &[("tags", ".*")], "");
}

#[test]
fn case_19_parts_of_a_root_that_github_keeps_stay() {
    let package = Package::new("X[pr-1] -> c1,c2 · v[v1]");
    let root = package.digest("X");
    for version in &mut package.simulator.github().package_mut("app").versions {
        if version.name == root {
            version.downloads = 6_000;
        }
    }
    let ended = run(&package.simulator, &[("tags", "pr-.*")]);
    assert_eq!((ended.code, ended.count("retained"), ended.count("skipped")), (Some(0), 1, 2), "{}", ended.log);
    assert_eq!(package.left(), ["X", "c1", "c2", "v"]);
    assert!(package.reason(&ended, "c1").starts_with("needed by pr-1"), "{}", package.reason(&ended, "c1"));
    assert_eq!(package.outcome(&ended, "c1"), "skipped");
}

#[test]
fn case_20_untagged_single_images_go() {
    goes("dummy[dummy] · S36 · S35 · S34[1.34]", &dummy(&[("tag-status", "untagged")]), "S36 S35");
}

#[test]
fn case_21_untagged_multi_arch_images_go_with_their_children() {
    let state = ["dummy[dummy]", &seven("M36", ""), &seven("M35", ""), &seven("M34", "1.34")].join(" · ");
    let gone = [with_children("M36"), with_children("M35")].join(" ");
    goes(&state, &dummy(&[("tag-status", "untagged")]), &gone);
}

#[test]
fn case_22_tagged_multi_arch_images_go_with_their_children() {
    let image = |number: u32| seven(&format!("M{number}"), &format!("1.{number}-uclibc"));
    let state = format!("dummy[dummy] · {}", [36, 35, 34, 33].map(image).join(" · "));
    let gone = [with_children("M36"), with_children("M35")].join(" ");
    goes(&state, &dummy(&[("tags", r"1\.3[56]-uclibc")]), &gone);
}

#[test]
fn case_23_keep_latest_counts_images_and_not_their_children() {
    let state = [
        "dummy[dummy] 90".to_owned(),
        seven("M32", "uclibc-rc32").replace("] ->", "] 80 ->"),
        seven("M33", "").replace("] ->", "] 70 ->"),
        seven("M34", "1.34-uclibc").replace("] ->", "] 60 ->"),
        seven("M35", "uclibc-rc35").replace("] ->", "] 50 ->"),
        seven("M36", "uclibc-rc36").replace("] ->", "] 40 ->"),
    ]
    .join(" · ");
    goes(&state, &dummy(&[("tags", ".*-rc.*"), ("keep-latest", "2")]), &with_children("M32"));
}

#[test]
fn case_24_tags_are_taken_off_and_the_image_stays() {
    let package = Package::new("dummy[dummy] · S36[tag1,tag2,tag3] · S32 · S33[1.33]");
    let inputs = dummy(&[("tags", "tag[12]"), ("partial-match", "untag")]);
    let dry = run(&package.simulator, &[&inputs[..], &[("dry-run", "true")]].concat());
    assert_eq!((dry.code, dry.count("selected"), package.simulator.changes().len()), (Some(0), 1, 0), "{}", dry.log);
    let ended = run(&package.simulator, &inputs);
    assert_eq!((ended.code, ended.output("status")), (Some(0), "complete"), "{}", ended.log);
    assert_eq!((ended.count("untagged"), ended.count("deleted"), ended.count("kept")), (1, 0, 3));
    assert_eq!(package.left(), ["S32", "S33", "S36", "dummy"]);
    let tags = package.simulator.github().left("app");
    assert_eq!(tags, ["dummy", "tag3", &package.digest("S32"), "1.33"]);
    let version = ended.version(&package.digest("S36"));
    assert_eq!((&version["decision"], &version["untag"]), (&"untag".into(), &serde_json::json!(["tag1", "tag2"])));
    let deletions = package.simulator.changes().into_iter().filter(|change| change.starts_with("DELETE")).count();
    assert_eq!(deletions, 1, "the copy alone was deleted");
    assert_eq!(run(&package.simulator, &inputs).count("selected"), 0, "a second run has nothing to do");
}

#[test]
fn case_25_where_every_tag_matches_the_image_goes() {
    let state = "dummy[dummy] · S36[tag1,tag2,tag3] · S32 · S33[1.33]";
    goes(state, &dummy(&[("tags", ".*tag.*"), ("partial-match", "untag")]), "S36");
}

#[test]
fn case_26_latest_and_numbers_share_one_pool() {
    let state = "dummy[dummy] 40 · S36[v1.0] 30 · S32[v1.1,latest] 20 · S33[v1.2] 10";
    goes(state, &dummy(&[("tags", "v1\\.\\d+\nlatest"), ("keep-latest", "2")]), "S36");
}

#[test]
fn case_27_an_image_made_of_the_platforms_of_another() {
    goes("dummy[dummy] · I1[image1] -> a,b · I2[image2] -> a,b,c", &dummy(&[("tags", "image2")]), "I2 c");
}

#[test]
fn case_28_provenance_and_attestations_go_with_their_image() {
    let state = "dummy[dummy] · I[test] -> amd64,att · B subject I · T[sha256-I] => B";
    goes(state, &dummy(&[("tags", "test")]), "I amd64 att B T");
}

#[test]
fn cases_29_and_30_ghosts_and_partial_images_are_taken_apart() {
    let gone = (1..=7).map(|number| format!("!M33-{number}")).collect::<Vec<_>>().join(",");
    let half = (1..=7).map(|number| format!("{}M34-{number}", if number < 3 { "!" } else { "" })).collect::<Vec<_>>();
    let state = format!("dummy[dummy] · M33[1.33] -> {gone} · M34[1.34] -> {} · E[1.35] ->", half.join(","));
    let partial = "M34 M34-3 M34-4 M34-5 M34-6 M34-7";
    goes(&state, &dummy(&[("delete-ghost-images", "true")]), "M33");
    goes(&state, &dummy(&[("delete-partial-images", "true")]), partial);
    let both = [("delete-ghost-images", "true"), ("delete-partial-images", "true")];
    goes(&state, &dummy(&both), &format!("M33 {partial}"));
    goes(&state, &dummy(&[both[0], both[1], ("older-than", "200d")]), "");
}

#[test]
fn case_44_any_takes_matching_and_untagged_images() {
    goes("a[pr-1] 9 · b 9 · c[v1] 9", &[("tag-status", "any"), ("tags", "pr-.*")], "a b");
}

#[test]
fn a_package_of_one_image_and_its_parts_goes_with_it() {
    let package = Package::new("A[pr-1] -> a,b");
    let ended = run(&package.simulator, &[("tags", ".*"), ("delete-empty-package", "true")]);
    assert_eq!((ended.code, ended.count("deleted")), (Some(0), 3), "{}", ended.log);
    assert!(package.simulator.github().package_mut("app").deleted_at.is_some());
}
