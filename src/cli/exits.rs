//! Which exit codes each command has: told by its `--help` and in the README.

use clap::Command;

use super::report::Exit;

/// What a command's exit codes say.
struct Codes {
    command: &'static str,
    /// What is found where it ends with 1.
    found: Option<&'static str>,
    /// Those it has besides 0, 1 and 2.
    others: &'static [Exit],
}

/// What a code says of every command; of 1 each says it itself.
const MEANINGS: [(Exit, &str); 5] = [
    (Exit::Fine, "fine"),
    (Exit::Usage, "usage"),
    (Exit::Unreadable, "unreadable input"),
    (Exit::Cluster, "the cluster does not answer, or has no such object"),
    (Exit::Internal, "a fault of stateward itself"),
];

const FILES: &[Exit] = &[Exit::Unreadable, Exit::Internal];
const BOTH: &[Exit] = &[Exit::Unreadable, Exit::Cluster, Exit::Internal];

const fn codes(command: &'static str, found: &'static str, others: &'static [Exit]) -> Codes {
    Codes { command, found: Some(found), others }
}

/// All commands, in the order of the help. A file that can be unreadable is one of `--profiles` or
/// `--configuration`, too.
const ALL: [Codes; 13] = [
    codes("render", "a set is refused, or a profile beside it cannot be used", FILES),
    codes("lint", "faults found", FILES),
    codes("explain", "a set is refused, or a profile beside it cannot be used", BOTH),
    codes("status", "something is wrong, or still is when the time to wait is over", BOTH),
    codes("adopt", "with --dry-run: a set would be refused, or a companion not be made", BOTH),
    Codes { command: "eject", found: None, others: BOTH },
    codes("profiles", "a profile has a fault", BOTH),
    codes("preview", "something in a set or beside it would change, or would be refused", BOTH),
    codes("diff", "something in the set or beside it would change, or would be refused", BOTH),
    codes("upgrade", "a set is not where it should be; with --dry-run, as for preview", BOTH),
    codes("webhook", "it could not start, or not go on", BOTH),
    codes("controller", "it could not start, or not go on", BOTH),
    codes("run", "it could not start, or not go on", BOTH),
];

impl Codes {
    /// `Exit codes: 0 fine, 1 faults found, 2 usage …`
    fn told(&self) -> String {
        let is_meant = |exit: &Exit| *exit <= Exit::Usage || self.others.contains(exit);
        let mut all: Vec<(Exit, &str)> = MEANINGS.into_iter().filter(|(exit, _)| is_meant(exit)).collect();
        if let Some(found) = self.found {
            all.insert(1, (Exit::Findings, found));
        }
        let all: Vec<String> = all.into_iter().map(|(exit, what)| format!("{} {what}", exit as u8)).collect();
        format!("Exit codes:\n  {}", all.join("\n  "))
    }
}

/// The command line, each command of which tells its exit codes.
pub(super) fn told(command: Command) -> Command {
    ALL.iter().fold(command, |command, codes| {
        command.mut_subcommand(codes.command, |subcommand| subcommand.after_help(codes.told()))
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::{env, fs};

    use clap::CommandFactory;

    use super::super::Cli;
    use super::*;

    const BEGIN: &str = "<!-- exit-codes:begin -->";
    const END: &str = "<!-- exit-codes:end -->";

    /// What the README says.
    fn markdown() -> String {
        let mut out = String::from("| command | 1 says |\n| --- | --- |\n");
        out.extend(ALL.iter().map(|codes| {
            format!("| `{}` | {} |\n", codes.command, codes.found.unwrap_or("(it has no such code)"))
        }));
        let others: Vec<String> =
            MEANINGS.iter().map(|(exit, what)| format!("{} {what}", *exit as u8)).collect();
        format!("{}.\nWhat 1 says is each command's own:\n\n{out}", others.join("; "))
    }

    #[test]
    fn every_command_tells_its_own() {
        let mut command = told(Cli::command());
        command.build();
        for subcommand in command.get_subcommands_mut().filter(|one| one.get_name() != "help") {
            let name = subcommand.get_name().to_owned();
            let help = subcommand.render_help().to_string();
            let codes = ALL.iter().find(|codes| codes.command == name);
            let codes = codes.unwrap_or_else(|| panic!("{name} stands in no table"));
            assert!(help.contains(&codes.told()), "{help}");
        }
    }

    #[test]
    fn each_code_is_told_once_and_in_order() {
        let told = ALL.iter().find(|codes| codes.command == "lint").unwrap().told();
        assert_eq!(
            told,
            "Exit codes:\n  0 fine\n  1 faults found\n  2 usage\n  3 unreadable input\n  5 a fault of stateward itself"
        );
        let eject = ALL.iter().find(|codes| codes.command == "eject").unwrap().told();
        assert!(!eject.contains("\n  1 "), "{eject}");
    }

    #[test]
    fn the_readme_says_the_same() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
        let readme = fs::read_to_string(&path).unwrap();
        let (before, rest) = readme.split_once(BEGIN).unwrap();
        let (_, after) = rest.split_once(END).unwrap();
        let wanted = format!("{before}{BEGIN}\n\n{}\n{END}{after}", markdown());
        if env::var_os("STATEWARD_BLESS").is_some() {
            fs::write(&path, &wanted).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap();
        assert!(found == wanted, "README.md is stale: run the tests with STATEWARD_BLESS=1");
    }
}
