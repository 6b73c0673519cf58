//! Rows of the rule editor: each rule is four fields with lists, separated by spaces or commas.

use hexabase_core::access::MAX_RULES;
use hexabase_core::model::Rule;
use maud::{Markup, html};

use super::words::rule_text;
use crate::components::{Control, Field, field};
use crate::form::{Fields, FormState};
use crate::language::Texts;

/// Name of the core API group in the editor, since an empty text is hard to see.
const CORE: &str = "core";
/// Values to choose from, besides any others.
const VERBS: [&str; 6] =
    ["get list watch", "get list watch create update patch delete", "get", "create", "delete", "*"];
const RESOURCES: [&str; 10] = [
    "pods",
    "pods/log",
    "deployments",
    "statefulsets",
    "services",
    "configmaps",
    "secrets",
    "jobs",
    "cronjobs",
    "ingresses",
];
const API_GROUPS: [&str; 5] = [CORE, "apps", "batch", "autoscaling", "networking.k8s.io"];

/// Rule as it is entered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RuleRow {
    api_groups: String,
    resources: String,
    verbs: String,
    resource_names: String,
}

impl From<&Rule> for RuleRow {
    fn from(rule: &Rule) -> Self {
        let groups: Vec<_> = rule
            .api_groups
            .iter()
            .map(|group| if group.is_empty() { CORE } else { group.as_str() })
            .collect();
        Self {
            api_groups: groups.join(" "),
            resources: rule.resources.join(" "),
            verbs: rule.verbs.join(" "),
            resource_names: rule.resource_names.join(" "),
        }
    }
}

impl RuleRow {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the rule. No API group is the core group.
    pub(super) fn rule(&self) -> Rule {
        let list = |text: &str| -> Vec<String> {
            let entries = text.split([' ', ',', '\t', '、', '，']).filter(|entry| !entry.is_empty());
            entries.map(str::to_owned).collect()
        };
        let mut api_groups = list(&self.api_groups);
        for group in api_groups.iter_mut().filter(|group| group.as_str() == CORE) {
            group.clear();
        }
        if api_groups.is_empty() {
            api_groups.push(String::new());
        }
        Rule {
            api_groups,
            resources: list(&self.resources),
            verbs: list(&self.verbs),
            resource_names: list(&self.resource_names),
        }
    }
}

/// Returns the name of a field of a row, which is also that of its errors.
fn field_name(index: usize, part: &str) -> String {
    format!("rules[{index}].{part}")
}

/// Returns the rows of a form that are not empty; `None` if the form has no rows.
pub(super) fn entered(fields: &Fields) -> Option<Vec<RuleRow>> {
    let has_rows = fields.entries().any(|(name, _)| name.starts_with("rules["));
    let row = |index| RuleRow {
        api_groups: fields.get(&field_name(index, "api_groups")).to_owned(),
        resources: fields.get(&field_name(index, "resources")).to_owned(),
        verbs: fields.get(&field_name(index, "verbs")).to_owned(),
        resource_names: fields.get(&field_name(index, "resource_names")).to_owned(),
    };
    has_rows.then(|| (0..=MAX_RULES).map(row).filter(|row| !row.is_empty()).collect())
}

/// Returns the names of the fields of this many rows.
pub(super) fn names(rows: usize) -> Vec<String> {
    let parts = ["api_groups", "resources", "verbs", "resource_names"];
    (0..rows).flat_map(|index| parts.map(|part| field_name(index, part))).collect()
}

/// Fields of the rows, each with its rule in words.
pub(super) fn editor(texts: &Texts, rows: &[RuleRow], form: &FormState) -> Markup {
    html! {
        @for (index, row) in rows.iter().enumerate() {
            (row_fields(texts, index, row, form))
        }
    }
}

fn row_fields(texts: &Texts, index: usize, row: &RuleRow, form: &FormState) -> Markup {
    let number = (index + 1).to_string();
    let line = |part: &str, label: String, value: &str, suggestions: &[&str]| {
        let name = field_name(index, part);
        let suggestions = suggestions.iter().map(|text| (*text).to_owned()).collect();
        let error = form.error(&name);
        let control = Control::Line { kind: "text", autocomplete: "off", suggestions };
        let is_required = matches!(part, "verbs" | "resources");
        let entry = Field { is_required, ..Field::new(name, label, control) };
        field(texts, &entry.value(value).error(error))
    };
    html! {
        fieldset class="rule" {
            legend { (texts.text_with("rule-number", &[("number", (&number).into())])) }
            div class="rule-fields" {
                (line("verbs", texts.text("rule-verbs"), &row.verbs, &VERBS))
                (line("resources", texts.text("rule-resources"), &row.resources, &RESOURCES))
                (line("api_groups", texts.text("rule-api-groups"), &row.api_groups, &API_GROUPS))
                (line("resource_names", texts.text("rule-names"), &row.resource_names, &[]))
            }
            @if !row.is_empty() { p class="note" { (rule_text(texts, &row.rule())) } }
        }
    }
}

/// Hidden fields with the rows.
pub(super) fn hidden(rows: &[RuleRow]) -> Markup {
    html! {
        @for (index, row) in rows.iter().enumerate() {
            input type="hidden" name=(field_name(index, "api_groups")) value=(row.api_groups);
            input type="hidden" name=(field_name(index, "resources")) value=(row.resources);
            input type="hidden" name=(field_name(index, "verbs")) value=(row.verbs);
            input type="hidden" name=(field_name(index, "resource_names")) value=(row.resource_names);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        Fields::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn rows_are_lists_separated_by_spaces_or_commas() {
        let form = fields(&[
            ("rules[0].api_groups", "core, apps"),
            ("rules[0].resources", "pods deployments,services"),
            ("rules[0].verbs", "get、list"),
            ("rules[0].resource_names", ""),
            ("rules[1].api_groups", ""),
            ("rules[1].verbs", ""),
            ("rules[2].resources", "secrets"),
        ]);
        let rows = entered(&form).unwrap();
        assert_eq!(rows.len(), 2, "empty rows are left out");
        let rule = rows[0].rule();
        assert_eq!(
            (rule.api_groups.join("|"), rule.resources.join("|")),
            ("|apps".to_owned(), "pods|deployments|services".to_owned())
        );
        assert_eq!(rule.verbs, ["get", "list"]);
        assert_eq!((rows[1].rule().api_groups, rows[1].rule().verbs.len()), (vec![String::new()], 0));
        assert_eq!(RuleRow::from(&rule).rule(), rule);
        assert_eq!(entered(&fields(&[("name", "deployer")])), None);
    }
}
