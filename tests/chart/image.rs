//! The image, as far as it can be looked at where nothing can build it.

use std::fs;

use crate::helm::{chart, object, objects, render_set, root};

fn containerfile() -> String {
    fs::read_to_string(root().join("Containerfile")).unwrap()
}

#[test]
fn the_chart_asks_for_the_image_of_this_version() {
    let metadata = fs::read_to_string(chart().join("Chart.yaml")).unwrap();
    assert!(metadata.contains(concat!("appVersion: \"", env!("CARGO_PKG_VERSION"), "\"")), "{metadata}");
}

#[test]
fn it_is_built_by_the_pinned_rust() {
    let toolchain = fs::read_to_string(root().join("rust-toolchain.toml")).unwrap();
    let channel =
        toolchain.lines().find_map(|line| line.strip_prefix("channel = ")).unwrap().trim_matches('"');
    let text = containerfile();
    assert!(text.contains(&format!("FROM docker.io/library/rust:{channel}-")), "{text}");
    assert!(text.contains(&format!("RUSTUP_TOOLCHAIN={channel}\n")), "{text}");
}

/// What is copied is what is let in, so that neither grows unseen.
#[test]
fn it_is_built_from_sources_alone() {
    let text = containerfile();
    let copied =
        text.lines().filter_map(|line| line.strip_prefix("COPY ")).filter(|line| !line.starts_with("--"));
    let copied: Vec<&str> = copied.flat_map(|line| line.rsplit_once(' ').unwrap().0.split(' ')).collect();
    let ignore = fs::read_to_string(root().join(".containerignore")).unwrap();
    let let_in: Vec<&str> = ignore.lines().filter_map(|line| line.strip_prefix('!')).collect();
    assert_eq!(copied, let_in);
}

#[test]
fn it_runs_as_the_user_and_on_the_ports_that_the_chart_names() {
    let rendered = objects(&render_set("default"));
    let pod = &object(&rendered, "Deployment", "stateward-webhook")["spec"]["template"]["spec"];
    let user = &pod["securityContext"]["runAsUser"];
    let mut ports: Vec<u64> = pod["containers"][0]["ports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|port| port["containerPort"].as_u64().unwrap())
        .collect();
    ports.sort_unstable();
    let text = containerfile();
    assert!(text.contains(&format!("USER {user}:{user}\n")), "{text}");
    assert!(text.contains(&format!("EXPOSE {} {}\n", ports[0], ports[1])), "{text}");
}
