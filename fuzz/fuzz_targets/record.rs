//! Records, which every editor can write to: what is read is written so that it reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stateward::record::{Read, Record};

fuzz_target!(|text: &str| {
    if let Read::Known(record) = Record::parse(text) {
        let written = record.to_text();
        let Read::Known(again) = Record::parse(&written) else {
            panic!("a record that was written is none: {written}");
        };
        assert_eq!(again.to_text(), written);
    }
});
