#![no_main]
mod invariants;
libfuzzer_sys::fuzz_target!(|data: &[u8]| invariants::address(data));
