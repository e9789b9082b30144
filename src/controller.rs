//! The companion controller: keeps Services, a disruption budget, an Ingress or a route, a Secret and
//! what else a profile asks for beside each managed StatefulSet.
//!
//! [`run`] holds a Lease and, while it is ours, follows the cluster ([`stores`]) and looks at each
//! set that something happened to ([`reconcile`]). What is to be done is decided by pure functions
//! ([`dereference`], [`crate::companions`], [`plan`], [`owned`]); [`apply`] and [`secret`] alone write
//! companions, and [`report`] tells.
//!
//! It never steals: an object is made only where none of the name is, and changed or deleted only
//! by the uid of one that `managedFields` prove ours. It uses no finalizers, and no other rights
//! than to make, change and delete companions, to make Secrets, and to read what it watches.

mod apply;
mod args;
mod dereference;
mod lease;
mod memory;
mod newborn;
mod owned;
mod packed;
mod plan;
mod profiles;
mod quiet;
mod reconcile;
mod report;
mod run;
mod secret;
pub(crate) mod served;
mod set;
mod stores;
mod trim;
pub(crate) mod unknown;
mod wake;

pub use self::args::ControllerArgs;
pub use self::run::{ControllerError, run};
