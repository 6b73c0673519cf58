//! Roles and their rules in words.

use hexabase_core::model::{PresetRole, Rule};

use crate::language::Texts;

/// Verbs that read.
const READ: [&str; 3] = ["get", "list", "watch"];
/// Verbs that change objects one by one.
const CHANGE: [&str; 3] = ["create", "update", "patch"];
/// Verbs that delete.
const DELETE: [&str; 2] = ["delete", "deletecollection"];

/// Returns the title of a preset.
pub(crate) fn preset_title(texts: &Texts, preset: PresetRole) -> String {
    match preset {
        PresetRole::WorkspaceAdmin => texts.text("preset-workspace-admin"),
        PresetRole::WorkspaceViewer => texts.text("preset-workspace-viewer"),
        PresetRole::ProjectAdmin => texts.text("preset-project-admin"),
        PresetRole::ProjectEditor => texts.text("preset-project-editor"),
        PresetRole::ProjectViewer => texts.text("preset-project-viewer"),
    }
}

/// Returns what a preset allows.
pub(crate) fn preset_description(texts: &Texts, preset: PresetRole) -> String {
    match preset {
        PresetRole::WorkspaceAdmin => texts.text("preset-workspace-admin-about"),
        PresetRole::WorkspaceViewer => texts.text("preset-workspace-viewer-about"),
        PresetRole::ProjectAdmin => texts.text("preset-project-admin-about"),
        PresetRole::ProjectEditor => texts.text("preset-project-editor-about"),
        PresetRole::ProjectViewer => texts.text("preset-project-viewer-about"),
    }
}

/// Returns a rule as a sentence: "Read and change deployments (apps)".
pub(crate) fn rule_text(texts: &Texts, rule: &Rule) -> String {
    let verbs = joined(texts, &verb_texts(texts, &rule.verbs));
    let groups: Vec<_> = rule.api_groups.iter().map(|group| group_text(texts, group)).collect();
    let resources: Vec<_> = rule.resources.iter().map(|resource| resource_text(texts, resource)).collect();
    let (groups, resources) = (joined(texts, &groups), joined(texts, &resources));
    let names = joined(texts, &rule.resource_names);
    let (verbs, resources, groups) = ((&verbs).into(), (&resources).into(), (&groups).into());
    if rule.resource_names.is_empty() {
        texts.text_with("rule-sentence", &[("verbs", verbs), ("resources", resources), ("groups", groups)])
    } else {
        texts.text_with(
            "rule-sentence-names",
            &[("verbs", verbs), ("resources", resources), ("groups", groups), ("names", (&names).into())],
        )
    }
}

/// Returns the verbs in words: complete sets by their purpose, others by themselves.
fn verb_texts(texts: &Texts, verbs: &[String]) -> Vec<String> {
    if verbs.iter().any(|verb| verb == "*") {
        return vec![texts.text("rule-verbs-all")];
    }
    let has = |set: &[&str]| set.iter().all(|verb| verbs.iter().any(|own| own == verb));
    let sets = [
        (&READ[..], texts.text("rule-verbs-read")),
        (&CHANGE[..], texts.text("rule-verbs-change")),
        (&DELETE[..], texts.text("rule-verbs-delete")),
    ];
    let complete: Vec<_> = sets.into_iter().filter(|(set, _)| has(set)).collect();
    let covered = |verb: &str| complete.iter().any(|(set, _)| set.contains(&verb));
    let others: Vec<_> = verbs.iter().filter(|verb| !covered(verb)).cloned().collect();
    complete.iter().map(|(_, text)| text.clone()).chain(others).collect()
}

fn group_text(texts: &Texts, group: &str) -> String {
    match group {
        "" => texts.text("rule-group-core"),
        "*" => texts.text("rule-group-all"),
        group => group.to_owned(),
    }
}

fn resource_text(texts: &Texts, resource: &str) -> String {
    if resource == "*" { texts.text("rule-resources-all") } else { resource.to_owned() }
}

/// Returns the items of a list as part of a sentence: "a, b and c".
pub(crate) fn joined(texts: &Texts, items: &[String]) -> String {
    let Some((last, first)) = items.split_last() else { return String::new() };
    let separator = texts.text("list-separator");
    match first {
        [] => last.clone(),
        first => {
            let first = first.join(&separator);
            texts.text_with("list-end", &[("first", (&first).into()), ("last", last.into())])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;

    fn rule(groups: &[&str], resources: &[&str], verbs: &[&str], names: &[&str]) -> Rule {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Rule {
            api_groups: owned(groups),
            resources: owned(resources),
            verbs: owned(verbs),
            resource_names: owned(names),
        }
    }

    #[test]
    fn rules_are_sentences() {
        let (english, japanese) = (Texts::new(Language::English), Texts::new(Language::Japanese));
        for (rule, in_english, in_japanese) in [
            (
                rule(&[""], &["pods", "services"], &["get", "list", "watch"], &[]),
                "read pods and services of the core API",
                "コア API の pods、services: 読み取り",
            ),
            (
                rule(
                    &["apps"],
                    &["deployments"],
                    &["watch", "get", "list", "create", "update", "patch"],
                    &["web"],
                ),
                "read and write deployments of apps, only those named web",
                "apps の deployments（名前が web のもののみ）: 読み取り、書き込み",
            ),
            (
                rule(&["*"], &["*"], &["*"], &[]),
                "do everything with all resources of all API groups",
                "すべての API グループ の すべてのリソース: すべての操作",
            ),
            (
                rule(&["", "apps"], &["pods/exec"], &["get", "create"], &[]),
                "get and create pods/exec of the core API and apps",
                "コア API、apps の pods/exec: get、create",
            ),
        ] {
            assert_eq!(rule_text(&english, &rule), in_english);
            assert_eq!(rule_text(&japanese, &rule), in_japanese);
        }
    }

    #[test]
    fn lists_have_a_last_item() {
        let joined = |items: &[&str]| {
            let items: Vec<_> = items.iter().map(|item| (*item).to_owned()).collect();
            joined(&Texts::new(Language::English), &items)
        };
        assert_eq!((joined(&[]), joined(&["a"])), (String::new(), "a".to_owned()));
        assert_eq!(joined(&["a", "b", "c"]), "a, b and c");
    }
}
