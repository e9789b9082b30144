//! The commands: arguments, and what of a report goes where.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::input::InputError;
use self::report::{Exit, Report};
use crate::engine::EngineError;

pub mod input;
pub mod judge;
pub mod output;
pub mod render;
pub mod report;

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Manifests that cannot be read.
    #[error("{}", lines(.0))]
    Input(Vec<InputError>),
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
}

impl Failure {
    fn exit(&self) -> Exit {
        match self {
            Self::Input(_) => Exit::Unreadable,
            Self::Engine(_) | Self::Output(_) => Exit::Internal,
            Self::Usage(_) => Exit::Usage,
            Self::Cluster(_) => Exit::Cluster,
        }
    }
}

fn lines(errors: &[InputError]) -> String {
    let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
    lines.join("\nerror: ")
}
