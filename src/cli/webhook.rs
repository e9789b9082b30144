//! `stateward webhook` and `stateward run`: from arguments to a server.

use std::sync::Arc;

use super::report::Report;
use super::{Failure, engine};
use crate::admission::Admission;
use crate::server::{self, Respond, StartError, WebhookArgs};

/// Serves until a signal ends it.
pub(super) fn serve(args: WebhookArgs) -> Result<Report, Failure> {
    let engine = engine(args.profiles.as_slice())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(StartError::Runtime)?;
    runtime.block_on(server::run(args, |facts| Arc::new(Admission { engine, facts }) as Arc<dyn Respond>))?;
    Ok(Report::default())
}
