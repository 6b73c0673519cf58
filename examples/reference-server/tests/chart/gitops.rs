//! The files with which Flux and Argo CD install the chart: valid, and releases equal to those of Helm.

use std::process::Command;

use serde_json::{Value, json};

use crate::helm::{Case, HELM_VERSIONS, chart, find, parse, repository, text};
use crate::manifests::validate_custom_resources;

/// Returns the objects of a folder as `kubectl apply -k` creates them.
fn objects_of(tool: &str) -> Vec<Value> {
    let folder = repository().join("deploy/gitops").join(tool);
    let output = Command::new("kubectl").arg("kustomize").arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    parse(&String::from_utf8(output.stdout).unwrap())
}

fn flux_release() -> Value {
    find(&objects_of("flux"), "HelmRelease/hexabase").clone()
}

fn argocd_application() -> Value {
    find(&objects_of("argocd"), "Application/hexabase").clone()
}

#[test]
fn the_objects_of_gitops_tools_are_valid_by_the_schemas_of_their_projects() {
    for tool in ["flux", "argocd"] {
        let objects = objects_of(tool);
        assert!(objects.len() >= 2, "{objects:?}");
        let output = validate_custom_resources(&objects);
        assert!(output.status.success(), "{}", text(&output));
    }
    let mut wrong = flux_release();
    wrong["spec"]["install"]["strategy"]["name"] = json!("Retry");
    assert!(!validate_custom_resources(&[wrong]).status.success());
    let mut wrong = argocd_application();
    wrong["spec"]["syncPolicy"]["automated"]["prune"] = json!("no");
    assert!(!validate_custom_resources(&[wrong]).status.success());
}

#[test]
fn releases_of_gitops_tools_equal_that_of_helm() {
    let expected = json!({
        "database": { "existingSecret": "", "ownerSecret": "", "cnpg": {
            "enabled": true,
            "serverSecret": "hexabase-database-server",
            "ownerSecret": "hexabase-database-owner",
        } },
        "publicUrl": "https://hexabase.example.com",
    });
    let namespace = "hexabase-system";
    let with_helm = Case { name: "helm", file: "values-ha.yaml", values: expected, namespace };
    let (flux, argocd) = (flux_release(), argocd_application());
    assert_eq!(flux["metadata"]["namespace"], namespace);
    assert_eq!(argocd["spec"]["destination"]["namespace"], namespace);
    let sources = flux["spec"]["valuesFrom"].as_array().unwrap();
    assert_eq!(sources, &[json!({ "kind": "ConfigMap", "name": "hexabase-values" })], "it must exist");
    let mut of_flux = flux["spec"]["values"].clone();
    assert_eq!(of_flux["publicUrl"], Value::Null, "it would override that of the site");
    of_flux["publicUrl"] = json!("https://hexabase.example.com");
    let released = [("flux", of_flux), ("argocd", argocd["spec"]["source"]["helm"]["valuesObject"].clone())];
    for version in HELM_VERSIONS {
        let rendered = with_helm.render_chart(version, &chart());
        for (name, values) in released.clone() {
            let case = Case { name, file: "", values, namespace };
            // Helm validates the values against the schema of the chart.
            assert_eq!(case.render_chart(version, &chart()), rendered, "{name} with {version}");
        }
    }
}

#[test]
fn gitops_tools_install_this_version_of_the_chart_with_its_signature_verified() {
    let manifest = std::fs::read_to_string(chart().join("Chart.yaml")).unwrap();
    let version = parse(&manifest)[0]["version"].clone();
    let objects = objects_of("flux");
    let source = &find(&objects, "OCIRepository/hexabase")["spec"];
    assert_eq!((&source["ref"]["tag"], &source["verify"]["provider"]), (&version, &json!("cosign")));
    assert_eq!(argocd_application()["spec"]["source"]["targetRevision"], version);
}

#[test]
fn a_failed_release_is_retried_and_nothing_is_deleted() {
    let release = flux_release();
    for action in ["install", "upgrade"] {
        assert_eq!(release["spec"][action]["strategy"]["name"], "RetryOnFailure", "{action}");
        assert_eq!(release["spec"][action]["remediation"], Value::Null, "{action}");
    }
    let automated = &argocd_application()["spec"]["syncPolicy"]["automated"];
    assert_eq!((&automated["selfHeal"], &automated["prune"]), (&json!(true), &json!(false)));
}
