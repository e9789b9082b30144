use clap::Parser;

use super::*;
use crate::cli::report::Exit;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    args: UpgradeArgs,
}

fn parse(words: &[&str]) -> Result<UpgradeArgs, String> {
    let line = Line::try_parse_from([&["upgrade"], words].concat());
    line.map(|line| line.args).map_err(|error| error.to_string())
}

#[test]
fn sets_are_meant_in_one_way() {
    for good in [&["db"][..], &["--all", "-A"], &["-l", "app=db"], &["db", "--to", "0a1b", "--timeout", "1m"]]
    {
        assert!(parse(good).is_ok(), "{good:?}");
    }
    for bad in
        [&[][..], &["db", "--all"], &["db", "-A"], &["--all", "--to", "Latest"], &["--all", "--to", "A!"]]
    {
        assert!(parse(bad).is_err(), "{bad:?}");
    }
    assert!(parse(&["db", "--max-unavailable-sets", "0"]).is_err());
}

#[test]
fn a_revision_may_stand_alone() {
    let pin = Pin::parse("redis@0a1b/8").unwrap();
    let wish = |to: &str| target(to).unwrap().wish(Some(&pin));
    assert_eq!(wish("latest"), "latest");
    assert_eq!(wish("redis@5f3c"), "redis@5f3c");
    assert_eq!(wish("5f3c"), "redis@5f3c");
    let why = target("5F").unwrap_err();
    assert!(why.contains("is no revision: lower-case letters and digits"), "{why}");
}

#[test]
fn sets_of_other_profiles_are_not_meant() {
    let catalogue = Catalogue::built_in().unwrap();
    let pin = Pin::parse("redis@0a1b").unwrap();
    let misses = |to: &str| target(to).unwrap().misses(Some(&pin), &catalogue);
    assert_eq!(misses("latest"), None);
    assert_eq!(misses("valkey@0a1b").as_deref(), Some("its profile is redis"));
    assert_eq!(misses("0000").as_deref(), Some("its profile redis has no revision 0000"));
    let latest = &catalogue.latest("redis").unwrap().revision;
    assert_eq!(misses(latest), None);
    let unexpanded = |to: &str| target(to).unwrap().misses(None, &catalogue);
    assert_eq!(unexpanded("latest"), None);
    assert_eq!(unexpanded(latest).as_deref(), Some("it was never expanded; --to latest expands it"));
}

#[test]
fn a_revision_that_nobody_knows_is_no_end_of_the_work() {
    let catalogue = Catalogue::built_in().unwrap();
    let unknown = |to: &str| target(to).unwrap().is_unknown(&catalogue);
    let latest = &catalogue.latest("redis").unwrap().revision;
    for good in ["latest", latest, &format!("redis@{latest}")] {
        assert_eq!(unknown(good), None);
    }
    assert!(unknown("0000").unwrap().contains("no profile has a revision 0000; stateward profiles NAME"));
    let valkey = format!("valkey@{latest}");
    assert!(unknown(&valkey).unwrap().contains(&format!("nobody knows the revision {valkey}")));
}

#[test]
fn what_came_of_each_is_told() {
    let pod = "pod c-0: main CrashLoopBackOff; kubectl logs -n shop c-0 --previous says why".to_owned();
    let at = |revision: &str| format!("queue@{revision}");
    let away = || "failed to list pods: tcp connect error".to_owned();
    let told = [
        Told::new(
            "shop",
            "a",
            Outcome::Moved { from: at("1"), to: at("2"), pods: "3 pods restart".to_owned() },
        ),
        Told::new("shop", "b", Outcome::There(at("2"))),
        Told::new("shop", "c", Outcome::Late { from: at("1"), to: at("2"), size: None, problem: pod }),
        Told::new("shop", "d", Outcome::Refused(vec!["stateward.dev/size: there is no huge".to_owned()])),
        Told::new("shop", "e", Outcome::Unready("0 of 1 pods are ready".to_owned())),
        Told::new("shop", "f", Outcome::NotBegun),
        Told::new(
            "shop",
            "g",
            Outcome::Late { from: at("2"), to: at("2"), size: None, problem: "no pod".to_owned() },
        ),
        Told::new("shop", "h", Outcome::Unseen { from: at("1"), to: at("2"), why: away() }),
        Told::new("shop", "i", Outcome::Failed(away())),
        Told::new("shop", "j", Outcome::Unknown(away())),
    ];
    let args = parse(&["--all"]).unwrap();
    insta::assert_snapshot!(format!("{}\n{}", outcome::text(&told), outcome::advice(&told, &args)));
    let ended = |exit: Exit| told.iter().filter(|one| one.outcome.exit() == exit).count();
    assert_eq!((ended(Exit::Fine), ended(Exit::Findings), ended(Exit::Cluster)), (2, 5, 3));
    assert_eq!(told[2].json()["outcome"], "not back");
}
