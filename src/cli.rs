//! The commands: arguments, and what of a report goes where.
//!
//! Which exit codes each command has stands in `exits.rs`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstream::{AutoStream, ColorChoice};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use self::adopt::AdoptArgs;
use self::diff::DiffArgs;
use self::eject::EjectArgs;
use self::explain::{ExplainArgs, Explanation};
use self::input::{InputArgs, InputError, Source};
use self::known::Known;
use self::lint::LintArgs;
use self::preview::PreviewArgs;
use self::profiles::ProfilesArgs;
use self::render::RenderArgs;
use self::report::{Exit, Painter, Report};
use self::status::StatusArgs;
use self::upgrade::UpgradeArgs;
use self::world::World;
use crate::catalogue::{Catalogue, LoadError};
use crate::configuration::Configuration;
use crate::controller::{ControllerArgs, ControllerError};
use crate::engine::{Engine, EngineError};
use crate::platform::{self, ConfigurationError};
use crate::server::{StartError, WebhookArgs};

pub mod adopt;
pub mod behind;
pub mod cluster;
mod controller;
pub mod diff;
pub mod eject;
mod exits;
pub mod explain;
pub mod granted;
pub mod input;
pub mod judge;
pub mod known;
pub mod lint;
pub mod moves;
pub mod named;
pub mod output;
pub mod preview;
pub mod profiles;
pub mod render;
pub mod report;
pub mod status;
pub mod upgrade;
mod webhook;
pub mod world;

/// Expands ten-line StatefulSets into production-grade ones, and never restarts them unasked
#[derive(Debug, Parser)]
#[command(name = "stateward", version, after_help = "Each command's --help tells its exit codes")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print manifests as the webhook would make them; other kinds pass through untouched
    Render(Scoped<RenderArgs>),
    /// Show what is wrong with manifests, under the lines that caused it
    Lint(Scoped<LintArgs>),
    /// Say of each field what is injected, from where and why, and what is not
    Explain(Scoped<ExplainArgs>),
    /// Show how managed sets and what stands beside them are doing, and what to do where something is wrong
    Status(Configured<StatusArgs>),
    /// Say what managing existing sets would mean: profile, companions that appear, yield or clash
    Adopt(Configured<AdoptArgs>),
    /// Print the full manifests of a set and its companions; applied, they hand everything back
    Eject(Configured<EjectArgs>),
    /// List profiles: where they come from, their revisions, and how many sets have which
    Profiles(Scoped<ProfilesArgs>),
    /// Say what a profile would change before it is applied; nothing is written
    Preview(Scoped<PreviewArgs>),
    /// Compare a live set with the current revision of its profile
    Diff(Scoped<DiffArgs>),
    /// Move sets to the current revision of their profile, or to another, one restart at a time
    Upgrade(Configured<UpgradeArgs>),
    /// Serve the admission webhooks
    Webhook(WebhookArgs),
    /// Keep Services, disruption budgets and Secrets beside managed sets
    Controller(ControllerArgs),
    /// Serve the admission webhooks with certificates of our own making: for development and small clusters
    Run(WebhookArgs),
}

/// Arguments of one command, and those that all of them share.
#[derive(Debug, clap::Args)]
struct Scoped<A: clap::Args> {
    #[command(flatten)]
    args: A,
    #[command(flatten)]
    scope: Scope,
}

/// Arguments of one command on a cluster, and those that all of them share.
#[derive(Debug, clap::Args)]
struct Configured<A: clap::Args> {
    #[command(flatten)]
    args: A,
    #[command(flatten)]
    scope: Scope,
    /// The platform's configuration, which grants service classes, hosts and Gateways; default: that of
    /// the chart, where it can be read
    #[arg(long, value_name = "FILE")]
    configuration: Option<PathBuf>,
}

/// What every command on manifests wants to know.
#[derive(Debug, clap::Args)]
struct Scope {
    /// Namespace of objects that name none
    #[arg(short = 'n', long)]
    namespace: Option<String>,
    /// Directory of profiles that join the built-in ones; those among the manifests of -f do so by themselves
    #[arg(long, value_name = "DIR")]
    profiles: Vec<PathBuf>,
}

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Manifests that cannot be read.
    #[error("{}", lines(.0))]
    Input(Vec<InputError>),
    /// Profiles that cannot be used.
    #[error(transparent)]
    Profiles(#[from] LoadError),
    /// A configuration that cannot be used.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// A fault of our own.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A fault of our own.
    #[error(transparent)]
    Output(#[from] output::OutputError),
    /// Arguments that do not go together.
    #[error("{0}")]
    Usage(String),
    /// The cluster did not answer, or has no such object.
    #[error("{0}")]
    Cluster(String),
    /// The webhook did not start, or ended otherwise than well.
    #[error(transparent)]
    Serve(#[from] StartError),
    /// The controller did not start, or ended otherwise than well.
    #[error(transparent)]
    Controller(#[from] ControllerError),
}

/// Does what the command line says.
#[must_use]
pub fn run() -> ExitCode {
    let mut command = exits::told(Cli::command());
    let matches = command.try_get_matches_from_mut(std::env::args_os());
    let cli = matches.and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches));
    let cli = match cli.map_err(|error| error.format(&mut command)) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too, with code 0; a closed output is no matter.
            _ = error.print();
            return ExitCode::from(if error.use_stderr() { Exit::Usage } else { Exit::Fine });
        }
    };
    let report = match cli.command.run() {
        Ok(report) => report,
        Err(failure) => {
            Report { stderr: format!("error: {failure}\n"), exit: failure.exit(), ..Report::default() }
        }
    };
    ExitCode::from(print(&report))
}

impl Command {
    fn run(self) -> Result<Report, Failure> {
        match self {
            Self::Render(Scoped { args, scope }) => {
                let sources = sources(&args.input)?;
                let engine = scope.engine(&sources)?;
                render::run(&args, &sources, scope.namespace(), &engine, &mut painter(&io::stderr()))
            }
            Self::Lint(Scoped { args, scope }) => {
                let sources = sources(&args.input)?;
                let engine = scope.engine(&sources)?;
                lint::run(&args, &sources, scope.namespace(), &engine, &mut painter(&io::stdout()))
            }
            Self::Explain(Scoped { args, scope }) => {
                if let Some(name) = args.live.name()? {
                    return explain_live(&args, &scope, &name);
                }
                let sources = sources(&args.input)?;
                let engine = scope.engine(&sources)?;
                explain::run(&args, &sources, scope.namespace(), &engine, &mut painter(&io::stderr()))
            }
            Self::Status(Configured { args, scope, configuration }) => {
                let given = read_configuration(configuration.as_deref())?;
                status::run(&args, scope.namespace.as_deref(), scope.catalogue()?, given)
            }
            Self::Adopt(Configured { args, scope, configuration }) => {
                let given = read_configuration(configuration.as_deref())?;
                adopt::run(&args, scope.namespace.as_deref(), scope.catalogue()?, given)
            }
            Self::Eject(Configured { args, scope, configuration }) => {
                let given = read_configuration(configuration.as_deref())?;
                eject::run(&args, scope.namespace.as_deref(), scope.catalogue()?, given)
            }
            Self::Profiles(Scoped { args, scope }) => {
                profiles::run(&args, scope.namespace.as_deref(), scope.catalogue()?)
            }
            Self::Preview(Scoped { args, scope }) => {
                preview::run(&args, scope.namespace.as_deref(), scope.catalogue()?)
            }
            Self::Diff(Scoped { args, scope }) => {
                diff::run(&args, scope.namespace.as_deref(), scope.catalogue()?)
            }
            Self::Upgrade(Configured { args, scope, configuration }) => {
                let given = read_configuration(configuration.as_deref())?;
                upgrade::run(&args, scope.namespace.as_deref(), scope.catalogue()?, given)
            }
            Self::Webhook(args) => webhook::serve(args),
            Self::Controller(args) => controller::run(args),
            Self::Run(args) => webhook::serve(args.self_managed()),
        }
    }
}

impl Scope {
    fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or("default")
    }

    /// For these manifests: a profile that stands among them too is taken from there.
    fn engine(&self, sources: &[Source]) -> Result<Engine, Failure> {
        let there: Vec<String> = judge::profiles_in(sources).into_iter().map(|one| one.name).collect();
        Ok(Engine::new(catalogue(&self.profiles, &there)?))
    }

    fn catalogue(&self) -> Result<Catalogue, Failure> {
        catalogue(&self.profiles, &[])
    }
}

/// The configuration in a file that is named. Read before the cluster is asked for anything.
fn read_configuration(file: Option<&Path>) -> Result<Option<Configuration>, ConfigurationError> {
    file.map(|file| platform::read(Some(file))).transpose()
}

/// The built-in profiles and those in `paths`, but for those of these names.
fn catalogue(paths: &[PathBuf], without: &[String]) -> Result<Catalogue, Failure> {
    let input = InputArgs { files: paths.to_vec(), recursive: false };
    let sources = input.read().map_err(Failure::Input)?;
    let files = sources.iter().flat_map(|source| {
        let profiles = source.documents.iter().filter(|document| {
            let is_meant = |name| without.iter().all(|other| other != name);
            document.value["kind"] == "StatefulSetProfile" && is_meant(input::name(&document.value))
        });
        profiles.map(|document| (source.name.as_str(), &source.text[document.piece.body.clone()]))
    });
    Ok(Catalogue::built_in()?.with(files)?)
}

fn explain_live(args: &ExplainArgs, scope: &Scope, name: &str) -> Result<Report, Failure> {
    let catalogue = scope.catalogue()?;
    let (cluster, object) = args.live.read(name, scope.namespace.as_deref())?;
    let known = Known::read(catalogue, &cluster)?;
    let namespace = scope.namespace.as_deref().unwrap_or(&cluster.namespace);
    let world = World::of_namespaces(&cluster, Some(namespace))?;
    let explanation = Explanation::live(&known.engine(), &object, &world);
    let stdout = explain::print(&[explanation], args.output)?;
    Ok(Report { stdout, stderr: known.note, ..Report::default() })
}

fn sources(input: &InputArgs) -> Result<Vec<Source>, Failure> {
    if input.files.is_empty() {
        return Err(Failure::Usage(
            "no manifests; name them with -f FILE, -f DIR or -f - for standard input".to_owned(),
        ));
    }
    input.read().map_err(Failure::Input)
}

/// Colours if `stream` is a terminal, or as `NO_COLOR` and `CLICOLOR_FORCE` say.
fn painter(stream: &impl anstream::stream::RawStream) -> Painter {
    Painter::new(AutoStream::choice(stream) != ColorChoice::Never)
}

/// Prints the report. A reader that has seen enough, such as `head`, is no failure.
fn print(report: &Report) -> Exit {
    for (text, stream) in
        [(&report.stderr, &mut io::stderr() as &mut dyn Write), (&report.stdout, &mut io::stdout())]
    {
        match stream.write_all(text.as_bytes()).and_then(|()| stream.flush()) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            Err(_) => return Exit::Internal,
        }
    }
    report.exit
}

impl Failure {
    fn exit(&self) -> Exit {
        match self {
            Self::Serve(error) => of_code(error.exit_code()),
            Self::Controller(error) => of_code(error.exit_code()),
            Self::Input(_) | Self::Profiles(_) | Self::Configuration(_) => Exit::Unreadable,
            Self::Engine(_) | Self::Output(_) => Exit::Internal,
            Self::Usage(_) => Exit::Usage,
            Self::Cluster(_) => Exit::Cluster,
        }
    }
}

fn of_code(code: u8) -> Exit {
    match code {
        2 => Exit::Usage,
        3 => Exit::Unreadable,
        4 => Exit::Cluster,
        _ => Exit::Findings,
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

fn lines(errors: &[InputError]) -> String {
    let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
    lines.join("\nerror: ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn files_and_names_exclude_each_other() {
        assert!(Cli::try_parse_from(["stateward", "explain", "-f", "a.yaml", "db"]).is_err());
        assert!(Cli::try_parse_from(["stateward", "explain", "sts", "db", "-n", "shop"]).is_ok());
        assert!(
            Cli::try_parse_from(["stateward", "render", "-f", "-", "-f", "b", "-R", "-o", "json"]).is_ok()
        );
    }

    #[test]
    fn failures_have_their_codes() {
        let missing = InputArgs { files: vec![PathBuf::from("no/such/file")], recursive: false };
        assert_eq!(sources(&missing).unwrap_err().exit(), Exit::Unreadable);
        assert_eq!(sources(&InputArgs::default()).unwrap_err().exit(), Exit::Usage);
    }
}
