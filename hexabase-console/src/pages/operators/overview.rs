//! Overview of the installation: backends, queue, workspaces and host clusters.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::FromRef as _;
use axum::http::StatusCode;
use hexabase_api::SystemState;
use hexabase_core::clock::until;
use hexabase_core::model::{HostState, Phase};
use hexabase_core::platform::KnownHost;
use hexabase_core::store::{Lease, PhaseCount};
use hexabase_core::telemetry::Backlog;
use jiff::Timestamp;
use maud::{Markup, html};

use super::Operator;
use crate::components::{
    Column, Table, Tone, badge, card, facts, notice, page_heading, phase_badge, shell_commands, table,
    unavailable,
};
use crate::context::Context;
use crate::language::Texts;
use crate::numbers::count;
use crate::pages::api_call::api_call;
use crate::pages::{OperatorSection, PageContent, Section};
use crate::response::PageResult;
use crate::time::{duration_text, time};
use crate::urls;

/// Version of the server: all crates of a release have the same.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Facts on the page.
struct Installation {
    /// Names of the backends in use, by role.
    backends: Vec<(&'static str, &'static str)>,
    /// Backends that the readiness depends on, each `true` if it is available.
    available: BTreeMap<String, bool>,
    backlog: Backlog,
    /// `None` if the workspaces could not be counted.
    workspaces: Option<Vec<PhaseCount>>,
    hosts: Vec<KnownHost>,
    /// `None` if the leases could not be read.
    leases: Option<Vec<Lease>>,
    now: Timestamp,
}

pub(super) async fn show(Operator(context): Operator) -> PageResult {
    let system = SystemState::from_ref(&context.state);
    let platform = context.platform();
    let (gauges, hosts) = (platform.gauges(), platform.hosts());
    let (available, backlog, workspaces, hosts, leases) = tokio::join!(
        system.available_backends(),
        gauges.backlog(),
        gauges.count_workspaces(),
        hosts.list(),
        gauges.leases(),
    );
    let facts = Installation {
        backends: system.backends().to_vec(),
        available,
        backlog,
        workspaces,
        hosts: hosts?,
        leases,
        now: platform.clock().now(),
    };
    let content = page(&context, &facts);
    let section = Section::Operators(OperatorSection::Installation);
    Ok(PageContent { section, ..PageContent::new(context.text("operators-installation"), content) }
        .respond(context, StatusCode::OK))
}

fn page(context: &Context, facts: &Installation) -> Markup {
    let texts = context.texts();
    let version = texts.text_with("installation-version", &[("version", VERSION.into())]);
    let commands = [
        api_call(context, texts.text("installation-command"), "/info"),
        api_call(context, texts.text("queue-command"), "/admin/queue"),
    ];
    html! {
        (page_heading(&html! { (texts.text("operators-installation")) }, Some(&html! { (version) }), None))
        @for name in facts.available.iter().filter(|(_, is_available)| !**is_available).map(|(name, _)| name) {
            (notice(Tone::Bad, &texts.text_with("installation-away", &[("name", name.into())]), &html! {}))
        }
        (card(&texts.text("installation-backends"), None, &backends(&texts, facts)))
        (card(&texts.text("operators-queue"), None, &html! {
            (backlog(&texts, &facts.backlog))
            p { a href=(urls::queue()) { (texts.text("queue-open")) } }
        }))
        @match &facts.workspaces {
            Some(counts) => (card(&texts.text("nav-workspaces"), None, &workspaces(&texts, counts, facts.now))),
            None => (unavailable(&texts, &texts.text("nav-workspaces"))),
        }
        @match &facts.leases {
            Some(leases) => (card(&texts.text("installation-leases"), None, &list_leases(&texts, leases))),
            None => (unavailable(&texts, &texts.text("installation-leases"))),
        }
        (card(&texts.text("operators-hosts"), None, &hosts(&texts, &facts.hosts)))
        (shell_commands(&texts, &commands))
    }
}

fn backends(texts: &Texts, facts: &Installation) -> Markup {
    let row = |(role, name): &(&'static str, &'static str)| {
        let state = facts.available.get(*role).map(|is_available| match is_available {
            true => badge(Tone::Good, &texts.text("backend-available")),
            false => badge(Tone::Bad, &texts.text("backend-away")),
        });
        vec![html! { code { (role) } }, html! { code { (name) } }, state.unwrap_or_default()].into()
    };
    table(&Table {
        caption: texts.text("installation-backends"),
        is_caption_hidden: true,
        columns: vec![
            Column::text(texts.text("backend-role")),
            Column::text(texts.text("backend-name")),
            Column::text(texts.text("task-state")),
        ],
        rows: facts.backends.iter().map(row).collect(),
    })
}

/// Numbers and ages of the messages in the outbox and the queue, and the number of dead letters.
pub(super) fn backlog(texts: &Texts, backlog: &Backlog) -> Markup {
    let Backlog { outbox_messages, outbox_age, queue_messages, queue_age, dead_letters } = *backlog;
    let number =
        |number: Option<u64>| html! { @match number { Some(number) => (count(number)), None => "–" } };
    let age = |age: Option<Duration>| {
        html! { @match age { Some(age) => (duration_text(texts, age)), None => "–" } }
    };
    html! {
        @if queue_messages.is_none() { (unavailable(texts, &texts.text("operators-queue"))) }
        (facts(&[
            (texts.text("queue-outbox"), number(outbox_messages)),
            (texts.text("queue-outbox-age"), age(outbox_age)),
            (texts.text("queue-depth"), number(queue_messages)),
            (texts.text("queue-age"), age(queue_age)),
            (texts.text("queue-dead-letters"), number(dead_letters)),
        ]))
    }
}

/// Sum of the workspaces in each phase that has any.
fn by_phase(counts: &[PhaseCount]) -> Vec<(Phase, u64)> {
    let in_phase = |phase: Phase| counts.iter().filter(move |count| count.phase == phase);
    let sum = |phase: &Phase| (*phase, in_phase(*phase).map(|count| u64::from(count.workspaces)).sum());
    Phase::ALL.iter().map(sum).filter(|(_, sum)| *sum > 0).collect()
}

fn workspaces(texts: &Texts, counts: &[PhaseCount], now: Timestamp) -> Markup {
    let oldest = counts.iter().filter_map(|count| count.unconverged_since).min();
    let rows = by_phase(counts).into_iter();
    let list = Table {
        caption: texts.text("nav-workspaces"),
        is_caption_hidden: true,
        columns: vec![Column::text(texts.text("field-phase")), Column::number(texts.text("nav-workspaces"))],
        rows: rows
            .map(|(phase, number)| vec![phase_badge(texts, phase), html! { (count(number)) }].into())
            .collect(),
    };
    html! {
        @if list.rows.is_empty() { p { (texts.text("workspaces-none")) } } @else { (table(&list)) }
        p {
            @match oldest {
                Some(since) => {
                    (texts.text_with("installation-unconverged", &[("age", (&duration_text(texts, until(since, now))).into())]))
                },
                None => (texts.text("installation-converged")),
            }
        }
    }
}

fn list_leases(texts: &Texts, leases: &[Lease]) -> Markup {
    let row = |lease: &Lease| vec![html! { code { (lease.name) } }, time(texts, lease.expires_at)].into();
    let list = Table {
        caption: texts.text("installation-leases"),
        is_caption_hidden: true,
        columns: vec![
            Column::text(texts.text("field-name")),
            Column::text(texts.text("installation-lease-until")),
        ],
        rows: leases.iter().map(row).collect(),
    };
    html! {
        p class="note" { (texts.text("installation-leases-about")) }
        @if list.rows.is_empty() { p { (texts.text("installation-no-leases")) } } @else { (table(&list)) }
    }
}

fn hosts(texts: &Texts, hosts: &[KnownHost]) -> Markup {
    let is_away = |host: &&KnownHost| {
        host.registration.as_ref().is_some_and(|known| known.health.state == HostState::Unreachable)
    };
    let number = |hosts: usize| html! { (count(u64::try_from(hosts).unwrap_or(u64::MAX))) };
    html! {
        (facts(&[
            (texts.text("operators-hosts"), number(hosts.len())),
            (texts.text("host-unreachable"), number(hosts.iter().filter(is_away).count())),
            (texts.text("host-cordoned"), number(hosts.iter().filter(|host| host.host.cordoned).count())),
        ]))
        p { a href=(urls::hosts()) { (texts.text("hosts-open")) } }
    }
}

#[cfg(test)]
mod tests {
    use hexabase_core::name::HostClusterName;

    use super::*;

    #[test]
    fn workspaces_of_all_hosts_are_added_up_by_phase() {
        let count = |host: &str, phase, workspaces| PhaseCount {
            host_cluster: HostClusterName::parse(host).unwrap(),
            phase,
            workspaces,
            unconverged_since: None,
        };
        let counts = [count("a", Phase::Ready, 2), count("b", Phase::Ready, 3), count("b", Phase::Failed, 1)];
        assert_eq!(by_phase(&counts), [(Phase::Ready, 5), (Phase::Failed, 1)]);
        assert_eq!(by_phase(&[]), []);
    }
}
