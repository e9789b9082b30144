//! `stateward webhook` and `stateward run`: from arguments to a server.

use std::sync::Arc;

use super::report::Report;
use super::{Failure, catalogue};
use crate::admission::Admission;
use crate::profiles::Profiles;
use crate::server::{self, Respond, StartError, WebhookArgs};

/// Serves until a signal ends it.
pub(super) fn serve(args: WebhookArgs) -> Result<Report, Failure> {
    let profiles = Arc::new(Profiles::new(catalogue(args.profiles.as_slice(), &[])?));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(StartError::Runtime)?;
    let shared = Arc::clone(&profiles);
    let build = |facts| Arc::new(Admission::new(shared, facts)) as Arc<dyn Respond>;
    runtime.block_on(server::run(args, profiles, build))?;
    Ok(Report::default())
}
