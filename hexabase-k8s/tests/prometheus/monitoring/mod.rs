//! Alert rules and dashboards of the Helm chart.

mod alerts;
mod compose;
mod dashboards;
mod fixture;
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use promql_parser::label::{MatchOp, Matcher};
use promql_parser::parser::{self, Expr, VectorSelector};
use serde_json::Value;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn files() -> PathBuf {
    repository().join("deploy/chart/hexabase/files")
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn read_yaml(file: &Path) -> Value {
    serde_saphyr::from_str(&read(file)).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Rules of both files: of operators and of tenants.
fn rules() -> Vec<Value> {
    let groups = ["operators.yaml", "tenants.yaml"].map(|name| read_yaml(&files().join("alerts").join(name)));
    let groups = groups.iter().flat_map(|file| file["groups"].as_array().unwrap());
    groups.flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

/// Type and labels of each series of Hexabase in the documentation, whose table a test of the server compares with the
/// code.
fn documented_series() -> BTreeMap<String, (String, Vec<String>)> {
    let text = read(&repository().join("docs/operations.md"));
    let rows = text.lines().filter(|line| line.starts_with("| `hexabase_"));
    let row = |row: &str| {
        let cells: Vec<&str> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let labels = cells[3].split("`, `").filter(|label| !label.is_empty());
        (cells[1].to_owned(), (cells[2].to_owned(), labels.map(str::to_owned).collect()))
    };
    rows.map(row).collect()
}

/// Names of the samples of each series of Hexabase, and the labels of these samples.
fn known_samples() -> BTreeMap<String, BTreeSet<String>> {
    let mut samples = BTreeMap::new();
    for (name, (kind, labels)) in documented_series() {
        let labels: BTreeSet<String> =
            labels.into_iter().chain(["job", "instance"].map(str::to_owned)).collect();
        if kind == "histogram" {
            let with_bound = labels.iter().cloned().chain(["le".to_owned()]).collect();
            samples.insert(format!("{name}_bucket"), with_bound);
            samples.insert(format!("{name}_sum"), labels.clone());
            samples.insert(format!("{name}_count"), labels);
        } else {
            samples.insert(name, labels);
        }
    }
    samples
}

/// Selectors of an expression, also those in parameters of aggregations.
///
/// # Panics
/// If the expression cannot be parsed.
fn selectors(expression: &str) -> Vec<VectorSelector> {
    fn walk(expression: &Expr, found: &mut Vec<VectorSelector>) {
        match expression {
            Expr::Aggregate(it) => {
                walk(&it.expr, found);
                it.param.iter().for_each(|param| walk(param, found));
            }
            Expr::Unary(it) => walk(&it.expr, found),
            Expr::Binary(it) => {
                walk(&it.lhs, found);
                walk(&it.rhs, found);
            }
            Expr::Paren(it) => walk(&it.expr, found),
            Expr::Subquery(it) => walk(&it.expr, found),
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) => {}
            Expr::VectorSelector(it) => found.push(it.clone()),
            Expr::MatrixSelector(it) => found.push(it.vs.clone()),
            Expr::Call(it) => it.args.args.iter().for_each(|argument| walk(argument, found)),
            Expr::Extension(_) => panic!("an extension of PromQL"),
        }
    }
    let parsed = parser::parse(expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
    let mut found = Vec::new();
    walk(&parsed, &mut found);
    assert!(found.iter().all(|it| it.matchers.or_matchers.is_empty()), "{expression}: alternatives");
    found
}

/// The only matcher of a label.
fn matcher<'a>(selector: &'a VectorSelector, label: &str) -> Option<&'a Matcher> {
    let mut matchers = selector.matchers.matchers.iter().filter(|matcher| matcher.name == label);
    let found = matchers.next();
    assert!(matchers.next().is_none(), "{selector}: several matchers of {label}");
    found
}

/// Checks that an expression selects known series only, of the job that has them: other jobs have series that owners of
/// scraped pods invent. Series of rules have no job.
fn check_series(expression: &str) {
    let own = known_samples();
    let others = fixture::names_of_others();
    let recorded: BTreeSet<String> =
        rules().iter().filter_map(|rule| Some(rule["record"].as_str()?.to_owned())).collect();
    for selector in selectors(expression) {
        let name = selector.name.as_deref().unwrap_or_else(|| panic!("{expression}: no name"));
        let job = matcher(&selector, "job").map(|matcher| (&matcher.op, matcher.value.as_str()));
        if name.contains(':') {
            assert!(recorded.contains(name), "{expression}: no rule records {name}");
            continue;
        }
        if let Some(labels) = own.get(name) {
            let unknown = selector.matchers.matchers.iter().find(|it| !labels.contains(&it.name));
            assert!(unknown.is_none(), "{expression}: {name} has no label {}", unknown.unwrap().name);
            assert_eq!(job, Some((&MatchOp::Equal, "hexabase")), "{expression}");
            continue;
        }
        assert!(others.contains(name), "{expression}: {name} is unknown");
        let jobs = ["hexabase", "kubelet", "kube-state-metrics", "vcluster"];
        assert!(
            job.is_some_and(|(op, job)| *op == MatchOp::Equal && jobs.contains(&job)),
            "{expression}: {name} without a job"
        );
    }
}
