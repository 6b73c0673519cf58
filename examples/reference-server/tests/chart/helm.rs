//! Rendering of the chart by both supported major versions of Helm.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

/// Programs of Helm in `tests/peers/.helm`.
pub(crate) const HELM_VERSIONS: [&str; 2] = ["helm-3", "helm-4"];
/// Name of the release in these tests.
pub(crate) const RELEASE: &str = "main";

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

pub(crate) fn chart() -> PathBuf {
    repository().join("deploy/chart/hexabase")
}

/// Returns a program that `scripts/test` installs below `tests/peers`.
pub(crate) fn tool(path: &str) -> Command {
    let file = repository().join("tests/peers").join(path);
    assert!(file.exists(), "{} is missing; scripts/test installs it", file.display());
    Command::new(file)
}

/// Returns Helm, which reads and writes its files below a folder only.
pub(crate) fn helm(version: &str, home: &Path) -> Command {
    let mut command = tool(&format!(".helm/{version}"));
    for variable in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
        command.env(variable, home);
    }
    command
}

pub(crate) fn text(output: &Output) -> String {
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{out}{errors}")
}

/// Configuration of a release.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Values file of the chart that the values add to.
    pub(crate) file: &'static str,
    pub(crate) values: Value,
    pub(crate) namespace: &'static str,
}

impl Case {
    fn new(name: &'static str, file: &'static str, mut values: Value) -> Self {
        values["publicUrl"] = json!("https://hexabase.example.com");
        Self { name, file, values, namespace: "hexabase-system" }
    }

    /// Returns this case with a value at a JSON pointer, whose parents exist or are created.
    pub(crate) fn with(mut self, pointer: &str, value: Value) -> Self {
        let mut target = &mut self.values;
        for key in pointer.split('/').skip(1) {
            target = &mut target[key];
        }
        *target = value;
        self
    }

    pub(crate) fn run(&self, version: &str, arguments: &[&str], chart: &Path) -> Output {
        let folder = tempfile::tempdir().unwrap();
        let values = folder.path().join("values.json");
        std::fs::write(&values, self.values.to_string()).unwrap();
        let mut command = helm(version, folder.path());
        command.args(arguments).arg(chart).args(["--namespace", self.namespace]);
        if !self.file.is_empty() {
            command.arg("--values").arg(chart.join(self.file));
        }
        command.arg("--values").arg(&values).output().unwrap()
    }

    /// Renders a chart, which must succeed.
    pub(crate) fn render_chart(&self, version: &str, chart: &Path) -> Vec<Value> {
        let output = self.run(version, &["template", RELEASE], chart);
        assert!(output.status.success(), "{} with {version}: {}", self.name, text(&output));
        parse(&String::from_utf8(output.stdout).unwrap())
    }

    /// Renders the chart with the newest version of Helm.
    pub(crate) fn render(&self) -> Vec<Value> {
        self.render_chart(HELM_VERSIONS[1], &chart())
    }

    /// Returns the error of an attempt to render the chart, which must be the same for both versions of Helm.
    pub(crate) fn error(&self) -> String {
        let errors = HELM_VERSIONS.map(|version| {
            let output = self.run(version, &["template", RELEASE], &chart());
            assert!(!output.status.success(), "{} was rendered with {version}", self.name);
            String::from_utf8(output.stderr).unwrap()
        });
        errors[1].clone()
    }
}

/// Parses the objects of a manifest.
pub(crate) fn parse(manifest: &str) -> Vec<Value> {
    let documents = format!("\n{manifest}");
    let documents = documents.split("\n---").map(|text| serde_saphyr::from_str::<Value>(text).unwrap());
    documents.filter(|object| !object.is_null()).collect()
}

/// Name of an object with its kind.
pub(crate) fn id(object: &Value) -> String {
    format!("{}/{}", object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap())
}

/// Returns the object of a kind with a name.
pub(crate) fn find<'a>(objects: &'a [Value], wanted: &str) -> &'a Value {
    let all = || objects.iter().map(id).collect::<Vec<_>>();
    objects.iter().find(|object| id(object) == wanted).unwrap_or_else(|| panic!("{wanted} in {:?}", all()))
}

pub(crate) fn quick() -> Case {
    Case::new("quick", "values-quick.yaml", json!({}))
}

pub(crate) fn high_availability() -> Case {
    Case::new("ha", "values-ha.yaml", json!({}))
}

pub(crate) fn cloud_native_pg() -> Case {
    let values = json!({
        "masterKey": { "existingSecret": "key" },
        "database": { "cnpg": {
            "enabled": true,
            "serverSecret": "server",
            "ownerSecret": "owner",
            "imageName": "registry.example/postgres:18",
            "storage": { "storageClass": "fast" },
            "plugins": [{ "name": "barman-cloud.cloudnative-pg.io", "isWALArchiver": true }],
            "extraSpec": { "enablePDB": true },
        } },
        "backup": { "cnpg": { "enabled": true } },
        "redis": { "url": "redis://valkey:6379" },
        "queue": { "url": "nats://nats:4222" },
    });
    Case::new("cnpg", "", values)
}

/// Every switch of the chart, except those that exclude each other.
pub(crate) fn everything() -> Case {
    let values = json!({
        "image": { "digest": format!("sha256:{}", "a".repeat(64)) },
        "imagePullSecrets": [{ "name": "registry" }],
        "listenAddress": "[::]",
        "masterKey": { "additionalKeys": ["old"] },
        "database": { "caConfigMap": "database-ca" },
        "stripe": { "existingSecret": "stripe" },
        "smtp": { "existingSecret": "smtp" },
        "prometheus": { "existingSecret": "prometheus" },
        "loki": { "existingSecret": "loki" },
        "alertmanager": { "existingSecret": "alertmanager" },
        "providers": { "existingSecret": "providers" },
        "config": configuration(),
        "plans": "[[plans]]\nid = \"free\"",
        "secretChecksum": "2",
        "api": {
            "autoscaling": { "enabled": true },
            "nodeSelector": { "pool": "control" },
            "tolerations": [{ "key": "pool", "operator": "Exists" }],
            "affinity": { "nodeAffinity": {} },
            "priorityClassName": "high",
            "podAnnotations": { "example.com/note": "x" },
            "podLabels": { "example.com/team": "platform" },
            "topologySpreadConstraints": [
                { "maxSkew": 2, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule" }
            ],
        },
        "migrate": { "ttlSecondsAfterFinished": 600 },
        "httpRoute": {
            "enabled": true,
            "parentRefs": [{ "name": "public", "namespace": "gateway" }],
            "timeouts": { "request": "0s" },
        },
        "ingress": { "enabled": true, "className": "haproxy", "tlsSecret": "tls" },
        "networkPolicy": { "ingress": { "http": [{ "namespaceSelector": {} }] } },
        "monitoring": {
            "serviceMonitor": { "enabled": true, "labels": { "release": "prometheus" } },
            "prometheusRule": { "enabled": true },
            "dashboards": { "enabled": true },
        },
        "backup": { "cronJob": { "enabled": true } },
        "extraEnv": [{ "name": "RUST_LOG", "value": "{{ .Release.Name }}=debug" }],
        "extraEnvFrom": [{ "configMapRef": { "name": "extra", "optional": true } }],
        "extraVolumes": [{ "name": "ca", "configMap": { "name": "{{ .Release.Name }}-ca" } }],
        "extraVolumeMounts": [{ "name": "ca", "mountPath": "/etc/hexabase/ca" }],
        "extraObjects": [
            { "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "{{ .Release.Name }}-extra" } },
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-text",
        ],
    });
    Case::new("everything", "values-ha.yaml", values)
}

/// Options of each type, and tables.
pub(crate) fn configuration() -> Value {
    json!({
        "mail_from": "Hexabase & friends <noreply@example.com>",
        "requests_per_minute": 1_000_000,
        "otlp_sample_ratio": 0.25,
        "stripe_automatic_tax": true,
        "trusted_proxies": ["10.0.0.0/8", "fd00::/8"],
        "platform_admins": ["ann@example.com"],
        "vcluster_overrides": "controlPlane:\n  coredns: { deployment: { replicas: 2 } }\n",
        "prometheus_url": "http://prometheus.monitoring:9090",
        "providers": { "google": { "client_id": "hexabase", "allowed_domains": ["example.com"] } },
        "clients": { "shop": { "redirect_uris": ["https://shop.example.com/callback"] } },
    })
}

/// Releases that all checks of rendered objects apply to.
pub(crate) fn cases() -> Vec<Case> {
    let named = |name: &'static str, case: Case| Case { name, ..case };
    vec![
        quick(),
        named("sandbox", quick().with("/host/type", json!("sandbox"))),
        named("host-setup", quick().with("/hostSetup/enabled", json!(true))),
        high_availability(),
        cloud_native_pg(),
        named(
            "kubeconfig",
            high_availability().with(
                "/host",
                json!({ "type": "kubeconfig", "existingSecret": "host", "server": "https://host.example.com:6443",
                    "certificateAuthority": "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----" }),
            ),
        ),
        named("quick-kubeconfig", quick().with("/host", json!({ "type": "kubeconfig", "existingSecret": "host" }))),
        named("no-policies", high_availability().with("/networkPolicy/enabled", json!(false))),
        everything(),
    ]
}
