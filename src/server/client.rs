//! The client for the API server that everything here is asked by, in the commands too.

use axum::http::{Request, Response, StatusCode};
use kube::client::retry::RetryPolicy;
use kube::client::{Body, ClientBuilder};
use kube::{Client, Config};
use tower::retry::{Policy, RetryLayer};
use tower::{BoxError, ServiceBuilder};

/// Requests that wait for the connection, as in the client itself.
const WAITING: usize = 1024;

/// A client that repeats by itself what was answered by 429, 503 or 504, as kube's own does, except that an API group
/// which nobody serves is told of at once: its 503 lasts for as long as its server is away.
///
/// To be called within a runtime, in which it spawns its connections.
///
/// # Errors
/// A configuration that cannot be used, such as certificates that cannot be read.
pub(crate) fn client(mut config: Config) -> kube::Result<Client> {
    config.default_retry = false;
    // What repeats a request needs as many handles of the connection as there are requests.
    let repeated = ServiceBuilder::new().layer(RetryLayer::new(Repeats::as_kube_does())).buffer(WAITING);
    Ok(ClientBuilder::try_from(config)?.with_layer(&repeated.into_inner()).build())
}

/// What is repeated, how often and when.
#[derive(Clone)]
struct Repeats(RetryPolicy);

impl Repeats {
    fn as_kube_does() -> Self {
        Self(RetryPolicy::server_retry())
    }
}

impl<B> Policy<Request<Body>, Response<B>, BoxError> for Repeats {
    type Future = tokio::time::Sleep;

    fn retry(
        &mut self,
        request: &mut Request<Body>,
        answer: &mut Result<Response<B>, BoxError>,
    ) -> Option<Self::Future> {
        let is_throttled =
            answer.as_ref().is_ok_and(|answer| answer.status() == StatusCode::TOO_MANY_REQUESTS);
        if is_of_a_group(request.uri().path()) && !is_throttled {
            return None;
        }
        self.0.retry(request, answer)
    }

    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
        Policy::<_, Response<B>, _>::clone_request(&mut self.0, request)
    }
}

/// Whether it is asked which kinds a version of a group has: `/apis/GROUP/VERSION`.
fn is_of_a_group(path: &str) -> bool {
    path.strip_prefix("/apis/").is_some_and(|rest| rest.split('/').count() == 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether what was asked there is asked again when it is answered by this.
    fn is_repeated(path: &str, status: u16) -> bool {
        let mut request = Request::get(path).body(Body::empty()).unwrap();
        let mut answer = Ok(Response::builder().status(status).body(()).unwrap());
        Repeats::as_kube_does().retry(&mut request, &mut answer).is_some()
    }

    #[tokio::test]
    async fn a_group_that_nobody_serves_is_told_of_at_once_and_all_else_repeated() {
        let group = "/apis/gateway.networking.k8s.io/v1";
        for (path, status, expected) in [
            (group, 503, false),
            (group, 504, false),
            (group, 429, true),
            ("/apis", 503, true),
            ("/apis/gateway.networking.k8s.io/v1/httproutes?limit=500", 503, true),
            ("/api/v1/namespaces/shop/services/db?fieldManager=stateward", 503, true),
            ("/api/v1/namespaces/shop/services/db", 500, false),
        ] {
            assert_eq!(is_repeated(path, status), expected, "{path}: {status}");
        }
    }
}
