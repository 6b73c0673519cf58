//! The plan as text.

use std::fmt::Write as _;

use serde_json::Value;

use super::object::{Key, Spec};
use super::plan::{Operation, Plan, Step};
use crate::command::client::escape;

/// Writes a plan: one line per operation, followed by the fields that it sets.
pub(super) fn describe(plan: &Plan) -> String {
    let mut text = String::new();
    for Operation { key, step, spec, .. } in &plan.operations {
        match step {
            Step::Create => {
                line(&mut text, '+', key);
                for (field, value) in fields(spec) {
                    let _ = writeln!(text, "    {field}: {value}");
                }
            }
            Step::Update(changes) => {
                line(&mut text, '~', key);
                for change in changes {
                    let _ = writeln!(text, "    {}: {} -> {}", change.field, change.before, change.after);
                }
            }
            Step::Delete => line(&mut text, '-', key),
        }
    }
    for key in &plan.pending {
        let _ =
            writeln!(text, "pending: {} has to accept the invitation before {key} is created", key.of_user());
    }
    for (key, content) in &plan.retained {
        let _ = match key == content {
            true => writeln!(text, "not deleted: {key} contains objects that no document can describe"),
            false => writeln!(text, "not deleted: {key} contains {content}, which is not of this inventory"),
        };
    }
    if !plan.adopted.is_empty() {
        let _ = writeln!(text, "{} existing objects join the inventory", plan.adopted.len());
    }
    let count = |wanted: fn(&Step) -> bool| {
        plan.operations.iter().filter(|operation| wanted(&operation.step)).count()
    };
    let _ = writeln!(
        text,
        "{} to create, {} to change, {} to delete",
        count(|step| matches!(step, Step::Create)),
        count(|step| matches!(step, Step::Update(_))),
        count(|step| matches!(step, Step::Delete)),
    );
    // Names come from other users.
    text.lines().map(escape).collect::<Vec<_>>().join("\n")
}

fn line(text: &mut String, mark: char, key: &Key) {
    let _ = writeln!(text, "{mark} {key}");
}

fn fields(spec: &Spec) -> impl Iterator<Item = (&String, &Value)> {
    spec.iter().filter(|(_, value)| !value.is_null())
}
