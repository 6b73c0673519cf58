//! The documentation agrees with the code.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use hexabase_core::access::{
    denial_reasons_as_markdown, event_kinds_as_markdown, permission_table_as_markdown,
};
use hexabase_core::model::WaitReason;

#[test]
fn the_permission_table_in_the_documentation_is_current() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/access.md");
    let text = std::fs::read_to_string(&file).unwrap();
    let (head, rest) = text.split_once("| reason |").unwrap();
    let (_, rest) = rest.split_once("\n\n").unwrap();
    let (between, _) = rest.split_once("| action |").unwrap();
    let current =
        format!("{head}{}\n{between}{}", denial_reasons_as_markdown(), permission_table_as_markdown());
    if std::env::var_os("HEXABASE_TEST_UPDATE").is_some() {
        std::fs::write(&file, &current).unwrap();
    }
    assert!(
        text == current,
        "docs/access.md is out of date; run this test again with HEXABASE_TEST_UPDATE=1"
    );
}

#[test]
fn the_kinds_of_events_in_the_documentation_are_current() {
    let file = repository().join("docs/events.md");
    let text = std::fs::read_to_string(&file).unwrap();
    let (head, _) = text.split_once("| kind |").unwrap();
    let current = format!("{head}{}", event_kinds_as_markdown());
    if std::env::var_os("HEXABASE_TEST_UPDATE").is_some() {
        std::fs::write(&file, &current).unwrap();
    }
    assert!(
        text == current,
        "docs/events.md is out of date; run this test again with HEXABASE_TEST_UPDATE=1"
    );
}

/// Documents that name tests in the last column of their tables.
const DOCUMENTS_WITH_TESTS: [&str; 2] = ["docs/oidc-conformance.md", "docs/threat-model.md"];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Adds the Rust files below a folder.
fn collect_sources(folder: &Path, sources: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir()
            && !name.starts_with('.')
            && !["target", "node_modules", "fuzz"].contains(&name.as_str())
        {
            collect_sources(&path, sources);
        } else if name.ends_with(".rs") {
            sources.push(std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// Name of the function that a line declares.
fn declared_function(line: &str) -> Option<&str> {
    let rest = line.trim_start();
    let rest = ["pub(crate) ", "pub "].iter().find_map(|prefix| rest.strip_prefix(prefix)).unwrap_or(rest);
    let rest = rest.strip_prefix("async ").unwrap_or(rest).strip_prefix("fn ")?;
    rest.split(['(', '<']).next()
}

/// Names of the tests in a file: functions with a test attribute, and the cases of suites, which a macro lists by name.
fn test_names(source: &str) -> Vec<&str> {
    let lines: Vec<&str> = source.lines().collect();
    let is_test = |index: usize| {
        let attributes = lines[..index].iter().rev().map(|line| line.trim_start());
        attributes
            .take_while(|line| line.starts_with(['#', '/']))
            .any(|line| line.starts_with("#[test") || line.starts_with("#[tokio::test"))
    };
    let functions = lines.iter().enumerate().filter(|(index, _)| is_test(*index));
    let functions = functions.filter_map(|(_, line)| declared_function(line));
    let is_list = |line: &&&str| {
        line.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b" _:,[]".contains(&byte))
    };
    let cases = lines.iter().filter(is_list).flat_map(|line| line.split([' ', ':', ',', '[', ']']));
    functions.chain(cases).collect()
}

/// Tests that the last column of a table row names in backquotes.
fn tests_named_in(row: &str) -> Vec<&str> {
    let Some(cell) = row.trim().strip_suffix('|').and_then(|row| row.rsplit('|').next()) else {
        return Vec::new();
    };
    let quoted = cell.split('`').skip(1).step_by(2);
    let is_name = |text: &&str| {
        text.contains('_')
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    quoted.filter(is_name).collect()
}

#[test]
fn every_test_that_the_documentation_names_exists() {
    let mut sources = Vec::new();
    collect_sources(&repository(), &mut sources);
    let existing: BTreeSet<&str> = sources.iter().flat_map(|source| test_names(source)).collect();
    for document in DOCUMENTS_WITH_TESTS {
        let text = std::fs::read_to_string(repository().join(document)).unwrap();
        let named: Vec<&str> = text.lines().flat_map(tests_named_in).collect();
        assert!(named.len() > 50, "{document} names {} tests only", named.len());
        let missing: Vec<_> = named.into_iter().filter(|name| !existing.contains(name)).collect();
        assert!(missing.is_empty(), "{document} names tests that do not exist: {missing:#?}");
    }
}

#[test]
fn every_boundary_of_the_threat_model_names_tests() {
    let text = std::fs::read_to_string(repository().join("docs/threat-model.md")).unwrap();
    let (_, boundaries) = text.split_once("\n## Boundaries\n").unwrap();
    let (boundaries, _) = boundaries.split_once("\n## ").unwrap();
    for boundary in boundaries.split("\n### ").skip(1) {
        let rows = boundary.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| control |"));
        let untested: Vec<&str> = rows.filter(|row| tests_named_in(row).is_empty()).collect();
        assert!(untested.is_empty(), "controls without a test: {untested:#?}");
    }
}

#[test]
fn the_reasons_to_wait_in_the_documentation_are_current() {
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md")).unwrap();
    let rows: Vec<String> = WaitReason::ALL
        .iter()
        .map(|reason| {
            let timeout =
                reason.timeout().map_or("—".to_owned(), |time| format!("{} min", time.as_secs() / 60));
            format!("| `{reason}` | {} | {timeout} | {} |", reason.description(), reason.remedy())
        })
        .collect();
    let documented: Vec<&str> = text
        .lines()
        .skip_while(|line| !line.starts_with("| reason | meaning | failure after |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .collect();
    assert_eq!(documented, rows);
}
