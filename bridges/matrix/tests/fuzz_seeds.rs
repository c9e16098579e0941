//! Replays the seeds of the fuzz target, so that what fuzzing found once stays found.

use std::path::Path;

#[path = "../../../fuzz/fuzz_targets/checks/matrix_event.rs"]
mod target;

#[test]
fn every_seed_of_matrix_event_holds() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/matrix_event");
    let mut count = 0;
    for seed in std::fs::read_dir(&seeds).unwrap() {
        let path = seed.unwrap().path();
        let data = std::fs::read(&path).unwrap();
        let held = std::panic::catch_unwind(|| target::check(&data));
        assert!(held.is_ok(), "{} does not hold", path.display());
        count += 1;
    }
    assert!(count > 0, "{} has seeds", seeds.display());
}
