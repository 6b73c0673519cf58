//! API tokens: what the pages of a user's and of a service account's tokens share.

mod created;
mod form;
mod list;
mod words;

pub(super) use created::created;
pub(super) use form::{FIELDS, parse, token_fields};
pub(super) use list::{TOKEN, token_table};
