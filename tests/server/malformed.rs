//! Requests that are no reviews, without sockets.

use axum::body::{Body, Bytes};
use axum::http::{Request, Response, StatusCode};
use stateward::server::{Limits, router};
use tower::ServiceExt;

use super::fixture::{Fixture, review};

const JSON: &str = "application/json";

async fn sent(fixture: &Fixture, request: Request<Body>) -> (StatusCode, Response<()>, String) {
    let (head, body) = router(&fixture.webhook).oneshot(request).await.unwrap().into_parts();
    let text = String::from_utf8(axum::body::to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
    (head.status, Response::from_parts(head, ()), text)
}

fn posted(path: &str, content_type: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(path).header("content-type", content_type).body(body.into()).unwrap()
}

async fn status(request: Request<Body>) -> StatusCode {
    sent(&Fixture::new(Limits::default()), request).await.0
}

#[tokio::test]
async fn a_review_is_answered_by_its_endpoint() {
    let fixture = Fixture::new(Limits::default());
    for (path, endpoint) in [("/mutate", "Mutate"), ("/validate?timeout=5s", "Validate")] {
        let (status, head, body) = sent(&fixture, posted(path, JSON, review("a"))).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(head.headers()["content-type"], JSON);
        assert_eq!(body, format!("{{\"uid\":\"a\",\"endpoint\":\"{endpoint}\"}}"));
    }
    let text = fixture.metrics.encode();
    let counted = "admission_requests_total{operation=\"CREATE\",outcome=\"unchanged\"} 2";
    assert!(text.contains(counted), "{text}");
}

#[tokio::test]
async fn malformed_reviews_get_400_and_never_their_own_words_back() {
    let fixture = Fixture::new(Limits::default());
    let deep = "[".repeat(100_000);
    let bodies: [&[u8]; 7] = [
        b"",
        b"hunter2 is my password",
        b"{\"request\":",
        b"{\"kind\":\"hunter2\"}",
        b"{\"request\":{\"uid\":\"\"}}",
        b"\xff\xfehunter2",
        deep.as_bytes(),
    ];
    for body in bodies {
        let shown = String::from_utf8_lossy(&body[..body.len().min(20)]).into_owned();
        let (status, _, text) = sent(&fixture, posted("/mutate", JSON, Body::from(body.to_vec()))).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{shown}");
        assert!(!text.is_empty() && text.len() < 300 && !text.contains("hunter2"), "{text}");
    }
    assert!(fixture.metrics.encode().contains("outcome=\"malformed\"} 7"));
}

#[tokio::test]
async fn routes_methods_and_content_types_are_checked() {
    let get = Request::get("/mutate").body(Body::empty()).unwrap();
    assert_eq!(status(get).await, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(status(posted("/elsewhere", JSON, review("a"))).await, StatusCode::NOT_FOUND);
    for (content_type, expected) in [
        ("application/json; charset=utf-8", StatusCode::OK),
        ("Application/JSON", StatusCode::OK),
        ("text/plain", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("application/jsonp", StatusCode::UNSUPPORTED_MEDIA_TYPE),
    ] {
        assert_eq!(status(posted("/mutate", content_type, review("a"))).await, expected, "{content_type}");
    }
    let untyped = Request::post("/mutate").body(Body::from(review("a"))).unwrap();
    assert_eq!(status(untyped).await, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn bodies_end_at_16_mib_announced_or_not() {
    let limit = 16 << 20;
    let announced = Request::post("/mutate")
        .header("content-type", JSON)
        .header("content-length", limit + 1)
        .body(Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>()))
        .unwrap();
    assert_eq!(status(announced).await, StatusCode::PAYLOAD_TOO_LARGE, "before a byte is read");
    let frame = Bytes::from(vec![b' '; 1 << 20]);
    let frames = std::iter::repeat_n(frame, 16).chain([Bytes::from_static(b" ")]);
    let stream = futures::stream::iter(frames.map(Ok::<_, std::io::Error>));
    assert_eq!(
        status(posted("/mutate", JSON, Body::from_stream(stream))).await,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    let mut largest = review("large").into_bytes();
    largest.resize(limit, b' ');
    assert_eq!(status(posted("/mutate", JSON, largest)).await, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_drips_is_given_up() {
    let drip = futures::stream::unfold((), |()| async {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        Some((Ok::<_, std::io::Error>(Bytes::from_static(b" ")), ()))
    });
    let began = tokio::time::Instant::now();
    assert_eq!(status(posted("/mutate", JSON, Body::from_stream(drip))).await, StatusCode::REQUEST_TIMEOUT);
    assert_eq!(began.elapsed().as_secs(), 5);
}

#[tokio::test]
async fn a_panic_costs_one_answer_and_tells_nothing() {
    for limits in [Limits::default(), Limits { inline_bytes: 0, ..Limits::default() }] {
        let fixture = Fixture::new(limits);
        let (status, _, text) = sent(&fixture, posted("/mutate", JSON, review("panic"))).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!text.contains("secret"), "{text}");
        let (status, ..) = sent(&fixture, posted("/mutate", JSON, review("next"))).await;
        assert_eq!(status, StatusCode::OK);
        let metrics = fixture.metrics.encode();
        assert!(metrics.contains("stateward_panics_total 1") && metrics.contains("in_flight 0"), "{metrics}");
    }
}

#[tokio::test]
async fn a_fault_of_ours_is_a_500_so_that_the_failure_policy_decides() {
    let fixture = Fixture::new(Limits::default());
    let (status, _, text) = sent(&fixture, posted("/mutate", JSON, review("fault"))).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(text.contains("log"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_sheds_and_says_when_to_come_back() {
    let limits = Limits { evaluations: 1, queue: 1, inline_bytes: 0, ..Limits::default() };
    let fixture = std::sync::Arc::new(Fixture::new(limits));
    let send = || {
        let fixture = std::sync::Arc::clone(&fixture);
        tokio::spawn(async move { sent(&fixture, posted("/mutate", JSON, review("block"))).await.0 })
    };
    let first = send();
    fixture.until_blocked(1).await;
    let mut others = [send(), send()];
    let (shed, _) = futures::future::select_ok(others.iter_mut()).await.unwrap();
    assert_eq!(shed, StatusCode::TOO_MANY_REQUESTS);
    fixture.gate.add_permits(3);
    assert_eq!(first.await.unwrap(), StatusCode::OK);
    assert!(fixture.metrics.encode().contains("stateward_shed_total 1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_answer_is_given_up() {
    let fixture = Fixture::new(Limits { inline_bytes: 0, ..Limits::default() });
    let (status, ..) = sent(&fixture, posted("/mutate?timeout=200ms", JSON, review("block"))).await;
    // Not before the answer, which had to come without it; and before what could fail, or the end would wait for it.
    fixture.gate.add_permits(1);
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_profile_is_not_refused_for_want_of_a_parent_that_is_heard_of_meanwhile() {
    let fixture = Fixture::new(Limits::default());
    for (uid, outcome) in [("child", "unchanged"), ("orphan", "refused")] {
        let (status, ..) = sent(&fixture, posted("/validate", JSON, review(uid))).await;
        assert_eq!(status, StatusCode::OK);
        let counted = format!("outcome=\"{outcome}\"");
        let metrics = fixture.metrics.encode();
        assert!(metrics.contains(&counted), "{uid}: {metrics}");
        assert_eq!(metrics.contains("outcome=\"refused\""), uid == "orphan", "{metrics}");
    }
}
