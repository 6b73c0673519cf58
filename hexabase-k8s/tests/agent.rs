//! The agent's configuration gives every line the labels that Hexabase queries, and no tenant can choose them. Its
//! relabel rules are evaluated here as Prometheus does
//! (<https://prometheus.io/docs/prometheus/latest/configuration/configuration/#relabel_config>).

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::path::Path;

use regex_lite::Regex;

type Labels = BTreeMap<String, String>;

fn config() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = std::fs::read_to_string(root.join("deploy/chart/hexabase/files/alloy/config.alloy")).unwrap();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Content of the blocks with a header such as `rule`.
fn blocks<'a>(text: &'a str, header: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(&format!("{header} {{")) {
        let mut depth = 1;
        let end = after.char_indices().find(|(_, letter)| {
            depth += i32::from(*letter == '{') - i32::from(*letter == '}');
            depth == 0
        });
        let end = end.unwrap().0;
        found.push(&after[..end]);
        rest = &after[end..];
    }
    found
}

/// Texts in the value of an attribute.
fn texts(block: &str, attribute: &str) -> Vec<String> {
    let line = block.lines().find(|line| line.split('=').next().is_some_and(|name| name.trim() == attribute));
    let value = line.and_then(|line| line.split_once('=')).map_or("", |(_, value)| value);
    value.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Applies the relabel rules to a target; `None` if one of them drops it.
fn relabel(config: &str, mut labels: Labels) -> Option<Labels> {
    let rules = blocks(blocks(config, "discovery.relabel \"tenants\"")[0], "rule");
    assert_eq!(rules.len(), 10);
    for rule in rules {
        let attribute = |name: &str, default: &str| {
            texts(rule, name).into_iter().next().unwrap_or_else(|| default.to_owned())
        };
        let sources = texts(rule, "source_labels");
        let values = sources.iter().map(|name| labels.get(name).map_or("", String::as_str));
        let value = values.collect::<Vec<_>>().join(&attribute("separator", ";"));
        let regex = Regex::new(&format!("^(?:{})$", attribute("regex", "(.*)"))).unwrap();
        let matched = regex.captures(&value);
        match (attribute("action", "replace").as_str(), matched) {
            ("keep", None) => return None,
            ("keep", Some(_)) | ("replace", None) => {}
            ("replace", Some(matched)) => {
                let mut replaced = String::new();
                matched.expand(&attribute("replacement", "$1"), &mut replaced);
                labels.insert(attribute("target_label", ""), replaced);
            }
            (action, _) => panic!("unknown action {action}"),
        }
    }
    labels.retain(|name, _| !name.starts_with("__meta_"));
    Some(labels)
}

const NAMESPACE: &str = "ws-01h455vb4pex5vsknk084sn02q";

fn pod(changes: &[(&str, &str)]) -> Labels {
    let synced = [
        ("namespace", NAMESPACE),
        ("pod_name", "web-0-x-shop-x-ws-01h455vb4pex5vsknk084sn02q"),
        ("pod_uid", "7c9e6679"),
        ("pod_container_name", "app"),
        ("pod_node_name", "node-1"),
        ("pod_label_vcluster_loft_sh_managed_by", NAMESPACE),
        ("pod_label_vcluster_loft_sh_namespace", "shop"),
        ("pod_annotation_vcluster_loft_sh_object_name", "web-0"),
    ];
    let labels = synced.iter().chain(changes);
    labels.map(|(name, value)| (format!("__meta_kubernetes_{name}"), (*value).to_owned())).collect()
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn pods_of_tenants_have_the_labels_that_queries_name() {
    let expected = [
        ("__path__", "/var/log/pods/*7c9e6679/app/*.log"),
        ("container", "app"),
        ("namespace", NAMESPACE),
        ("node", "node-1"),
        ("pod", "web-0"),
        ("vcluster_namespace", "shop"),
    ];
    assert_eq!(relabel(&config(), pod(&[])), Some(labels(&expected)));
    let without_annotation = pod(&[("pod_annotation_vcluster_loft_sh_object_name", "")]);
    let relabeled = relabel(&config(), without_annotation).unwrap();
    assert_eq!(relabeled["pod"], "web-0-x-shop-x-ws-01h455vb4pex5vsknk084sn02q");
}

#[test]
fn other_pods_are_dropped_and_annotations_choose_nothing_but_the_name_of_the_pod() {
    for changes in [
        [("namespace", "kube-system")],
        [("namespace", "ws-short")],
        [("namespace", "other-ws-01h455vb4pex5vsknk084sn02q")],
        [("pod_label_vcluster_loft_sh_managed_by", "")],
        [("pod_label_vcluster_loft_sh_namespace", "")],
    ] {
        assert_eq!(relabel(&config(), pod(&changes)), None, "{changes:?}");
    }
    let forged = pod(&[
        ("pod_annotation_namespace", "ws-00000000000000000000000000"),
        ("pod_label_namespace", "ws-00000000000000000000000000"),
        ("pod_annotation_vcluster_loft_sh_object_name", "forged"),
    ]);
    let relabeled = relabel(&config(), forged).unwrap();
    assert_eq!((relabeled["namespace"].as_str(), relabeled["pod"].as_str()), (NAMESPACE, "forged"));
    for odd in ["x".repeat(254), "two\nlines".to_owned(), "{namespace}".to_owned()] {
        let relabeled =
            relabel(&config(), pod(&[("pod_annotation_vcluster_loft_sh_object_name", &odd)])).unwrap();
        assert_eq!(relabeled["pod"], "web-0-x-shop-x-ws-01h455vb4pex5vsknk084sn02q", "{odd}");
    }
}

#[test]
fn no_stage_reads_the_text_of_lines_and_three_labels_remain() {
    let config = config();
    let process = blocks(&config, "loki.process \"tenants\"")[0];
    let stages: Vec<&str> =
        process.lines().filter_map(|line| line.trim().strip_prefix("stage.")?.split(' ').next()).collect();
    assert_eq!(stages, ["cri", "limit", "structured_metadata", "label_keep"]);
    let kept = texts(blocks(process, "stage.label_keep")[0], "values");
    assert_eq!(kept, ["namespace", "vcluster_namespace", "container"]);
    let metadata = blocks(process, "stage.structured_metadata")[0];
    assert_eq!((texts(metadata, "pod"), texts(metadata, "node")), (vec![String::new()], vec![String::new()]));
}
