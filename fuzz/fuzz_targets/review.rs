//! Bytes to both webhooks: an answer or an error, never a panic, never a patch that does not apply.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use stateward::admission::{Admission, Endpoint};
use stateward::engine::Offline;
use stateward_fuzz::ENGINE;

static ADMISSION: LazyLock<Admission> =
    LazyLock::new(|| Admission::by(&ENGINE, Arc::new(Offline)));

fuzz_target!(|body: &[u8]| {
    for endpoint in [Endpoint::Mutate, Endpoint::Validate] {
        let Ok(answer) = ADMISSION.answer(endpoint, body) else { continue };
        // What is skipped unread may be no UTF-8.
        let Ok(sent) = serde_json::from_slice::<Value>(body) else { continue };
        let review: Value = serde_json::from_slice(&answer.body).expect("an answer is JSON");
        assert_eq!(review["response"]["uid"], sent["request"]["uid"]);
        assert_eq!(review["response"]["allowed"] == false, !review["response"]["status"].is_null());
    }
    if let Ok(review) = serde_json::from_slice::<Value>(body) {
        let (before, after) = (&review["request"]["oldObject"], &review["request"]["object"]);
        stateward_fuzz::admit(Some(before).filter(|object| object.is_object()), after);
        stateward_fuzz::admit(Some(after), after);
    }
});
