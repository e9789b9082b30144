//! The companion controller: keeps Services, a disruption budget and a Secret beside each managed
//! StatefulSet.

mod dereference;
mod lease;
mod owned;
mod plan;
mod quiet;
mod trim;
