//! Audit log of an organization.

mod entry;
mod file;
mod log;
mod objects;
mod query;

use hexabase_core::access::Action;

use crate::routes::{Page, show};
use crate::urls::{self, Access};

pub(super) fn pages() -> Vec<Page> {
    let read = Access::Action(Action::AuditRead);
    vec![show(urls::AUDIT, read, log::show), show(urls::AUDIT_FILE, read, file::download)]
}
