//! Fuzzes return addresses with every order of the profiles: see `kafka_bridge::fuzzing`.
#![no_main]

use kafka_bridge::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let record = fuzzing::record(data);
    for rotation in 0..6 {
        fuzzing::reply_to(&record, rotation);
    }
    if let Ok(text) = std::str::from_utf8(data) {
        fuzzing::profile(text.trim_end());
    }
});
