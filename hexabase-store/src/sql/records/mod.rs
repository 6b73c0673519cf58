//! How each record lies in its table.

mod access;
mod host;
mod identity;
mod journal;
mod organization;
mod workspace;
