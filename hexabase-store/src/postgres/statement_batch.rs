//! Statement batches: steps of a commit that share one statement, to save round trips.
//!
//! PostgreSQL runs the parts of a `WITH` on one snapshot and in no certain order, and must not touch a row twice.
//! So only steps that do not depend on each other's order may share a statement; the others begin a new one.

use std::collections::BTreeSet;

use hexabase_core::changeset::RecordKey;

use super::placeholders::replace_placeholders;
use super::scope::TransactionScope;
use crate::sql::{Expect, Query, Step};

/// Maximum number of steps per statement, which bounds the number of different statements to prepare.
const MAX_STEPS: usize = 24;

/// Steps that share one statement.
#[derive(Debug, Default)]
pub(super) struct StatementBatch {
    pub(super) steps: Vec<Step>,
    pub(super) scope: TransactionScope,
    row_keys: BTreeSet<RecordKey>,
    updated_tables: BTreeSet<&'static str>,
    inserted_tables: BTreeSet<&'static str>,
}

/// Groups the steps of a commit into as few batches as their order allows.
pub(super) fn batches(steps: Vec<Step>) -> Vec<StatementBatch> {
    let mut batches: Vec<StatementBatch> = Vec::new();
    for step in steps {
        match batches.last_mut() {
            Some(batch) if batch.accepts(&step) => batch.push(step),
            _ => {
                let mut batch = StatementBatch::default();
                batch.push(step);
                batches.push(batch);
            }
        }
    }
    batches
}

impl StatementBatch {
    fn accepts(&self, step: &Step) -> bool {
        let target = &step.target;
        let runs_alone = |step: &Step| matches!(step.expect, Expect::Deleted | Expect::Anything);
        // An inserted row may conflict with a name that an update frees or takes, and the reverse.
        let may_collide = match step.expect {
            Expect::Inserted | Expect::ResponseStored => self.updated_tables.contains(target.table),
            _ => self.inserted_tables.contains(target.table),
        };
        self.steps.len() < MAX_STEPS
            && !runs_alone(step)
            && !self.steps.iter().any(runs_alone)
            && !self.scope.excludes(TransactionScope::of(target))
            && !target.row.as_ref().is_some_and(|row| self.row_keys.contains(row))
            && !may_collide
    }

    fn push(&mut self, step: Step) {
        let target = &step.target;
        self.scope = self.scope.or(TransactionScope::of(target));
        self.row_keys.extend(target.row.clone());
        match step.expect {
            Expect::Inserted | Expect::ResponseStored => self.inserted_tables.insert(target.table),
            Expect::Found => false,
            _ => self.updated_tables.insert(target.table),
        };
        self.steps.push(step);
    }

    /// Returns all steps as one statement. Its only row has one column per step: the number of rows that the step
    /// affected or found.
    pub(super) fn statement(&self) -> Query {
        let (mut parts, mut counts) = (Vec::new(), Vec::new());
        let mut values = Vec::new();
        for (index, step) in self.steps.iter().enumerate() {
            let before = values.len();
            let sql = replace_placeholders(step.query.sql.as_str(), |number| format!("${}", number + before));
            let end = if step.expect == Expect::Found { " FOR SHARE" } else { " RETURNING 1" };
            parts.push(format!("s{index} AS ({sql}{end})"));
            counts.push(format!("(SELECT COUNT(*) FROM s{index})"));
            values.extend(step.query.values.iter().cloned());
        }
        let sql = format!("WITH {} SELECT {}", parts.join(", "), counts.join(", "));
        Query { values, ..Query::assembled(sql) }
    }

    /// Returns the step that caused an error on a table; the first step if no step has that table.
    pub(super) fn step_for_table(&self, table: Option<&str>) -> Option<&Step> {
        let named = self.steps.iter().find(|step| Some(step.target.table) == table);
        named.or(self.steps.first())
    }
}
