//! Pages of usage, metrics, alerts and logs.

mod alert_tables;
mod alerts;
mod charts;
mod health;
mod log_fields;
mod log_lines;
mod log_query;
mod logs;
mod metrics;
mod policies;
mod preview;
mod rights;
mod rule_delete;
mod rule_edit;
mod rule_form;
mod rule_new;
mod rule_words;
mod selection;
mod silence;
mod source;
mod usage;
mod words;

use hexabase_core::access::Action;

use crate::routes::{Page, show, submit};
use crate::urls::{self, Access};

pub(super) fn pages() -> Vec<Page> {
    let action = Access::Action;
    vec![
        show(urls::USAGE, action(Action::WorkspaceRead), usage::show),
        show(urls::METRICS, action(Action::WorkspaceRead), metrics::show),
        show(urls::ALERTS, action(Action::AlertsRead), alerts::show),
        show(urls::NEW_ALERT_RULE, action(Action::AlertRuleCreate), rule_new::show),
        submit(urls::NEW_ALERT_RULE, action(Action::AlertRuleCreate), rule_new::submit),
        show(urls::ALERT_RULE, action(Action::AlertsRead), rule_edit::show),
        submit(urls::ALERT_RULE, action(Action::AlertRulesManage), rule_edit::submit),
        show(urls::ALERT_RULE_DELETE, action(Action::AlertRulesManage), rule_delete::show),
        submit(urls::ALERT_RULE_DELETE, action(Action::AlertRulesManage), rule_delete::submit),
        show(urls::ALERT_SILENCE, action(Action::AlertRulesManage), silence::show),
        submit(urls::ALERT_SILENCE, action(Action::AlertRulesManage), silence::submit),
        submit(urls::SILENCE, action(Action::AlertRulesManage), silence::end),
        // Users whose groups do not permit it see which projects they can read.
        show(urls::LOGS, action(Action::WorkspaceRead), logs::show),
    ]
}
