//! Any sequence of inputs: what fuzzing holds a call to (`fuzz/fuzz_targets/checks/call.rs`), for
//! sequences made here, and for those that fuzzing found worth keeping.

use proptest::prelude::*;
use std::path::Path;

#[path = "../../../fuzz/fuzz_targets/checks/call.rs"]
mod call_target;

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn nobody_is_left_in_a_call_that_is_over_and_nobody_is_told_nonsense(
        begin in 0u8..4,
        ops in prop::collection::vec(any::<[u8; 3]>(), 0..50),
    ) {
        call_target::check(&[&[begin], ops.as_flattened()].concat());
    }
}

#[test]
fn every_seed_of_call_holds() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/call");
    let mut count = 0;
    for seed in std::fs::read_dir(&seeds).unwrap() {
        let path = seed.unwrap().path();
        let data = std::fs::read(&path).unwrap();
        let held = std::panic::catch_unwind(|| call_target::check(&data));
        assert!(held.is_ok(), "{} does not hold", path.display());
        count += 1;
    }
    assert!(count > 0, "{} has seeds", seeds.display());
}
