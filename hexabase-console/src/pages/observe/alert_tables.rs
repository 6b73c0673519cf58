//! Tables of alerts, silences and alert rules.

use hexabase_core::model::AlertRule;
use hexabase_core::platform::{ActiveAlert, AlertSilence};
use maud::{Markup, html};

use super::alerts::AlertsPage;
use super::rule_words::{condition_text, scope_markup, severity_badge};
use crate::components::{
    ButtonKind, Column, Table, Tone, badge, link_button, name, post_form, submit_button, table,
};
use crate::context::Context;
use crate::form::form_to;
use crate::language::Texts;
use crate::time::{exact_time, time};
use crate::urls;

/// Link to a rule.
fn rule_link(rule: &AlertRule) -> Markup {
    html! {
        a href=(urls::alert_rule(rule.organization_id, rule.workspace_id, rule.id)) { (name(rule.name.as_str())) }
    }
}

/// Button that leads to the silence of a rule.
fn silence_link(texts: &Texts, rule: &AlertRule) -> Markup {
    let url = urls::alert_silence(rule.organization_id, rule.workspace_id, rule.id);
    link_button(ButtonKind::Secondary, &texts.text("alert-silence"), &url)
}

/// Table of the alerts that are firing.
pub(super) fn firing_table(context: &Context, found: &AlertsPage, firing: &[ActiveAlert]) -> Markup {
    let texts = context.texts();
    let row = |alert: &ActiveAlert| {
        let rule = &alert.rule;
        let is_silenced = !alert.silenced_by.is_empty();
        let state = html! {
            (severity_badge(&texts, rule.severity))
            @if is_silenced { " " (badge(Tone::Neutral, &texts.text("alert-silenced"))) }
        };
        let actions = html! {
            @if !is_silenced && found.manage.includes(rule.project_id) { (silence_link(&texts, rule)) }
        };
        vec![
            rule_link(rule),
            state,
            html! { (condition_text(&texts, rule.condition)) },
            scope_markup(&texts, &found.projects, rule.project_id),
            time(&texts, alert.starts_at),
            actions,
        ]
        .into()
    };
    table(&Table {
        caption: texts.text("alerts-firing"),
        is_caption_hidden: true,
        columns: vec![
            Column::text(texts.text("alert-rule")),
            Column::text(texts.text("field-severity")),
            Column::text(texts.text("alert-condition")),
            Column::text(texts.text("field-project")),
            Column::text(texts.text("alert-since")),
            Column::actions(texts.text("alert-actions")),
        ],
        rows: firing.iter().map(row).collect(),
    })
}

/// Table of the silences that have not ended.
pub(super) fn silences_table(context: &Context, found: &AlertsPage, silences: &[AlertSilence]) -> Markup {
    let texts = context.texts();
    let workspace = &found.place.workspace;
    let (org, ws) = (workspace.organization_id, workspace.id);
    let firing = found.state.as_ref().map_or(&[][..], |(firing, _)| firing.as_slice());
    let row = |silence: &AlertSilence| {
        let id = silence.rule_id;
        let of_firing = firing.iter().map(|alert| &alert.rule);
        let rule = found.rules.iter().chain(of_firing).find(|rule| rule.id == id);
        let link = html! {
            @match rule {
                Some(rule) => (rule_link(rule)),
                None => { a href=(urls::alert_rule(org, ws, id)) { code { (id) } } },
            }
        };
        let author = found.authors.get(&silence.created_by);
        let author = html! {
            @match author {
                Some(author) => (name(author)),
                None => { code { (silence.created_by) } },
            }
        };
        let end = html! {
            @if found.manage.includes(rule.and_then(|rule| rule.project_id)) {
                (post_form(&form_to(context, urls::silence(org, ws, silence.id), None), &submit_button(
                    &texts, ButtonKind::Secondary, &texts.text("silence-end"))))
            }
        };
        vec![link, exact_time(&texts, silence.ends_at), author, name(&silence.comment), end].into()
    };
    table(&Table {
        caption: texts.text("silences-title"),
        is_caption_hidden: true,
        columns: vec![
            Column::text(texts.text("alert-rule")),
            Column::text(texts.text("silence-until")),
            Column::text(texts.text("silence-author")),
            Column::text(texts.text("silence-reason")),
            Column::actions(texts.text("alert-actions")),
        ],
        rows: silences.iter().map(row).collect(),
    })
}

/// Table of the alert rules.
pub(super) fn rules_table(context: &Context, found: &AlertsPage) -> Markup {
    let texts = context.texts();
    let row = |rule: &AlertRule| {
        let state = html! {
            @match &found.state {
                Err(_) => span class="note" { (texts.text("alert-state-unknown")) },
                Ok((firing, silences)) => {
                    @if firing.iter().any(|alert| alert.rule.id == rule.id) {
                        (badge(Tone::Bad, &texts.text("alert-state-firing")))
                    } @else {
                        (badge(Tone::Good, &texts.text("alert-state-quiet")))
                    }
                    @if silences.iter().any(|silence| silence.rule_id == rule.id) {
                        " " (badge(Tone::Neutral, &texts.text("alert-silenced")))
                    }
                },
            }
        };
        vec![
            rule_link(rule),
            state,
            html! { (condition_text(&texts, rule.condition)) },
            severity_badge(&texts, rule.severity),
            scope_markup(&texts, &found.projects, rule.project_id),
            html! { (rule.notify.len()) },
        ]
        .into()
    };
    table(&Table {
        caption: texts.text("alert-rules-title"),
        is_caption_hidden: true,
        columns: vec![
            Column::text(texts.text("alert-rule")),
            Column::text(texts.text("alert-state")),
            Column::text(texts.text("alert-condition")),
            Column::text(texts.text("field-severity")),
            Column::text(texts.text("field-project")),
            Column::number(texts.text("alert-recipients")),
        ],
        rows: found.rules.iter().map(row).collect(),
    })
}
