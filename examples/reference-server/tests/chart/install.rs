//! Releases of both profiles on an API server, through both major versions of Helm: installed, upgraded and uninstalled. The API
//! server is that of `HEXABASE_TEST_KUBECONFIG`, or else a sandbox; neither runs the pods.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::json;

use crate::helm::{Case, HELM_VERSIONS, RELEASE, chart, helm, high_availability, quick, text};
use crate::server::{Server, start_sandbox};

/// Kinds of the objects that a release has, and the namespaced ones that belong to it.
const KINDS: &str = "deployments,jobs,services,configmaps,serviceaccounts,networkpolicies,poddisruptionbudgets,\
                     horizontalpodautoscalers,persistentvolumeclaims,cronjobs,roles,rolebindings";

/// API server on which releases are installed.
struct Cluster {
    kubeconfig: PathBuf,
    folder: tempfile::TempDir,
    _sandbox: Option<Server>,
}

impl Cluster {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        match std::env::var_os("HEXABASE_TEST_KUBECONFIG") {
            Some(file) => Self { kubeconfig: file.into(), folder, _sandbox: None },
            None => {
                let (sandbox, _) = start_sandbox(folder.path());
                let kubeconfig = folder.path().join("sandbox.kubeconfig");
                Self { kubeconfig, folder, _sandbox: Some(sandbox) }
            }
        }
    }

    fn kubectl(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("kubectl");
        command.arg("--kubeconfig").arg(&self.kubeconfig).args(arguments).output().unwrap()
    }

    /// Runs Helm, which must succeed without a warning.
    fn helm(&self, version: &str, arguments: &[&str], case: Option<&Case>) {
        let mut command = helm(version, &self.folder.path().join("helm"));
        command.env("KUBECONFIG", &self.kubeconfig).args(arguments);
        if let Some(case) = case {
            let values = self.folder.path().join("values.json");
            std::fs::write(&values, case.values.to_string()).unwrap();
            command.arg("--values").arg(chart().join(case.file)).arg("--values").arg(values);
        }
        let output = command.output().unwrap();
        let printed = text(&output);
        assert!(output.status.success(), "{version} {arguments:?}: {printed}");
        assert!(!printed.to_lowercase().contains("warning"), "{version} {arguments:?}: {printed}");
    }

    /// Returns the names of the objects of the release.
    fn objects(&self, namespace: &str) -> BTreeSet<String> {
        let selector = format!("app.kubernetes.io/instance={RELEASE}");
        let output = self.kubectl(&["get", KINDS, "-n", namespace, "-l", &selector, "-o", "name"]);
        assert!(output.status.success(), "{}", text(&output));
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }
}

/// Jobs among objects.
fn jobs(objects: &BTreeSet<String>) -> Vec<&String> {
    objects.iter().filter(|name| name.starts_with("job.batch/")).collect()
}

/// Installs, upgrades and uninstalls a profile. Returns the objects that stay.
fn life_of_a_release(cluster: &Cluster, version: &str, case: &Case, namespace: &str) -> BTreeSet<String> {
    let chart = chart();
    let chart: &str = Path::to_str(&chart).unwrap();
    let release = [RELEASE, chart, "--namespace", namespace];
    let install = [&["install"][..], &release, &["--create-namespace"]].concat();
    cluster.helm(version, &install, Some(case));
    let installed = cluster.objects(namespace);
    assert!(installed.iter().any(|name| name.starts_with("deployment.apps/")), "{installed:?}");

    // The next release has another image, another configuration, and with them another migration.
    let upgrade = [&["upgrade"][..], &release].concat();
    let next = case.clone().with("/image/tag", json!("next")).with("/config/product_name", json!("Acme"));
    cluster.helm(version, &upgrade, Some(&next));
    let upgraded = cluster.objects(namespace);
    let others = |objects: &BTreeSet<String>| -> BTreeSet<String> {
        objects.iter().filter(|name| !name.starts_with("job.batch/")).cloned().collect()
    };
    assert_eq!(others(&upgraded), others(&installed), "only the migration is replaced");
    assert_eq!(jobs(&installed).len(), jobs(&upgraded).len());
    if !jobs(&installed).is_empty() {
        assert_ne!(jobs(&installed), jobs(&upgraded));
    }
    // The same release again changes nothing.
    cluster.helm(version, &upgrade, Some(&next));
    assert_eq!(cluster.objects(namespace), upgraded);

    cluster.helm(version, &["uninstall", RELEASE, "--namespace", namespace], None);
    cluster.objects(namespace)
}

#[test]
fn releases_are_installed_upgraded_and_uninstalled_without_a_warning() {
    let cluster = Cluster::new();
    for version in HELM_VERSIONS {
        for (name, case) in [("quick", quick()), ("ha", high_availability())] {
            let namespace = format!("hexabase-{name}-{version}");
            let case = if name == "quick" { case.with("/host/type", json!("sandbox")) } else { case };
            let stays = life_of_a_release(&cluster, version, &case, &namespace);
            let expected: &[&str] =
                if name == "quick" { &["persistentvolumeclaim/main-hexabase-data"] } else { &[] };
            assert_eq!(stays.iter().map(String::as_str).collect::<Vec<_>>(), expected, "{name} {version}");
            let deleted = cluster.kubectl(&["delete", "namespace", &namespace, "--wait=false"]);
            assert!(deleted.status.success(), "{}", text(&deleted));
        }
    }
}
