//! The fuzzers' seeds, replayed with the fuzzers' own checks.

#[path = "../../../../../fuzz/fuzz_targets/checks/jingle.rs"]
mod jingle;
#[path = "../../../../../fuzz/fuzz_targets/checks/jingle_sdp.rs"]
mod jingle_sdp;

use std::path::Path;

fn replay(target: &str, check: impl Fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../fuzz/seeds").join(target);
    let mut seeds = 0;
    for entry in std::fs::read_dir(&directory).unwrap() {
        check(&std::fs::read(entry.unwrap().path()).unwrap());
        seeds += 1;
    }
    assert!(seeds > 2, "{} holds {seeds} seeds", directory.display());
}

#[test]
fn stanzas_that_were_found_once_do_no_harm() {
    replay("jingle", jingle::check);
}

#[test]
fn descriptions_that_were_found_once_do_no_harm() {
    replay("jingle_sdp", jingle_sdp::check);
}
