//! The server, from requests without sockets to clients that misbehave over real TLS.

// A panic is how a test fails; clippy sees that in unit tests by itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "server/certificates.rs"]
mod certificates;
#[path = "server/drain.rs"]
mod drain;
#[path = "server/fixture.rs"]
mod fixture;
#[path = "server/malformed.rs"]
mod malformed;
#[path = "server/process.rs"]
mod process;
#[path = "server/slow.rs"]
mod slow;
#[path = "server/transport.rs"]
mod transport;
