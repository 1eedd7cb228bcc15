//! The process itself: how large it is, and how soon it is done when there is little to do.

use std::{fs, time::Duration};

use crate::{Simulator, Version, line, measure, organization};

const RUNS: usize = 21;

pub(crate) fn run() {
    let size = fs::metadata(env!("CARGO_BIN_EXE_tidy-packages")).expect("the binary").len();
    println!("| binary | {:.2} MB | | | | |", size as f64 / 1_000_000.0);
    let mut times = Vec::new();
    let mut last = None;
    for _ in 0..RUNS {
        let versions = vec![Version::image("old", &["pr-1"]).days_old(30.0), Version::image("new", &["v1"])];
        let simulator = Simulator::start(organization().package("octo-org", "container", "app", versions));
        let measured = measure(&simulator, &[("tags", "pr-.*")]);
        assert_eq!((measured.ended.code, measured.ended.count("deleted")), (Some(0), 1));
        times.push(measured.took);
        last = Some(measured);
    }
    times.sort();
    let median: Duration = times[RUNS / 2];
    let measured = last.expect("a run");
    let what = format!("start to end on two versions, without distance (median of {RUNS})");
    line(&what, &measured.counted(), median, None, Some(measured.memory));
}
