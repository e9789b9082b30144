//! Quantities: what is written canonically is read as the same, and written the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stateward::quantity::Quantity;

fuzz_target!(|text: &str| {
    match Quantity::parse(text) {
        Ok(quantity) => {
            let canonical = quantity.canonical();
            let again = Quantity::parse(&canonical).expect("a canonical quantity is one");
            assert_eq!((again == quantity, again.canonical()), (true, canonical));
        }
        Err(error) => _ = (error.to_string(), error.suggestion()),
    }
});
