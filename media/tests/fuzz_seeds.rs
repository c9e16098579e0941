//! Replays the seeds of the fuzz targets (`docs/testing.md`, "Fuzzing").
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::path::Path;

#[path = "../../fuzz/fuzz_targets/checks/datagram.rs"]
mod datagram;
#[path = "../../fuzz/fuzz_targets/checks/description.rs"]
mod description;

fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
    let mut seeds = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        check(&std::fs::read(entry.unwrap().path()).unwrap());
        seeds += 1;
    }
    assert!(seeds > 0, "{target} has no seeds");
}

#[test]
fn session_descriptions_are_refused_in_words_or_understood() {
    replay("description", description::check);
}

#[test]
fn datagrams_do_no_harm() {
    replay("datagram", datagram::check);
}

/// Every seed cut short, and with each of its lines left out or repeated.
#[test]
fn mutilated_session_descriptions_do_no_harm() {
    let seed = include_str!("../../fuzz/seeds/description/chromium");
    let lines: Vec<&str> = seed.lines().collect();
    for index in 0..lines.len() {
        let mut without = lines.clone();
        without.remove(index);
        description::check(without.join("\r\n").as_bytes());
        let mut twice = lines.clone();
        twice.insert(index, lines[index]);
        description::check(twice.join("\r\n").as_bytes());
        description::check(lines[..index].join("\n").as_bytes());
    }
}
