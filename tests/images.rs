//! Images from outside: what a person who pulls finds after the real binary ran against a real
//! server with an API and a registry.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "these are tests")]

use std::collections::BTreeMap;

mod runner;
mod simulator;

use runner::{Ended, Step, TOKEN};
use simulator::{Answer, Effect, Fault, GitHub, Manifest, Simulator, Token, Version, images};

fn world(versions: Vec<Version>) -> GitHub {
    GitHub::new()
        .organization("octo-org")
        .user("octocat")
        .token(TOKEN, Token::classic("octocat", &["read:packages", "write:packages", "delete:packages"]))
        .package("octo-org", "container", "app", versions)
}

fn run(simulator: &Simulator, inputs: &[(&str, &str)]) -> Ended {
    inputs.iter().fold(Step::new(simulator.url()), |step, (name, value)| step.input(name, value)).run()
}

/// A package under a short form, and what its versions are called there.
struct Package {
    simulator: Simulator,
    names: BTreeMap<String, String>,
}

impl Package {
    fn new(text: &str) -> Self {
        Self::with(text, |github| github)
    }

    fn with(text: &str, change: impl FnOnce(GitHub) -> GitHub) -> Self {
        let versions = images(text);
        let names = names(text, &versions);
        Self { simulator: Simulator::start(change(world(versions))), names }
    }

    fn name(&self, digest: &str) -> String {
        self.names.get(digest).cloned().unwrap_or_else(|| digest.to_owned())
    }

    fn digest(&self, name: &str) -> String {
        let found = self.names.iter().find(|(_, known)| *known == name);
        found.map(|(digest, _)| digest.clone()).unwrap_or_else(|| panic!("no {name}"))
    }

    /// What is there, by the names of the short form, sorted.
    fn left(&self) -> Vec<String> {
        let digests: Vec<_> =
            self.simulator.github().package_mut("app").versions.iter().map(|version| version.name.clone()).collect();
        let mut left: Vec<_> = digests.iter().map(|digest| self.name(digest)).collect();
        left.sort();
        left
    }

    /// Runs a step that has to succeed, and says what went.
    #[track_caller]
    fn goes(&self, inputs: &[(&str, &str)]) -> Vec<String> {
        let before = self.left();
        let ended = run(&self.simulator, inputs);
        assert_eq!((ended.code, ended.output("status")), (Some(0), "complete"), "{}", ended.log);
        let after = self.left();
        before.into_iter().filter(|name| !after.contains(name)).collect()
    }

    fn reason(&self, ended: &Ended, name: &str) -> String {
        let digest = self.digest(name);
        ended.version(&digest)["reason"].as_str().expect("a reason").to_owned()
    }

    fn outcome(&self, ended: &Ended, name: &str) -> String {
        let digest = self.digest(name);
        ended.version(&digest)["outcome"].as_str().unwrap_or("none").to_owned()
    }
}

/// The labels of a short form by digest: items in their order, children before the item that
/// brings them in.
fn names(text: &str, versions: &[Version]) -> BTreeMap<String, String> {
    let mut labels: Vec<String> = Vec::new();
    for item in text.split('·').map(str::trim).filter(|item| !item.is_empty()) {
        let label = item.split(['[', ' ']).next().unwrap_or_default().to_owned();
        let listed = item.split_once("->").or_else(|| item.split_once("=>")).map(|(_, listed)| listed);
        let listed = listed.unwrap_or_default().split("subject ").next().unwrap_or_default();
        for child in listed.split(',').map(str::trim).filter(|child| !child.is_empty() && !child.starts_with('!')) {
            if !labels.iter().any(|known| known == child) {
                labels.push(child.to_owned());
            }
        }
        labels.retain(|known| *known != label);
        labels.push(label);
    }
    assert_eq!(labels.len(), versions.len());
    versions.iter().map(|version| version.name.clone()).zip(labels).collect()
}

/// Checks what goes, that nothing that is left is broken by it, that a dry run says the same and
/// writes nothing, and that a second run deletes nothing more.
#[track_caller]
fn goes(text: &str, inputs: &[(&str, &str)], expected: &str) {
    let mut expected: Vec<_> = expected.split_whitespace().collect();
    expected.sort_unstable();
    let package = Package::new(text);
    let broken_before = package.simulator.github().broken_images();

    let dry = run(&package.simulator, &[inputs, &[("dry-run", "true")]].concat());
    assert_eq!(dry.code, Some(0), "{}", dry.log);
    assert!(package.simulator.changes().is_empty(), "{:?}", package.simulator.changes());
    let versions = dry.versions();
    let planned = versions.iter().filter(|version| version["decision"] == "delete");
    let mut planned: Vec<_> = planned.map(|version| package.name(version["name"].as_str().expect("a name"))).collect();
    planned.sort();
    assert_eq!(planned, expected, "a dry run: {}", dry.log);

    let mut gone = package.goes(inputs);
    gone.sort();
    assert_eq!(gone, expected);
    let broken_after = package.simulator.github().broken_images();
    assert!(broken_after.iter().all(|image| broken_before.contains(image)), "{broken_after:?} is broken");
    assert!(package.goes(inputs).is_empty(), "a second run deletes more");
    let pulls = package.simulator.pulls();
    assert!(pulls.values().all(|count| *count <= 3), "three runs read no manifest more than once each: {pulls:?}");
}

/// Something else that happens at a request.
fn meanwhile(change: impl Fn(&mut GitHub) + Send + Sync + 'static) -> Effect {
    Effect::Meanwhile(std::sync::Arc::new(change))
}

const UNTAGGED: [(&str, &str); 2] = [("tag-status", "untagged"), ("older-than", "7d")];
const DUMMY: [(&str, &str); 2] = [("exclude-tags", "dummy"), ("untagged-grace", "0s")];

fn dummy(inputs: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    [&DUMMY[..], inputs].concat()
}

/// An index of seven platforms, as `M36[tags]`.
fn seven(name: &str, tags: &str) -> String {
    let children = (1..=7).map(|number| format!("{name}-{number}")).collect::<Vec<_>>();
    format!("{name}[{tags}] -> {}", children.join(","))
}

fn with_children(name: &str) -> String {
    let children = (1..=7).map(|number| format!(" {name}-{number}")).collect::<String>();
    format!("{name}{children}")
}

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
fn orphaned_referrers_are_taken_when_their_subject_is_gone_for_good() {
    let state = "v[v1] · T1[sha256-gone.sig] · T2[sha256-v.sig] · R subject gone · K[keep] subject gone";
    goes(state, &dummy(&[("delete-orphaned-images", "true")]), "T1 R K");
    goes(state, &[("exclude-tags", "keep"), ("delete-orphaned-images", "true")], "T1 R");
    goes(state, &dummy(&[("delete-orphaned-images", "true"), ("older-than", "200d")]), "");
    // a package of signatures alone: what they sign lives in another
    goes("T1[sha256-a.sig] · T2[sha256-b.sig] · R subject c", &dummy(&[("delete-orphaned-images", "true")]), "");
}

#[test]
fn litter_is_what_the_registry_says_is_gone_too() {
    // not listed (yet), and there all the same
    let there = |label: &str| {
        let manifest = Manifest::of_image(label, None);
        let answer = Answer { status: 200, headers: Vec::new(), body: manifest.bytes.clone() };
        Fault::on("GET", &manifest.digest(), Effect::Answer(answer))
    };
    let state = "G[g] -> !g1,!g2 · P[p] -> p1,!p2 · T[sha256-s.sig] · R subject r · v[v1]";
    let sweeps = ["delete-ghost-images", "delete-partial-images", "delete-orphaned-images"].map(|name| (name, "true"));
    let package = Package::with(state, |github| {
        ["g2", "p2", "s", "r"].into_iter().fold(github, |github, label| github.fault(there(label)))
    });
    assert!(package.goes(&sweeps).is_empty());
    let mut gone = Package::new(state).goes(&sweeps);
    gone.sort();
    assert_eq!(gone, ["G", "P", "R", "T", "p1"]);
}

#[test]
fn keep_latest_counts_untagged_images_and_not_their_children() {
    let image = |number: u32| format!("M{number} {} -> a{number},b{number}", 50 - number * 10);
    let state = format!("v[v1] 90 · {}", (1..=4).map(image).collect::<Vec<_>>().join(" · "));
    goes(&state, &[("tag-status", "untagged"), ("keep-latest", "2")], "M1 a1 b1 M2 a2 b2");
}

#[test]
fn a_sweep_of_orphans_takes_what_it_makes_an_orphan() {
    // R goes for want of its subject, and then RR has none
    let state = "v[v1] · R subject gone · RR[named] subject R · K[keep] subject R";
    goes(state, &[("delete-orphaned-images", "true"), ("exclude-tags", "keep")], "R RR");
}

#[test]
fn signatures_of_every_platform_stay_with_what_keep_latest_spares() {
    let image = |number: u32, days: u32| {
        let (a, b) = (format!("a{number}"), format!("b{number}"));
        format!("I{number}[v{number}] {days} -> {a},{b} · Sa{number}[sha256-{a}.sig] 1 · Sb{number}[sha256-{b}.sig] 1")
    };
    let state = [image(1, 40), image(2, 30), image(3, 20)].join(" · ");
    goes(&state, &[("tags", "v.*"), ("keep-latest", "2")], "I1 a1 b1 Sa1 Sb1");
}

#[test]
fn an_untagged_index_that_stays_for_its_youth_keeps_its_old_children() {
    let state = "c1 90 · c2 90 · old 90 · I 0.1 -> c1,c2 · v[v1] 90";
    goes(state, &UNTAGGED, "old");
    goes(state, &[("tag-status", "untagged")], "old");
}

#[test]
fn referrers_of_referrers_hang_on_the_image_too() {
    let state = "I[v1] -> c1 · R subject c1 · RR subject R · T[sha256-RR] => X · v[v2]";
    goes(state, &UNTAGGED, "");
    goes(state, &[("tags", "v1")], "I c1 R RR T X");
}

#[test]
fn a_tagged_child_goes_only_if_its_own_tags_are_picked() {
    let state = "a[pr-1-amd64] · b[keep-arm64] · I[pr-1] -> a,b,c · v[v1]";
    goes(state, &[("tags", "pr-.*")], "I a c");
    goes(state, &[("tags", "pr-1")], "I c");
}

#[test]
fn a_referrer_with_a_name_of_its_own_stays_unless_it_is_picked() {
    let state = "S[v1] · R[sbom] subject S · v[v2]";
    goes(state, &[("tags", "v1")], "S");
    goes(state, &[("tags", "v1\nsbom")], "S R");
}

#[test]
fn a_protected_signature_stays_behind() {
    let state = "S[v1] · T[sha256-S.sig] · v[v2]";
    goes(state, &[("tags", "v1"), ("exclude-tags", "sha256-.*")], "S");
}

#[test]
fn fallback_tags_that_run_in_a_circle_are_walked_once() {
    // A hangs on B, and B on A: neither is an image
    let state = "x[v1] · A[sha256-B] · B[sha256-B.sig] · v[v2]";
    goes(state, &[("tags", "v1")], "x");
    let package = Package::new("A · B · v[v2]");
    let (a, b) = (package.digest("A"), package.digest("B"));
    let fallback = |digest: &str| vec![digest.replace(':', "-")];
    for version in &mut package.simulator.github().package_mut("app").versions {
        if version.name == a {
            version.tags = fallback(&b);
        } else if version.name == b {
            version.tags = fallback(&a);
        }
    }
    let one = run(&package.simulator, &[("version-ids", &a), ("packages", "app"), ("dry-run", "true")]);
    assert_eq!(one.count("selected"), 2, "what hangs on it goes along: {}", one.log);
    let ids = format!("{a}\n{b}");
    let both = run(&package.simulator, &[("version-ids", &ids), ("packages", "app")]);
    assert_eq!((both.code, both.count("deleted")), (Some(0), 2), "{}", both.log);
    assert_eq!(package.left(), ["v"]);
}

#[test]
fn version_ids_take_what_belongs_to_them_alone() {
    let state = "I[v1] -> a,b · J[v2] -> b,c · S[sha256-a.sig]";
    for (named, expected) in [("I", vec!["I", "S", "a"]), ("a", vec![]), ("S", vec![])] {
        let package = Package::new(state);
        let digest = package.digest(named);
        let gone = package.goes(&[("version-ids", &digest), ("packages", "app")]);
        assert_eq!(gone, expected, "{named}");
    }
}

#[test]
fn a_tag_that_only_looks_like_a_fallback_tag_is_an_ordinary_one() {
    let hex = "0123456789abcdef".repeat(4);
    let state = format!("S[sha256-{hex}0,pr-1] · T[sha256-{hex}.sig] · v[v1]");
    goes(&state, &[("tags", "pr-.*")], "");
    goes(&state, &[("tags", "pr-.*\nsha256-.*")], "S");
}

#[test]
fn nothing_is_read_where_nothing_could_go() {
    for inputs in [
        &[("tags", "nothing-.*")][..],
        &[("tags", "v.*"), ("keep-latest", "5")],
        &[("tags", "v.*"), ("older-than", "200d")],
        &[("tags", "v.*"), ("exclude-tags", "v.*")],
        &[("tags", "v.*"), ("limit", "0")],
        &[("delete-ghost-images", "true"), ("older-than", "200d")],
    ] {
        let package = Package::new("I[v1] -> a,b · J[v2] -> c,d");
        package.goes(inputs);
        let registry = package.simulator.requests().into_iter().filter(|request| request.path.starts_with("/v2/"));
        assert_eq!(registry.count(), 0, "{inputs:?}");
    }
}

#[test]
fn twenty_kept_images_and_one_candidate_are_one_read_a_root() {
    let image =
        |number: u32| format!("I{number}[v{number}] {} -> a{number},b{number},c{number},d{number}", 100 - number);
    let state = (1..=20).map(image).chain(["P[pr-1] 2 -> pa,pb,pc,pd".to_owned()]).collect::<Vec<_>>().join(" · ");
    let package = Package::new(&state);
    assert_eq!(package.goes(&[("tags", "pr-.*")]), ["P", "pa", "pb", "pc", "pd"]);
    let pulls = package.simulator.pulls();
    assert_eq!((pulls.len(), pulls.values().sum::<u32>()), (21, 21));
}

#[test]
fn children_that_are_tagged_are_not_read_either() {
    let image = |number: u32| {
        format!("a{number}[v{number}-a] · b{number}[v{number}-b] · I{number}[v{number}] -> a{number},b{number}")
    };
    let state = (1..=5).map(image).chain(["P[pr-1]".to_owned()]).collect::<Vec<_>>().join(" · ");
    let package = Package::new(&state);
    assert_eq!(package.goes(&[("tags", "pr-.*")]), ["P"]);
    assert_eq!(package.simulator.pulls().values().sum::<u32>(), 6 + 2, "a long run is read from two places at once");
}

#[test]
fn a_dangling_tag_stays_and_stops_nothing() {
    let package = Package::new("a[pr-1] · d[pr-2] · v[v1]");
    let dangling = package.digest("d");
    for version in &mut package.simulator.github().package_mut("app").versions {
        if version.name == dangling {
            version.manifest = None;
        }
    }
    let ended = run(&package.simulator, &[("tags", "pr-.*")]);
    assert_eq!((ended.code, ended.count("deleted"), ended.count("kept")), (Some(0), 1, 2), "{}", ended.log);
    assert_eq!(package.left(), ["d", "v"]);
    assert!(ended.log.contains("::warning") && ended.log.contains("knows no manifest"), "{}", ended.log);
    let asked = package.simulator.requests().into_iter().filter(|request| request.path.ends_with(&dangling));
    assert_eq!(asked.count(), 2, "it is asked for twice");
}

#[test]
fn what_is_dangling_needs_nothing() {
    let package = Package::new("d[pr-2] · R subject d · v[v1]");
    let dangling = package.digest("d");
    for version in &mut package.simulator.github().package_mut("app").versions {
        if version.name == dangling {
            version.manifest = None;
        }
    }
    assert_eq!(package.goes(&UNTAGGED), ["R"]);
}

#[test]
fn a_manifest_of_a_kind_that_nobody_knows_is_a_leaf() {
    let media_type = "application/vnd.oci.artifact.manifest.v1+json";
    let artifact = |subject: &str| {
        Manifest::new(media_type, &serde_json::json!({"mediaType": media_type, "subject": {"digest": subject}}))
    };
    let mut versions = images("v[v1] · w[pr-1]");
    let subjects = ["v", "w", "gone"].map(simulator::digest_of);
    versions.extend(subjects.iter().map(|subject| Version::with_manifest(artifact(subject)).days_old(50.0)));
    let simulator = Simulator::start(world(versions));
    let ended = run(&simulator, &[("tag-status", "any"), ("tags", "pr-.*")]);
    assert_eq!((ended.code, ended.count("deleted")), (Some(0), 3), "{}", ended.log);
    let kept = artifact(&subjects[0]).digest();
    assert_eq!(simulator.github().left("app"), ["v1".to_owned(), kept]);
}

#[test]
fn a_version_that_slips_from_one_page_to_the_other_keeps_its_children() {
    let others: String =
        (0..99).map(|number| format!(" · f{number}[f{number}] {}", 60.0 - f64::from(number) * 0.1)).collect();
    // newest first: x and 99 others are the first page, and then I; x goes between the two pages
    let state = format!("a 90 · b 90 · I[v1] 80 -> a,b{others} · x[x] 1");
    let package = Package::with(&state, |github| {
        let slip = meanwhile(|github| github.delete(&simulator::digest_of("x")));
        github.fault(Fault::on("GET", "page=2", slip).times(1))
    });
    assert_eq!(package.goes(&UNTAGGED), ["x"], "what the other job deleted, and nothing else");
    assert!(package.simulator.changes().is_empty());
}

#[test]
fn a_package_that_never_keeps_still_is_left_alone() {
    let state: String =
        (0..150).map(|number| format!("f{number}[f{number}] {} · ", 90.0 - f64::from(number) * 0.1)).collect();
    let package = Package::with(&format!("{state} u 5"), |github| {
        let push = meanwhile(|github: &mut GitHub| {
            let name = format!("new-{}", github.package_mut("app").versions.len());
            github.push("app", Version::image(&name, &[&name]));
        });
        github.fault(Fault::on("GET", "page=2", push))
    });
    let ended = run(&package.simulator, &[("tag-status", "untagged")]);
    assert_eq!((ended.code, package.simulator.changes().len()), (Some(1), 0), "{}", ended.log);
    let says = ["changed each of the 6 times", "`concurrency` group"];
    assert!(says.iter().all(|text| ended.log.contains(text)) && !ended.log.contains("sign-on"), "{}", ended.log);
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

#[test]
fn a_registry_that_knows_nothing_at_all_is_not_believed() {
    let package = Package::new("a[pr-1] · v[v1]");
    for version in &mut package.simulator.github().package_mut("app").versions {
        version.manifest = None;
    }
    let ended = run(&package.simulator, &[("tags", "pr-.*")]);
    assert_eq!((ended.code, ended.output("status"), package.simulator.changes().len()), (Some(1), "failed", 0));
    assert!(ended.log.contains("registry-url"), "{}", ended.log);
}

#[test]
fn a_registry_that_denies_changes_nothing_and_says_what_is_missing() {
    let package = Package::with("a[pr-1] · v[v1]", |github| {
        github.fault(Fault::on("GET", "/manifests/", Effect::Answer(Answer::observed("denied-installation"))))
    });
    let ended = run(&package.simulator, &[("tags", "pr-.*")]);
    assert_eq!((ended.code, ended.output("status"), package.simulator.changes().len()), (Some(1), "failed", 0));
    let says = ["installation not allowed", "Manage Actions access", "nothing of this package was deleted"];
    assert!(says.iter().all(|text| ended.log.contains(text)), "{}", ended.log);
    assert_eq!((ended.count("kept"), ended.count("selected")), (2, 0));
}

#[test]
fn bytes_that_are_not_those_of_the_digest_are_not_believed() {
    let other = Manifest::of_image("another", None);
    let forged = Answer { status: 200, headers: Vec::new(), body: other.bytes };
    let package = Package::with("a[pr-1] · v[v1]", |github| {
        github.fault(Fault::on("GET", &simulator::digest_of("v"), Effect::Answer(forged)).times(1))
    });
    // once is a fault of the network: it is asked again
    assert_eq!(package.goes(&[("tags", "pr-.*")]), ["a"]);
}

#[test]
fn a_limit_of_the_registry_is_waited_out() {
    let limit = Effect::Answer(Answer::observed("too-many-requests"));
    let package =
        Package::with("a[pr-1] · v[v1]", |github| github.fault(Fault::on("GET", "/manifests/", limit).times(2)));
    assert_eq!(package.goes(&[("tags", "pr-.*")]), ["a"]);
}

#[test]
fn a_token_of_the_registry_that_expires_is_renewed() {
    let expire = Effect::Meanwhile(std::sync::Arc::new(|github: &mut GitHub| github.forget_registry_tokens()));
    let package = Package::with("a[pr-1] · b[v1] · c[v2]", |github| {
        github.fault(Fault::on("GET", "/manifests/", expire).after(1).times(1))
    });
    assert_eq!(package.goes(&[("tags", "pr-.*"), ("concurrency", "1")]), ["a"]);
    let tokens = package.simulator.requests().into_iter().filter(|request| request.path == "/token").count();
    assert_eq!(tokens, 2);
}

#[test]
fn the_token_goes_to_no_realm_but_the_registrys_own() {
    let elsewhere = Simulator::start(GitHub::new());
    let realm = format!("{}/token", elsewhere.url());
    let package = Package::with("a[pr-1] · v[v1]", |mut github| {
        github.realm = Some(realm.clone());
        github
    });
    let ended = run(&package.simulator, &[("tags", "pr-.*")]);
    assert_eq!((ended.code, ended.output("status"), package.simulator.changes().len()), (Some(1), "failed", 0));
    assert!(ended.log.contains("the token does not go there"), "{}", ended.log);
    assert!(elsewhere.requests().is_empty());
}

#[test]
fn a_redirect_of_the_registry_is_not_followed() {
    let elsewhere = Simulator::start(GitHub::new());
    let away = Answer { status: 307, headers: Vec::new(), body: Vec::new() }.header("location", elsewhere.url());
    let package =
        Package::with("a[pr-1] · v[v1]", |github| github.fault(Fault::on("GET", "/manifests/", Effect::Answer(away))));
    let ended = run(&package.simulator, &[("tags", "pr-.*")]);
    assert_eq!((ended.code, package.simulator.changes().len(), elsewhere.requests().len()), (Some(1), 0, 0));
}

#[test]
fn an_upper_case_owner_is_lower_case_in_the_registry() {
    let github = GitHub::new().organization("Octo-Org").token(TOKEN, Token::workflow()).package(
        "Octo-Org",
        "container",
        "app",
        images("I[pr-1] -> a,b · v[v1]"),
    );
    let simulator = Simulator::start(github);
    let ended = run(&simulator, &[("owner", "Octo-Org"), ("packages", "App"), ("tags", "pr-.*")]);
    assert_eq!((ended.code, ended.count("deleted")), (Some(0), 3), "{}", ended.log);
    let pulls = simulator.requests().into_iter().filter(|request| request.path.starts_with("/v2/octo-org/app/"));
    assert_eq!(pulls.count(), 2);
}

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

#[test]
fn real_manifests_hang_together() {
    let read = |folder: &str| simulator::real_images(folder);
    let mut github = world(read("acme_sig")).package("octo-org", "container", "bx", read("acme_bx"));
    github.package_mut("app").versions.extend(images("other[v9]").into_iter().map(|version| version.id(1)));
    let simulator = Simulator::start(github);
    let ended = run(&simulator, &[("tag-status", "untagged"), ("older-than", "7d"), ("packages", "app,bx")]);
    assert_eq!((ended.code, ended.count("deleted")), (Some(0), 0), "{}", ended.log);
    let ended = run(&simulator, &[("tags", "v1")]);
    assert_eq!((ended.code, simulator.github().left("app")), (Some(0), vec!["v9".to_owned()]), "{}", ended.log);
    assert_eq!(ended.count("deleted"), 8);
}

/// Images of two platforms with an attestation each, pushed one after another: children first,
/// then the index, `minutes` after the image before. Every other one has lost its tag.
fn two_thousand(minutes: f64) -> Vec<Version> {
    let mut versions = Vec::new();
    for number in 0..2_000_u32 {
        let days = 400.0 - f64::from(number) * minutes / 1_440.0;
        let child = |role: &str| Manifest::of_image(&format!("{number}-{role}"), None);
        let children = [("a", "amd64"), ("b", "arm64"), ("c", "unknown"), ("d", "unknown")];
        let mut listed = Vec::new();
        for (role, platform) in children {
            let manifest = child(role);
            listed.push((manifest.digest(), "application/vnd.oci.image.manifest.v1+json", Some(platform)));
            versions.push(Version::with_manifest(manifest).days_old(days));
        }
        let index = Version::with_manifest(Manifest::of_index(&number.to_string(), &listed, None));
        let tag = format!("v{number}");
        let tags: &[&str] = if number % 2 == 0 { &[&tag] } else { &[] };
        versions.push(index.tags(tags).days_old(days));
    }
    versions
}

#[test]
fn ten_thousand_versions_are_at_most_1_3_reads_a_root() {
    for (minutes, concurrency) in [(0.0, "16"), (0.0, "90"), (7.0, "90"), (120.0, "16")] {
        let simulator = Simulator::start(world(two_thousand(minutes)));
        let inputs =
            [("tag-status", "untagged"), ("older-than", "7d"), ("dry-run", "true"), ("concurrency", concurrency)];
        let ended = run(&simulator, &inputs);
        assert_eq!((ended.code, ended.count("selected")), (Some(0), 5_000), "{}", ended.log);
        let reads: u32 = simulator.pulls().values().sum();
        assert!(simulator.pulls().values().all(|count| *count == 1), "a manifest was read twice");
        assert!(
            (2_000..=2_600).contains(&reads),
            "{reads} reads of 2,000 roots ({minutes} minutes apart, {concurrency})"
        );
        println!("{reads} reads of 2,000 roots ({minutes} minutes apart, {concurrency} at a time)");
    }
}
