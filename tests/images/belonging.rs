//! What belongs together: what stays with an image, and what goes with one.

use super::*;

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

#[test]
fn a_tagged_part_is_the_last_image_where_no_tagged_image_is() {
    // GitHub asks for a tag alone, and would refuse the part
    goes("A[pr-2] · I -> A · X", &dummy(&[("tag-status", "any"), ("tags", "pr-.*")]), "I X");
    // one that stays is enough
    goes("A[pr-2] · B[v1] · I -> A,B · X", &dummy(&[("tag-status", "any"), ("tags", "pr-.*")]), "A I X");
}

#[test]
fn a_part_that_stays_without_its_index_is_the_image_that_is_left() {
    let inputs = [("tags", ".*"), ("exclude-tags", "keep")];
    goes("A[keep] · I[v2] -> A · P[pr-2]", &[&DUMMY[1..], &inputs].concat(), "I P");
}
