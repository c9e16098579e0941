//! Replays the seeds of the fuzz targets, so that what fuzzing found once stays found.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::path::Path;

#[path = "../../../fuzz/fuzz_targets/checks/formatting.rs"]
mod formatting_target;
#[path = "../../../fuzz/fuzz_targets/checks/irc_line.rs"]
mod irc_line_target;

fn replay(target: &str, check: fn(&[u8])) {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let mut count = 0;
    for seed in std::fs::read_dir(&seeds).unwrap() {
        let path = seed.unwrap().path();
        let data = std::fs::read(&path).unwrap();
        let held = std::panic::catch_unwind(|| check(&data));
        assert!(held.is_ok(), "{} does not hold", path.display());
        count += 1;
    }
    assert!(count > 0, "{} has seeds", seeds.display());
}

#[test]
fn every_seed_of_irc_line_holds() {
    replay("irc_line", irc_line_target::check);
}

#[test]
fn every_seed_of_formatting_holds() {
    replay("formatting", formatting_target::check);
}
