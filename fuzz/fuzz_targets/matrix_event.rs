#![no_main]

#[path = "checks/matrix_event.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::check(data));
