//! Forwards what the replicas send to the API server, counts it, and breaks what it is told to.
//!
//! Not a library: those for HTTP answer in the place of a server, and those between two sockets know
//! neither requests nor watches.

mod rule;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::{Body, BodyDataStream, Bytes};
use axum::http::header::{AUTHORIZATION, HOST, RETRY_AFTER};
use axum::http::{Request, Response};
use futures::{Stream, StreamExt};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use self::rule::Rule;
pub(crate) use self::rule::{Break, Call, Fault, On, Switch};

/// The proxy. It lives as long as the process.
#[derive(Clone)]
pub(crate) struct Proxy(Arc<Shared>);

struct Shared {
    server: kube::Client,
    rules: Mutex<Vec<Arc<Rule>>>,
    calls: Mutex<Vec<Call>>,
    watches: Mutex<Vec<(Call, UnboundedSender<Break>)>>,
}

/// The connection ends.
#[derive(Debug, thiserror::Error)]
#[error("closed on purpose")]
struct Closed;

type Answer = Result<Response<Body>, Closed>;

impl Proxy {
    /// Forwards as the identity of this kubeconfig.
    pub(crate) async fn new(kubeconfig: &Path) -> Self {
        let read = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
        let config = kube::Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await;
        let mut config = config.expect("a configuration");
        // What is to be tried again is the replicas' to know.
        config.default_retry = false;
        let server = kube::Client::try_from(config).expect("a client");
        Self(Arc::new(Shared {
            server,
            rules: Mutex::default(),
            calls: Mutex::default(),
            watches: Mutex::default(),
        }))
    }

    /// Listens for a replica, on a free port.
    pub(crate) async fn door(&self, replica: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::clone(&self.0);
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let shared = Arc::clone(&shared);
                let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                    Arc::clone(&shared).answer(replica, request.map(Body::new))
                });
                tokio::spawn(async move {
                    let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        address
    }

    /// Breaks these calls for as long as the switch is kept. Of two rules the older one holds.
    pub(crate) fn put(&self, on: On, fault: Fault) -> Switch {
        self.put_times(on, fault, usize::MAX)
    }

    /// Breaks the next few of these calls.
    pub(crate) fn put_times(&self, on: On, fault: Fault, times: usize) -> Switch {
        let (rule, switch) = Rule::new(on, fault, times);
        let mut rules = lock(&self.0.rules);
        rules.retain(|rule| !rule.is_lifted());
        rules.push(Arc::new(rule));
        switch
    }

    /// Breaks the watches that go on.
    pub(crate) fn interrupt(&self, on: &On, what: Break) -> usize {
        let mut watches = lock(&self.0.watches);
        watches.retain(|(_, watch)| !watch.is_closed());
        watches.iter().filter(|(call, watch)| on.matches(call) && watch.send(what).is_ok()).count()
    }

    /// How many watches go on.
    pub(crate) fn open(&self, on: &On) -> usize {
        let watches = lock(&self.0.watches);
        watches.iter().filter(|(call, watch)| on.matches(call) && !watch.is_closed()).count()
    }

    /// A replica is cut off: its watches end, and whatever it asks from now on has no answer.
    pub(crate) fn cut_off(&self, replica: &'static str) -> Switch {
        let all = On::new(&[], "").of(replica);
        let switch = self.put(all.clone(), Fault::Close);
        self.interrupt(&all, Break::Cut);
        switch
    }

    /// These calls until now.
    pub(crate) fn calls(&self, on: &On) -> Vec<Call> {
        lock(&self.0.calls).iter().filter(|call| on.matches(call)).cloned().collect()
    }
}

impl Shared {
    async fn answer(self: Arc<Self>, replica: &'static str, request: Request<Body>) -> Answer {
        let call = Call::new(replica, request.method(), request.uri());
        let rule = lock(&self.rules).iter().find(|rule| rule.takes(&call)).cloned();
        let number = {
            let mut calls = lock(&self.calls);
            calls.push(call);
            calls.len() - 1
        };
        let fault = rule.as_ref().map(|rule| rule.fault);
        let lifting = rule.as_ref().map(|rule| rule.lifting());
        let lifting = async {
            if let Some(lifting) = lifting {
                lifting.await;
            }
        };
        match fault {
            None => self.forward(number, request).await,
            Some(Fault::Answer(code, reason, after)) => {
                lock(&self.calls)[number].status = code;
                Ok(status(code, reason, after))
            }
            Some(Fault::Close) => Err(Closed),
            Some(Fault::Half) => half(self.forward(number, request).await?).await,
            Some(Fault::Hold) => {
                // Spawned: it goes on if the replica waits no more.
                let held = async move {
                    let request = whole(request).await?;
                    lifting.await;
                    self.forward(number, request).await
                };
                tokio::spawn(held).await.map_err(|_| Closed)?
            }
            Some(Fault::Lose) => {
                let _ = tokio::spawn(async move { self.forward(number, whole(request).await?).await }).await;
                Err(Closed)
            }
            Some(Fault::Pages(size)) => self.forward(number, in_pages(request, size)).await,
            Some(Fault::Stall) => {
                lifting.await;
                Err(Closed)
            }
        }
    }

    async fn forward(&self, number: usize, request: Request<Body>) -> Answer {
        let mut request = whole(request).await?;
        for header in [HOST, AUTHORIZATION] {
            request.headers_mut().remove(header);
        }
        let (head, body) = request.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.map_err(|_| Closed)?;
        let sent = self.server.send(Request::from_parts(head, body.into())).await;
        let (head, body) = sent.map_err(|_| Closed)?.into_parts();
        let call = {
            let mut calls = lock(&self.calls);
            calls[number].status = head.status.as_u16();
            calls[number].clone()
        };
        let mut body = Body::new(body);
        if call.verb == "watch" && head.status.is_success() {
            let (sender, breaks) = unbounded_channel();
            lock(&self.watches).push((call, sender));
            body = Body::from_stream(breakable(body.into_data_stream(), breaks));
        }
        Ok(Response::from_parts(head, body))
    }
}

/// The request, once all of it is there.
async fn whole(request: Request<Body>) -> Result<Request<Body>, Closed> {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.map_err(|_| Closed)?;
    Ok(Request::from_parts(head, Body::from(body)))
}

/// An answer of the API server's kind.
fn status(code: u16, reason: &str, after: Option<u64>) -> Response<Body> {
    let said = json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "reason": reason,
        "message": format!("{reason} by the proxy of the tests"),
    });
    let mut response = Response::builder().status(code).header("content-type", "application/json");
    if let Some(seconds) = after {
        response = response.header(RETRY_AFTER, seconds);
    }
    response.body(Body::from(said.to_string())).expect("a response")
}

/// The first half of an answer, after which the connection ends.
async fn half(answer: Response<Body>) -> Answer {
    let (head, body) = answer.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.map_err(|_| Closed)?;
    let begin = body.slice(..body.len() / 2);
    let stream = futures::stream::iter([Ok(begin), Err(Closed)]);
    Ok(Response::from_parts(head, Body::from_stream(stream)))
}

fn in_pages(mut request: Request<Body>, size: usize) -> Request<Body> {
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    let others = query.split('&').filter(|part| !part.starts_with("limit="));
    let query = others.map(str::to_owned).chain([format!("limit={size}")]).collect::<Vec<_>>().join("&");
    *request.uri_mut() = format!("{path}?{query}").parse().expect("a path");
    request
}

/// A watch, event by event, until it is broken.
fn breakable(
    events: BodyDataStream,
    breaks: UnboundedReceiver<Break>,
) -> impl Stream<Item = Result<Bytes, Closed>> + Send {
    let begin = Watch { events, breaks, partial: Vec::new(), muted: false, over: false };
    futures::stream::unfold(begin, async |mut watch| Some((watch.next().await?, watch)))
}

struct Watch {
    events: BodyDataStream,
    breaks: UnboundedReceiver<Break>,
    /// The beginning of an event.
    partial: Vec<u8>,
    muted: bool,
    over: bool,
}

impl Watch {
    async fn next(&mut self) -> Option<Result<Bytes, Closed>> {
        while !self.over {
            tokio::select! {
                biased;
                Some(what) = self.breaks.recv() => match what {
                    Break::Mute => self.muted = true,
                    Break::Cut => {
                        self.over = true;
                        return Some(Err(Closed));
                    }
                    Break::Gone => {
                        self.over = true;
                        return Some(Ok(gone()));
                    }
                },
                data = self.events.next() => match data {
                    Some(Ok(data)) => {
                        self.partial.extend_from_slice(&data);
                        if let Some(end) = self.partial.iter().rposition(|byte| *byte == b'\n') {
                            let rest = self.partial.split_off(end + 1);
                            let events = std::mem::replace(&mut self.partial, rest);
                            if !self.muted {
                                return Some(Ok(events.into()));
                            }
                        }
                    }
                    Some(Err(_)) => {
                        self.over = true;
                        return Some(Err(Closed));
                    }
                    None => self.over = true,
                },
            }
        }
        None
    }
}

/// What the API server says when the history that a watch went on from is compacted.
fn gone() -> Bytes {
    let object = json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": 410, "reason": "Expired",
        "message": "too old resource version",
    });
    format!("{}\n", json!({"type": "ERROR", "object": object})).into()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
