//! Fuzzes the conversion of a record to an HTTP request: see `kafka_bridge::fuzzing`.
#![no_main]

use kafka_bridge::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fuzzing::request(&fuzzing::record(data)));
