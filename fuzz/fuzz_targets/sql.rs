#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pierhead_fuzz::sql::run(data));
