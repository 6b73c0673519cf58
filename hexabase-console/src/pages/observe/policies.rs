//! Violations of policies of the host by the objects of a workspace.

use hexabase_core::model::{PolicyFinding, PolicyReport, PolicyResult};
use maud::{Markup, html};

use crate::components::{Column, Table, Tone, badge, card, table};
use crate::language::Texts;
use crate::time::time;

/// Card with the latest report; none before the first collection, and on hosts whose policies write no reports.
pub(super) fn policies(texts: &Texts, report: Option<&PolicyReport>) -> Markup {
    let Some(report) = report else { return html! {} };
    let content = html! {
        @if report.findings.is_empty() {
            p { (texts.text("policies-none")) }
        } @else {
            p { (texts.text("policies-about")) }
            (findings(texts, &report.findings))
        }
        @if report.truncated { p class="note" { (texts.text("policies-truncated")) } }
        p class="note" { (texts.text("policies-collected")) " " (time(texts, report.collected_at)) }
    };
    card(&texts.text("policies-title"), None, &content)
}

fn findings(texts: &Texts, findings: &[PolicyFinding]) -> Markup {
    let row = |finding: &PolicyFinding| {
        let (tone, result) = match finding.result {
            PolicyResult::Fail => (Tone::Bad, texts.text("policies-fail")),
            PolicyResult::Warn => (Tone::Warning, texts.text("policies-warn")),
            PolicyResult::Error => (Tone::Neutral, texts.text("policies-error")),
        };
        let object = format!("{}/{}", finding.namespace, finding.name);
        let policy = html! {
            code { (finding.policy) }
            @if !finding.rule.is_empty() { " " code { (finding.rule) } }
            p { (finding.message) }
        };
        vec![html! { (finding.kind) " " code { (object) } }, badge(tone, &result), policy].into()
    };
    table(&Table {
        caption: texts.text("policies-title"),
        is_caption_hidden: true,
        columns: vec![
            Column::text(texts.text("policies-object")),
            Column::text(texts.text("policies-result")),
            Column::text(texts.text("policies-policy")),
        ],
        rows: findings.iter().map(row).collect(),
    })
}

#[cfg(test)]
mod tests {
    use hexabase_core::fixture::FIXTURE_TIME;
    use hexabase_core::model::PolicyFindings;

    use super::*;
    use crate::language::Language;

    #[test]
    fn findings_are_shown_with_their_object_as_text() {
        let finding = PolicyFinding {
            namespace: "shop".to_owned(),
            kind: "Pod".to_owned(),
            name: "web-0".to_owned(),
            policy: "signed-images".to_owned(),
            rule: "signature".to_owned(),
            result: PolicyResult::Fail,
            message: "<b>not signed".to_owned(),
            evaluated_at: None,
        };
        let shown = |language, items, truncated| {
            let report = PolicyReport::new(PolicyFindings { items, truncated }, FIXTURE_TIME);
            policies(&Texts::new(language), Some(&report)).into_string()
        };
        let english = shown(Language::English, vec![finding.clone()], true);
        for part in
            ["Pod <code>shop/web-0</code>", "signed-images", "&lt;b&gt;not signed", "violated", "not all"]
        {
            assert!(english.contains(part), "{part}: {english}");
        }
        assert!(shown(Language::English, Vec::new(), false).contains("No object violates"));
        assert!(shown(Language::Japanese, vec![finding], false).contains("ポリシー"));
        assert_eq!(policies(&Texts::new(Language::English), None).into_string(), "");
    }
}
