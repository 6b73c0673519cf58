//! Pages of usage, metrics, alerts and logs.

mod charts;
mod health;
mod metrics;
mod selection;
mod source;
mod usage;
mod words;

use hexabase_core::access::Action;

use crate::routes::{Page, show};
use crate::urls::{self, Access};

pub(super) fn pages() -> Vec<Page> {
    let action = Access::Action;
    vec![
        show(urls::USAGE, action(Action::WorkspaceRead), usage::show),
        show(urls::METRICS, action(Action::WorkspaceRead), metrics::show),
    ]
}
