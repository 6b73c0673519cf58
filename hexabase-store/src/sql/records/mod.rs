//! How each record lies in its table.

mod access;
mod identity;
mod journal;
mod organization;
mod workspace;
