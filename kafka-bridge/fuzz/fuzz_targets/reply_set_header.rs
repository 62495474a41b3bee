//! Fuzzes the headers that a requester asks to set on its reply: see `kafka_bridge::fuzzing`.
#![no_main]

use kafka_bridge::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fuzzing::reply_set_header(data));
