//! Mapping of records to rows.

mod access;
mod billing;
mod host;
mod identity;
mod journal;
mod organization;
mod usage;
mod workspace;

pub(super) use usage::{per_meter, reading};
