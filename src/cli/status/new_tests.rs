//! What is on its way, what waits for somebody, and what nobody knows.

use super::tests::{problems, settled, status, world};
use super::*;

fn made(mut world: World, now: &str) -> World {
    for set in world.known_mut("StatefulSet") {
        set["metadata"]["creationTimestamp"] = json!("2026-05-01T12:00:00Z");
    }
    world.seen = Some(format!("2026-05-01T{now}Z").parse().unwrap());
    world
}

#[test]
fn what_has_not_come_yet_is_no_reason_to_ask_for_the_controller() {
    let status = status(&made(world(), "12:00:03"));
    let lines = status["companions"].as_array().unwrap();
    assert!(lines.iter().all(|line| line["state"] == "to come"), "{lines:?}");
    let coming =
        "it was made 3 s ago: Service db-headless, Service db and PodDisruptionBudget db come within seconds";
    assert_eq!(status["problems"][0], coming);
    assert!(!status["problems"].to_string().contains("controller"), "{status:#}");
    assert!(!is_settled(&status), "it is waited for");
    assert_eq!(obstacle(&status), Some(coming));

    let later = problems(&made(world(), "12:00:10"));
    assert_eq!(later[0], "Service db-headless is missing; is the controller running?");
    assert_eq!(problems(&made(settled(|_| {}), "12:00:03")), [""; 0]);
}

#[test]
fn pods_that_somebody_has_to_delete_are_told_and_hinder_nothing() {
    let world = settled(|set| {
        set["spec"]["updateStrategy"] = json!({"type": "OnDelete"});
        set["status"]["currentRevision"] = json!("db-1");
        set["status"]["updateRevision"] = json!("db-2");
    });
    let status = status(&world);
    assert_eq!((problems(&world).len(), obstacle(&status)), (1, None), "{status:#}");
    assert!(!is_settled(&status));
}

#[test]
fn of_a_kind_without_an_answer_nothing_is_said() {
    let status = |kind| status(&world().without_answer_of(kind, "failed to list"));
    let blind = status("Pod");
    let told = "1 of 2 pods are ready; kubectl describe statefulset -n shop db says more";
    assert!(blind["problems"].as_array().unwrap().contains(&json!(told)), "{blind:#}");
    let blind = status("Service");
    let states: Vec<&str> =
        blind["companions"].as_array().unwrap().iter().map(|line| text(&line["state"])).collect();
    assert_eq!(states, ["not looked at", "not looked at", "missing"]);
    assert!(!blind["problems"].to_string().contains("Service"), "{blind:#}");
}
