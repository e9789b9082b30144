//! stateward: an admission webhook that expands ten-line StatefulSets into production-grade ones
//! and never restarts, breaks or loses what runs.

pub mod admission;
pub mod catalogue;
pub mod certificates;
pub mod cli;
pub mod companions;
pub mod configuration;
pub mod controller;
pub mod defaults;
pub mod edit;
pub mod engine;
pub mod expand;
pub mod fault;
pub mod hash;
pub mod image;
pub mod intent;
mod json;
mod listing;
pub mod names;
pub mod ownership;
pub mod patch;
pub mod path;
pub mod platform;
pub mod profiles;
pub mod quantity;
pub mod record;
pub mod server;
pub mod settings;
pub mod stores;
pub mod telemetry;
pub mod union;
pub mod validate;
