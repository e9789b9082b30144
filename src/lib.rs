//! stateward: an admission webhook that expands ten-line StatefulSets into production-grade ones
//! and never restarts, breaks or loses what runs.

pub mod admission;
pub mod cli;
pub mod engine;
pub mod expand;
pub mod fault;
pub mod intent;
pub mod names;
pub mod path;
