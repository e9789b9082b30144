//! `stateward controller`: from arguments to the controller.

use super::report::Report;
use super::{Failure, catalogue};
use crate::controller::{self, ControllerArgs};
use crate::server::StartError;

/// Keeps companions until a signal ends it.
pub(super) fn run(args: ControllerArgs) -> Result<Report, Failure> {
    let catalogue = catalogue(args.profiles.as_slice(), &[])?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(StartError::Runtime)?;
    runtime.block_on(controller::run(args, catalogue))?;
    Ok(Report::default())
}
