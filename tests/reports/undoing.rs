//! `from-report` with `mode: restore`.

use super::*;

#[test]
fn what_a_run_did_is_undone_parts_first_and_referrers_last() {
    let simulator = Simulator::start(world(images(IMAGES)));
    let before = state(&simulator);
    let ended = run(&simulator, &[("tags", "pr-.*"), ("partial-match", "untag")]);
    assert_eq!((ended.code, ended.count("deleted"), ended.count("untagged")), (Some(0), 7, 1), "{}", ended.log);
    let changes = simulator.changes().len();
    let undone = with_report(&simulator, &ended.report(), &[("mode", "restore")]);
    assert_eq!((undone.code, undone.output("status")), (Some(0), "complete"), "{}", undone.log);
    assert_eq!(undone.count("restored"), 8, "{}", undone.log);
    assert_eq!(state(&simulator), before, "{}", undone.log);
    println!("{:#?}\n{}", &simulator.changes()[changes..], undone.log);
    // once more: harmless
    let changes = simulator.changes().len();
    let again = with_report(&simulator, &ended.report(), &[("mode", "restore")]);
    assert_eq!(
        (again.code, again.output("status"), again.count("restored")),
        (Some(0), "complete", 0),
        "{}",
        again.log
    );
    assert_eq!(simulator.changes().len(), changes);
}
