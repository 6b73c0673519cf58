//! Putting steps of a commit into one statement, to spare round trips.
//!
//! PostgreSQL runs the parts of a `WITH` on one snapshot and in no certain order, and must not touch a row twice.
//! So only steps that do not depend on each other's order may share a statement; the others begin a new one.

use std::collections::BTreeSet;

use hexabase_core::changeset::Key;
use hexabase_core::id::OrganizationId;

use super::placeholders::replaced;
use crate::sql::{Expect, Query, Step};

/// How many steps share a statement at most, so that there are not too many different ones to keep prepared.
const WIDTH: usize = 24;

/// Steps that go together.
#[derive(Debug, Default)]
pub(super) struct Wave {
    pub(super) steps: Vec<Step>,
    pub(super) organization: Option<OrganizationId>,
    rows: BTreeSet<Key>,
    changed: BTreeSet<&'static str>,
    added: BTreeSet<&'static str>,
}

/// The steps of a commit in as few waves as their order allows.
pub(super) fn waves(steps: Vec<Step>) -> Vec<Wave> {
    let mut waves: Vec<Wave> = Vec::new();
    for step in steps {
        match waves.last_mut() {
            Some(wave) if wave.takes(&step) => wave.push(step),
            _ => {
                let mut wave = Wave::default();
                wave.push(step);
                waves.push(wave);
            }
        }
    }
    waves
}

impl Wave {
    fn takes(&self, step: &Step) -> bool {
        let touches = &step.touches;
        let stands_alone = |step: &Step| matches!(step.expect, Expect::Removed | Expect::Anything);
        let foreign = |wanted| self.organization.is_some_and(|ours| ours != wanted);
        // What is added may collide with a name that is being changed, and what is changed may be in the way.
        let in_the_way = match step.expect {
            Expect::Added | Expect::Kept => self.changed.contains(touches.table),
            _ => self.added.contains(touches.table),
        };
        self.steps.len() < WIDTH
            && !stands_alone(step)
            && !self.steps.iter().any(stands_alone)
            && !touches.organization.is_some_and(foreign)
            && !touches.row.as_ref().is_some_and(|row| self.rows.contains(row))
            && !in_the_way
    }

    fn push(&mut self, step: Step) {
        let touches = &step.touches;
        self.organization = self.organization.or(touches.organization);
        self.rows.extend(touches.row.clone());
        match step.expect {
            Expect::Added | Expect::Kept => self.added.insert(touches.table),
            Expect::Found => false,
            _ => self.changed.insert(touches.table),
        };
        self.steps.push(step);
    }

    /// All steps as one statement. It answers one row: how many rows each of them touched or found.
    pub(super) fn statement(&self) -> Query {
        let (mut parts, mut counts) = (Vec::new(), Vec::new());
        let mut values = Vec::new();
        for (place, step) in self.steps.iter().enumerate() {
            let before = values.len();
            let sql = replaced(step.query.sql.as_str(), |number| format!("${}", number + before));
            let end = if step.expect == Expect::Found { " FOR SHARE" } else { " RETURNING 1" };
            parts.push(format!("s{place} AS ({sql}{end})"));
            counts.push(format!("(SELECT COUNT(*) FROM s{place})"));
            values.extend(step.query.values.iter().cloned());
        }
        let sql = format!("WITH {} SELECT {}", parts.join(", "), counts.join(", "));
        Query { values, ..Query::assembled(sql) }
    }

    /// The step that a complaint about a table is about.
    pub(super) fn step_on(&self, table: Option<&str>) -> Option<&Step> {
        let named = self.steps.iter().find(|step| Some(step.touches.table) == table);
        named.or(self.steps.first())
    }
}
