//! The real server under load on loopback, beside two servers on the same stack.
//!
//! All three are this program again, in a process of their own, with `SERVER` in the environment:
//! `stateward` is the product; `floor` parses the review and sends an answer that the product made
//! before; `bare` says `allowed: true` whatever comes. They run side by side and are asked in turn,
//! a slice of the load each, so that what else happens on the machine happens to all of them.

// What is measured here must not fail.
#![allow(clippy::expect_used, clippy::panic)]

mod reviews;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use clap::{Args as _, FromArgMatches as _};
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use stateward::admission::{Answer, Endpoint, ReviewError, Summary};
use stateward::server::tls::install_provider;
use stateward::server::{self, Respond, WebhookArgs};

use self::reviews::Review;

// As in the program.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The servers, the one without any work of its own first.
const SERVERS: [&str; 3] = ["bare", "floor", "stateward"];
/// The reviews, by name.
const REVIEWS: [&str; 3] = ["create", "update-repeated", "update-image"];
/// How often each server has its turn.
const TURNS: usize = 8;
/// Reviews in a turn, from all connections together.
const BUSY: usize = 2_500;
/// Connections in a turn; API servers keep about as many.
const CONNECTIONS: usize = 8;
/// Reviews in a turn that are sent one after the other, for the latency without a queue.
const ALONE: usize = 250;

fn main() {
    install_provider();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    if let Ok(kind) = std::env::var("SERVER") {
        runtime.block_on(serve(&kind));
    } else {
        for review in reviews::all().iter().filter(|review| REVIEWS.contains(&review.name)) {
            runtime.block_on(measure(review));
        }
    }
}

// The servers.

/// A server that answers the same whatever it is asked.
struct Constant {
    answer: Answer,
    parses: bool,
}

impl Respond for Constant {
    fn answer(&self, _: Endpoint, body: &[u8]) -> Result<Answer, ReviewError> {
        if self.parses {
            let review: Value =
                serde_json::from_slice(body).map_err(|error| ReviewError::NotJson(error.to_string()))?;
            assert_eq!(review["kind"], "AdmissionReview");
        }
        Ok(self.answer.clone())
    }
}

async fn serve(kind: &str) {
    let command = WebhookArgs::augment_args(clap::Command::new("load"));
    let args = WebhookArgs::from_arg_matches(&command.get_matches()).expect("arguments");
    let responder: Arc<dyn Respond> = match kind {
        "stateward" => Arc::new(reviews::admission()),
        "floor" => Arc::new(Constant { answer: prepared(), parses: true }),
        _ => {
            let response = json!({"uid": "b2a1e0f4-7f6e-4a43-8f0d-2f8a6f7f9b3c", "allowed": true});
            let body = json!({
                "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response,
            });
            let summary = Summary { operation: "other", outcome: "ignored", ..Summary::default() };
            Arc::new(Constant {
                answer: Answer { body: body.to_string().into_bytes(), summary },
                parses: false,
            })
        }
    };
    server::run(args, Arc::default(), |_| responder).await.expect("a server that ends well");
}

/// What the product answers to the review named in the environment.
fn prepared() -> Answer {
    let name = std::env::var("REVIEW").expect("the name of a review");
    let review = reviews::all().into_iter().find(|review| review.name == name).expect("a review");
    reviews::admission().answer(review.endpoint, &review.body).expect("an answer")
}

// The load.

/// What was measured of one server.
#[derive(Default)]
struct Measured {
    busy: Duration,
    cpu: Duration,
    idle_kib: u64,
    loaded_kib: u64,
    queued: Vec<Duration>,
    alone: Vec<Duration>,
}

async fn measure(review: &Review) {
    let directory = tempfile::tempdir().expect("a directory");
    let root = certificate(directory.path());
    let mut servers = Vec::new();
    for kind in SERVERS {
        servers.push((
            kind,
            Server::start(kind, review.name, directory.path(), &root).await,
            Measured::default(),
        ));
    }
    for (_, server, measured) in &mut servers {
        measured.idle_kib = server.resident_kib();
        server.ask(review, CONNECTIONS, 200).await;
    }
    for _ in 0..TURNS {
        for (_, server, measured) in &mut servers {
            let (cpu, began) = (server.cpu(), Instant::now());
            measured.queued.extend(server.ask(review, CONNECTIONS, BUSY).await);
            measured.busy += began.elapsed();
            measured.cpu += server.cpu().saturating_sub(cpu);
            measured.alone.extend(server.ask(review, 1, ALONE).await);
            measured.loaded_kib = server.resident_kib();
        }
    }
    println!("\n{}: {} bytes, {} reviews\n", review.name, review.body.len(), TURNS * BUSY);
    println!(
        "| server | reviews/s | CPU s per 1,000 | p50, p99 alone (ms) | p50, p99 of {CONNECTIONS} (ms) | MiB idle, after |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for (kind, _, measured) in &mut servers {
        println!("| {kind} | {} |", measured.row());
    }
}

impl Measured {
    fn row(&mut self) -> String {
        let reviews = self.queued.len();
        let thousands = f64::from(u32::try_from(reviews).expect("a small number")) / 1000.0;
        let mib = |kib: u64| kib.div_ceil(102) / 10;
        format!(
            "{:.0} | {:.3} | {} | {} | {}, {}",
            1000.0 * thousands / self.busy.as_secs_f64(),
            self.cpu.as_secs_f64() / thousands,
            percentiles(&mut self.alone),
            percentiles(&mut self.queued),
            mib(self.idle_kib),
            mib(self.loaded_kib),
        )
    }
}

fn percentiles(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at =
        |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)].as_secs_f64() * 1000.0;
    format!("{:.2}, {:.2}", at(50), at(99))
}

/// A server in a process of its own, which ends with this.
struct Server {
    process: Child,
    url: String,
    /// Of one connection each.
    clients: Vec<Client>,
}

impl Server {
    async fn start(kind: &str, review: &str, directory: &Path, root: &str) -> Self {
        let clients = (0..CONNECTIONS).map(|_| client(root)).collect();
        let (told, program) = (directory.join(kind), std::env::current_exe().expect("this program"));
        let process = Command::new(program)
            .env("SERVER", kind)
            .env("REVIEW", review)
            .args(["--without-cluster", "--bind", "127.0.0.1:0", "--admin-bind", "127.0.0.1:0"])
            .arg("--tls-cert-file")
            .arg(directory.join("tls.crt"))
            .arg("--tls-key-file")
            .arg(directory.join("tls.key"))
            .arg("--ready-file")
            .arg(&told)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a server");
        let mut server = Self { process, url: String::new(), clients };
        for _ in 0..500 {
            if let Ok(text) = fs::read_to_string(&told) {
                let addresses: Value = serde_json::from_str(&text).expect("addresses");
                let address = addresses["address"].as_str().expect("an address");
                server.url = format!("https://{address}/mutate?timeout=10s");
                return server;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{kind} is not ready after ten seconds");
    }

    /// Sends a review so many times over so many connections, and gives how long each took.
    async fn ask(&self, review: &Review, connections: usize, reviews: usize) -> Vec<Duration> {
        let body = Bytes::from(review.body.clone());
        let share =
            |client: &Client| ask(client.clone(), self.url.clone(), body.clone(), reviews / connections);
        let tasks: Vec<_> =
            self.clients.iter().take(connections).map(|client| tokio::spawn(share(client))).collect();
        let mut times = Vec::with_capacity(reviews);
        for task in tasks {
            times.extend(task.await.expect("answers"));
        }
        times
    }

    /// The time that processors spent on the process so far, in steps of 10 ms (`proc_pid_stat(5)`: fields
    /// 14 and 15, in hundredths of a second on every Linux).
    fn cpu(&self) -> Duration {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).expect("a status");
        let (_, fields) = text.rsplit_once(')').expect("a name in brackets");
        let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
        Duration::from_millis(ticks.map(|ticks| 10 * ticks.expect("a number")).sum())
    }

    fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("a status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A client that keeps one connection. API servers, too, speak HTTP/1.1 to webhooks behind a Service.
fn client(root: &str) -> Client {
    let root = reqwest::Certificate::from_pem(root.as_bytes()).expect("a certificate");
    Client::builder().tls_certs_only([root]).no_proxy().http1_only().build().expect("a client")
}

async fn ask(client: Client, url: String, body: Bytes, reviews: usize) -> Vec<Duration> {
    let mut times = Vec::with_capacity(reviews);
    for _ in 0..reviews {
        let began = Instant::now();
        let request = client.post(&url).header(CONTENT_TYPE, "application/json").body(body.clone());
        let response = request.send().await;
        let response = response.and_then(reqwest::Response::error_for_status).expect("an answer");
        response.bytes().await.expect("an answer");
        times.push(began.elapsed());
    }
    times
}

/// Writes a certificate for loopback and its key; gives the certificate.
fn certificate(directory: &Path) -> String {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    fs::write(directory.join("tls.key"), made.signing_key.serialize_pem()).expect("a key file");
    fs::write(directory.join("tls.crt"), made.cert.pem()).expect("a certificate file");
    made.cert.pem()
}
