//! A hundred profiles of the platform's own and many sets on the real control plane: the webhook's memory,
//! what an edit of a profile costs it, and `preview` and `upgrade` of all sets.
//!
//! `SETS=1000,10000` says how many sets there are in each round; `COMPARE=FILE` names another build, whose
//! commands are measured beside ours. No pods are made, since the controller manager is stopped; each set
//! has one claim, as that would have made it.

// What is measured here must not fail.
#![allow(clippy::expect_used, clippy::panic)]

#[path = "converge/local.rs"]
#[allow(dead_code, reason = "each bench that starts a cluster uses a part of it")]
mod local;
#[path = "converge/rounds.rs"]
mod rounds;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use serde_json::{Value, json};

use self::local::{Local, Usage};
use self::rounds::{Rounds, create, namespace, seconds, statefulsets};

/// Profiles: the first is the parent of all others.
const PROFILES: usize = 100;
/// Edits of a profile, one after the other.
const EDITS: u32 = 20;

struct Fleet;

impl Rounds for Fleet {
    async fn prepare(&self, local: &Local, admin: &Client) {
        make_profiles(local, admin).await;
        println!("{PROFILES} profiles, no set");
        webhook(local, admin).await;
    }

    async fn make(&self, admin: &Client, number: usize) {
        let (namespace, name) = (namespace(number), format!("queue-{number}"));
        let image = format!("{}:1", profile_name(number % PROFILES));
        let manifest = json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"name": name, "labels": {"stateward.dev/managed": "true"}},
            "spec": {"replicas": 1, "template": {"spec": {"containers": [
                {"name": "queue", "image": image, "ports": [{"containerPort": 80}]}]}}},
        });
        let made = create(&statefulsets(admin, &namespace), manifest).await;
        let mut claim = made.data["spec"]["volumeClaimTemplates"][0].clone();
        claim["metadata"]["name"] = format!("data-{name}-0").into();
        let claims = ApiResource::erase::<PersistentVolumeClaim>(&());
        create(&Api::namespaced_with(admin.clone(), &namespace, &claims), claim).await;
    }

    async fn measure(&self, local: &Local, admin: &Client, _: usize) {
        webhook(local, admin).await;
        commands(local);
    }
}

fn main() {
    rounds::run(&Fleet);
}

/// The webhook's memory, and the processor time of an edit.
async fn webhook(local: &Local, admin: &Client) {
    let before = settled(|| local.webhook_usage()).await;
    for number in 0..EDITS {
        // Another text each time, and no other revision: that would wait for a controller to keep it.
        apply(admin, 1, &format!("edited {number} at {:?}", before.cpu), "64Mi").await;
    }
    let after = settled(|| local.webhook_usage()).await;
    let cpu = after.cpu.checked_sub(before.cpu).unwrap_or_default() / EDITS;
    let Usage { resident_mib, peak_mib, .. } = after;
    println!("  the webhook         {resident_mib} MiB, at most {peak_mib}");
    println!("  an edit of a profile  {} ms of CPU of the webhook", cpu.as_millis());
    let fresh = local.replica();
    let Usage { cpu, resident_mib, peak_mib } = settled(|| fresh.usage()).await;
    println!("  one that starts     {resident_mib} MiB, at most {peak_mib}, {} s of CPU", seconds(cpu));
}

/// What a process has used once it does nothing more.
async fn settled(usage: impl Fn() -> Usage) -> Usage {
    let mut last = usage();
    loop {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let now = usage();
        // Probes and looks at the certificates go on.
        if now.cpu.checked_sub(last.cpu).unwrap_or_default() <= Duration::from_millis(20) {
            return now;
        }
        last = now;
    }
}

/// `preview` of an edit that concerns one profile, and of one that concerns all; `upgrade` where nothing is
/// to be done, so that reading is all that is measured.
fn commands(local: &Local) {
    let other = std::env::var("COMPARE").ok();
    for program in [Some(env!("CARGO_BIN_EXE_stateward").to_owned()), other].into_iter().flatten() {
        let measure = |what: &str, arguments: &[&str]| {
            let mut command = Command::new(&program);
            command.args(arguments).arg("--kubeconfig").arg(local.kubeconfig("admin"));
            let (took, usage, summary) = run(command);
            println!(
                "  {what}: {} s, {} s of CPU, at most {} MiB; {summary}",
                seconds(took),
                seconds(usage.cpu),
                usage.peak_mib
            );
        };
        for (number, what) in [(1, "one profile in a hundred"), (0, "the parent of all")] {
            let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fleet-edit.yaml");
            fs::write(&file, profile(number, "as it was", "96Mi").to_string()).expect("a file");
            measure(&format!("preview, {what}"), &["preview", "-A", "-f", &file.to_string_lossy()]);
        }
        measure("upgrade --dry-run", &["upgrade", "--all", "-A", "--dry-run"]);
        // Nothing is ready here, since there are no pods.
        measure("upgrade", &["upgrade", "--all", "-A", "--force"]);
    }
}

/// Runs a command; gives its time, what it used, and its last line.
fn run(mut command: Command) -> (Duration, Usage, String) {
    let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fleet-output");
    let began = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(fs::File::create(&output).expect("a file"))
        // A line for each set.
        .stderr(fs::File::create(output.with_extension("log")).expect("a file"))
        .spawn()
        .expect("a process");
    let mut usage = Usage::of(child.id()).expect("a process");
    while child.try_wait().expect("a status").is_none() {
        // One that has ended and was not waited for has no memory any more.
        usage = Usage::of(child.id()).unwrap_or(usage);
        std::thread::sleep(Duration::from_millis(10));
    }
    let took = began.elapsed();
    let said = fs::read_to_string(&output).expect("a text");
    (took, usage, said.lines().last().unwrap_or_default().to_owned())
}

fn profile_name(number: usize) -> String {
    format!("queue-{number}")
}

fn profile(number: usize, summary: &str, memory: &str) -> Value {
    let parent = if number == 0 { "default".to_owned() } else { profile_name(0) };
    let mut spec = json!({
        "summary": summary, "extends": parent, "match": {"images": [profile_name(number)]},
        "data": {"claim": "data", "mountPath": "/data", "size": "1Gi"},
        "statefulSet": {"spec": {"template": {"spec": {"containers": [
            {"name": "$(main)", "env": [{"name": "NUMBER", "value": number.to_string()}]}]}}}},
    });
    if number == 0 || memory != "64Mi" {
        spec["size"] = json!("small");
        spec["sizes"] = json!({"small": {"limits": {"memory": memory}}});
    }
    json!({
        "apiVersion": "stateward.dev/v1alpha1", "kind": "StatefulSetProfile",
        "metadata": {"name": profile_name(number)}, "spec": spec,
    })
}

fn profiles(admin: &Client) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("stateward.dev", "v1alpha1", "StatefulSetProfile");
    Api::all_with(admin.clone(), &ApiResource::from_gvk(&kind))
}

async fn apply(admin: &Client, number: usize, summary: &str, memory: &str) {
    let manifest = profile(number, summary, memory);
    let params = PatchParams::apply("bench").force();
    profiles(admin).patch(&profile_name(number), &params, &Patch::Apply(&manifest)).await.expect("a profile");
}

/// Makes the profiles and has a controller keep their revisions.
async fn make_profiles(local: &Local, admin: &Client) {
    let _controller = local.controller(&[]);
    for number in 0..PROFILES {
        apply(admin, number, "as it was", "64Mi").await;
    }
    loop {
        let list = profiles(admin).list(&kube::api::ListParams::default()).await.expect("a list");
        let is_used = |object: &&DynamicObject| object.data["status"]["conditions"][0]["status"] == "True";
        if list.items.iter().filter(is_used).count() == PROFILES {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
