//! `from-report` with `mode: delete`.

use super::*;

#[test]
fn a_plan_is_carried_out_as_it_would_have_been_without_it() {
    let one = Simulator::start(world(images(IMAGES)));
    let two = Simulator::start(world(images(IMAGES)));
    let inputs = [("tags", "pr-.*"), ("partial-match", "untag")];
    let dry = run(&one, &[&inputs[..], &[("dry-run", "true")]].concat());
    assert!(one.changes().is_empty());
    let applied = with_report(&one, &dry.report(), &[]);
    let direct = run(&two, &inputs);
    assert_eq!((applied.code, applied.output("status")), (Some(0), "complete"), "{}", applied.log);
    let names = |simulator: &Simulator| state(simulator).into_iter().map(|it| (it.1, it.2)).collect::<Vec<_>>();
    assert_eq!(names(&one), names(&two), "{}", applied.log);
    for count in ["selected", "deleted", "untagged", "retained", "failed", "skipped", "kept"] {
        assert_eq!(applied.count(count), direct.count(count), "{count}: {}", applied.log);
    }
}
