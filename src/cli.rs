//! The commands.

pub mod input;
pub mod output;
