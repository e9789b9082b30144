//! References of images.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stateward::image::Image;
use stateward_fuzz::ENGINE;

fuzz_target!(|text: &str| {
    let image = Image::parse(text);
    assert!(text.contains(image.name()));
    _ = image.major();
    _ = ENGINE.catalogue.for_image(text);
});
