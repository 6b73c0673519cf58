//! Mapping of records to rows.

mod access;
mod alerts;
mod billing;
mod host;
mod identity;
mod journal;
mod organization;
mod plans;
mod usage;
mod workspace;

pub(super) use plans::PLANS_ID;
pub(super) use usage::{per_meter, reading};
