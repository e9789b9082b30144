//! What has to hold for every system.

use std::time::{Duration, Instant};

use stateward::quantity::Quantity;

use crate::image::Image;
use crate::pod::Pod;
use crate::probe::Probe;
use crate::set::Set;
use crate::{PATIENCE, wait_for};

/// A system and how one tells whether its data is there: scripts for the shell of its image, the value being `$1`.
#[derive(Debug)]
pub(crate) struct System {
    /// The file in `examples`.
    pub(crate) example: &'static str,
    /// The image whose profile is proved.
    pub(crate) tag: &'static str,
    pub(crate) image: Image,
    /// Stores the value. What the system promises to keep through a crash is asked for here.
    pub(crate) write: &'static str,
    /// Prints the value.
    pub(crate) read: &'static str,
    /// Whether data outlives the container.
    pub(crate) durable: bool,
    /// What it prints at a start after a crash, and not after an orderly end.
    pub(crate) recovers: Option<&'static str>,
    /// Exit codes of an orderly end.
    pub(crate) ends: &'static [i32],
    /// Prints how many members the cluster of this pod has, all of them in touch, where it forms one.
    pub(crate) members: &'static str,
    /// Prints how much memory it was told to use for data, in bytes, and how many percent of the limit that is.
    pub(crate) memory: (&'static str, u64),
}

/// One pod, from before its first start until after its last.
pub(crate) fn single(system: &System) {
    let set = Set::expanded(system.example, system.tag, 1);
    let mut pod = Pod::create(&set, &system.image, 0);
    pod.start_idle();
    fails(&pod, "before the server was started");
    pod.start();
    is_not_ready_before_it_starts(&mut pod);
    comes_up(&mut pod);
    write(&pod, system, "one");
    remembers(&pod, system);
    holds(&mut pod);

    pod.kill();
    fails(&pod, "after the server was killed");
    pod.start();
    comes_up(&mut pod);
    recovered(&pod, system, true);
    if system.durable {
        assert_eq!(read(&pod, system), "one", "after a kill");
    }
    write(&pod, system, "two");

    let (status, log) = pod.terminate();
    let code = status.code();
    assert!(
        code.is_some_and(|code| system.ends.contains(&code)),
        "asked to end, it ended with {status}:\n{log}"
    );
    pod.recreate();
    pod.learn(std::slice::from_ref(pod.identity()));
    pod.start();
    comes_up(&mut pod);
    recovered(&pod, system, false);
    if system.durable {
        assert_eq!(read(&pod, system), "two", "after an orderly end");
    }
    drop(pod);
    if let Some(set) = Set::on_a_read_only_root(system.example, system.tag) {
        stores_again(system, &set);
    }
}

/// The server starts, stores, and does so again in a new container.
fn stores_again(system: &System, set: &Set) {
    let mut pod = Pod::create(set, &system.image, 0);
    for value in ["one", "two"] {
        pod.start();
        comes_up(&mut pod);
        write(&pod, system, value);
        holds(&mut pod);
        pod.kill();
    }
    pod.start();
    comes_up(&mut pod);
    if system.durable {
        assert_eq!(read(&pod, system), "two", "on a read-only root");
    }
}

/// Three pods that become one cluster, which outlives each of them, and all of them.
pub(crate) fn cluster(system: &System) {
    let set = Set::expanded(system.example, system.tag, 3);
    let mut pods: Vec<Pod> = Vec::new();
    if set.parallel {
        pods.extend((0..3).map(|ordinal| Pod::create(&set, &system.image, ordinal)));
        start_all(&mut pods);
    } else {
        for ordinal in 0..3 {
            pods.push(Pod::create(&set, &system.image, ordinal));
            learn(&pods);
            pods.last_mut().unwrap().start();
            comes_up_after(pods.last_mut().unwrap(), RESTARTS);
        }
    }
    one_cluster(&pods, system);
    write(&pods[0], system, "one");
    reads(&pods[2], system, "one");
    // By now there is something to keep copies of.
    one_cluster(&pods, system);

    // The last, and the first, which may have founded the cluster. Each comes back with another address.
    for (lost, value) in [(2, "two"), (0, "three")] {
        pods[lost].kill();
        let other = &pods[1];
        wait_for("a write to the rest", PATIENCE, || other.script(system.write, value));
        pods[lost].recreate();
        learn(&pods);
        pods[lost].start();
        comes_up_after(&mut pods[lost], RESTARTS);
        one_cluster(&pods, system);
        reads(&pods[lost], system, value);
    }

    // After the last one came back, so that no snapshot taken then has it.
    write(&pods[0], system, "four");
    for pod in &mut pods {
        pod.kill();
        pod.recreate();
    }
    if set.parallel {
        start_all(&mut pods);
    } else {
        for ordinal in 0..3 {
            learn(&pods[..=ordinal]);
            pods[ordinal].start();
            comes_up_after(&mut pods[ordinal], RESTARTS);
        }
    }
    one_cluster(&pods, system);
    reads(&pods[1], system, "four");
}

/// A member may give up while the others are not there yet; the kubelet starts it again.
const RESTARTS: u32 = 2;

pub(crate) fn start_all(pods: &mut [Pod]) {
    learn(pods);
    pods.iter_mut().for_each(Pod::start);
    for pod in pods {
        comes_up_after(pod, RESTARTS);
    }
}

/// Every pod knows those that are there.
pub(crate) fn learn(pods: &[Pod]) {
    let all: Vec<_> = pods.iter().map(|pod| pod.identity().clone()).collect();
    for pod in pods {
        pod.learn(&all);
    }
}

/// Each of them counts all.
pub(crate) fn one_cluster(pods: &[Pod], system: &System) {
    for pod in pods {
        wait_for("one cluster", PATIENCE, || match pod.script(system.members, "")? {
            counted if counted == pods.len().to_string() => Ok(()),
            counted => Err(format!("{} counts {counted}", pod.identity().name)),
        });
    }
}

/// A member may lag behind for a moment.
fn reads(pod: &Pod, system: &System, expected: &str) {
    wait_for("the value", PATIENCE, || match pod.script(system.read, "")? {
        value if value == expected => Ok(()),
        value => Err(format!("{} reads {value:?}, and not {expected:?}", pod.identity().name)),
    });
}

/// Waits as a kubelet does until the pod is ready, without a restart.
pub(crate) fn comes_up(pod: &mut Pod) {
    comes_up_after(pod, 0);
}

/// Waits as a kubelet does until the pod is ready. A server that ends meanwhile is started again, `restarts` times at
/// most, and that is told.
///
/// # Panics
/// If it ends once more, or a kubelet would kill it.
fn comes_up_after(pod: &mut Pod, restarts: u32) {
    let [startup, readiness, liveness] = probes(pod.main());
    let (mut begun, mut restarted, mut started) = (Instant::now(), 0, startup.is_none());
    loop {
        if let Some(status) = pod.has_ended() {
            assert!(restarted < restarts, "it ended with {status}:\n{}", pod.log());
            let log = pod.log();
            let last = log.lines().count().saturating_sub(30);
            println!("{} ended with {status} and is started again:", pod.identity().name);
            log.lines().skip(last).for_each(|line| println!("  {line}"));
            (begun, restarted, started) = (Instant::now(), restarted + 1, startup.is_none());
            pod.start();
        }
        let (asked, patience) = match &startup {
            Some(startup) if !started => (Some(startup), startup.patience()),
            _ => (readiness.as_ref(), PATIENCE),
        };
        let Some(Err(why)) = asked.map(|probe| probe.ask(pod)) else {
            if started {
                return lives(pod, liveness.as_ref());
            }
            (begun, started) = (Instant::now(), true);
            continue;
        };
        assert!(
            begun.elapsed() < patience,
            "{} in {patience:?}: {why}\n{}",
            ["not started", "started, but not ready"][usize::from(started)],
            pod.log()
        );
        if started && pod.has_ended().is_none() {
            lives(pod, liveness.as_ref());
        }
        pause();
    }
}

/// The single server's first start: it is not ready before it has started. (Of several, one that is for itself may be
/// so before they agree; a kubelet asks only afterwards.)
fn is_not_ready_before_it_starts(pod: &mut Pod) {
    let [Some(startup), Some(readiness), _] = probes(pod.main()) else { return };
    loop {
        let ready = readiness.ask(pod);
        let Err(why) = startup.ask(pod) else { break };
        assert!(ready.is_err(), "ready before it has started: {why}");
        alive(pod);
        pause();
    }
}

/// A kubelet kills only after so many failures one after the other.
fn lives(pod: &Pod, liveness: Option<&Probe>) {
    let Some(liveness) = liveness else { return };
    let asked: Vec<_> = (0..liveness.failures()).map_while(|_| liveness.ask(pod).err()).collect();
    assert!(asked.len() < liveness.failures(), "started, but not alive: {asked:?}\n{}", pod.log());
}

/// Its memory follows the container's, as the server itself says.
fn remembers(pod: &Pod, system: &System) {
    let (script, percent) = system.memory;
    if script.is_empty() {
        return;
    }
    let limit = pod.main()["resources"]["limits"]["memory"].as_str().unwrap();
    let limit = Quantity::parse(limit).unwrap().bytes().unwrap();
    let told: u64 = pod.script(script, "").unwrap().parse().unwrap();
    assert_eq!(told >> 20, (limit * percent / 100) >> 20, "MiB of {} that it was told to use", limit >> 20);
}

/// All probes succeed, time and again.
fn holds(pod: &mut Pod) {
    let main = pod.main();
    for _ in 0..5 {
        for (name, probe) in NAMES.iter().zip(probes(main)) {
            if let Some(Err(why)) = probe.map(|probe| probe.ask(pod)) {
                panic!("{name} fails while it runs: {why}");
            }
        }
    }
    alive(pod);
}

/// All probes fail.
fn fails(pod: &Pod, when: &str) {
    for (name, probe) in NAMES.iter().zip(probes(pod.main())) {
        assert!(!matches!(probe.map(|probe| probe.ask(pod)), Some(Ok(()))), "{name} succeeds {when}");
    }
}

/// Whether the server said, or did not say, that it recovers.
fn recovered(pod: &Pod, system: &System, expected: bool) {
    if let Some(word) = system.recovers {
        let log = pod.log();
        assert_eq!(log.contains(word), expected, "whether it says {word:?}:\n{log}");
    }
}

/// Stores a value, at the first attempt: who is ready serves.
pub(crate) fn write(pod: &Pod, system: &System, value: &str) {
    if let Err(why) = pod.script(system.write, value) {
        panic!("ready, but it stores nothing: {why}\n{}", pod.log());
    }
}

/// The value that is stored.
pub(crate) fn read(pod: &Pod, system: &System) -> String {
    pod.script(system.read, "")
        .unwrap_or_else(|why| panic!("ready, but it answers nothing: {why}\n{}", pod.log()))
}

fn alive(pod: &mut Pod) {
    if let Some(status) = pod.has_ended() {
        panic!("it ended with {status}:\n{}", pod.log());
    }
}

const NAMES: [&str; 3] = ["startupProbe", "readinessProbe", "livenessProbe"];

pub(crate) fn probes(main: &serde_json::Value) -> [Option<Probe<'_>>; 3] {
    NAMES.map(|name| Probe::of(main, name))
}

/// Between two questions: less than a kubelet's period, so that the test is quick and sees more.
pub(crate) fn pause() {
    std::thread::sleep(Duration::from_millis(200));
}
