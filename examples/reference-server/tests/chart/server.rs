//! Containers of the chart, run as processes: their arguments, environment and files, as another user and with a read-only
//! root directory.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use hexabase_test_servers::{Nats, Postgres, Redis};
use reqwest::blocking::Client;
use serde_json::{Value, json};

use crate::helm::{Case, configuration, find, high_availability, quick, repository, text};

pub(crate) const MASTER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Node that runs containers of rendered objects.
pub(crate) struct Node {
    objects: Vec<Value>,
    /// Contents of Secrets, by name.
    secrets: Value,
    /// Directory with the volumes.
    folder: tempfile::TempDir,
}

impl Node {
    pub(crate) fn new(case: &Case, secrets: Value) -> Self {
        Self { objects: case.render(), secrets, folder: tempfile::tempdir().unwrap() }
    }

    /// Returns the pod of an object whose id has this prefix.
    fn pod(&self, prefix: &str) -> &Value {
        let object = self.objects.iter().find(|object| crate::helm::id(object).starts_with(prefix)).unwrap();
        let job = object["spec"].get("jobTemplate").unwrap_or(object);
        &job["spec"]["template"]["spec"]
    }

    fn secret(&self, name: &Value, key: &Value) -> String {
        let value = &self.secrets[name.as_str().unwrap()][key.as_str().unwrap()];
        value.as_str().unwrap_or_else(|| panic!("no key {key} in the Secret {name}")).to_owned()
    }

    /// Returns the environment of a container, in order.
    fn environment(&self, container: &Value) -> Vec<(String, String)> {
        let mut all = BTreeMap::new();
        for source in container["envFrom"].as_array().into_iter().flatten() {
            let name = source["secretRef"]["name"].as_str().unwrap();
            for (key, value) in self.secrets[name].as_object().unwrap() {
                all.insert(key.clone(), value.as_str().unwrap().to_owned());
            }
        }
        for variable in container["env"].as_array().into_iter().flatten() {
            let reference = &variable["valueFrom"]["secretKeyRef"];
            let value = match variable["value"].as_str() {
                Some(value) => value.to_owned(),
                None => self.secret(&reference["name"], &reference["key"]),
            };
            all.insert(variable["name"].as_str().unwrap().to_owned(), value);
        }
        all.into_iter().collect()
    }

    /// Writes the content of a volume, and returns its directory with `true` if the container may write there.
    fn volume(&self, volume: &Value) -> (PathBuf, bool) {
        let folder = self.folder.path().join(volume["name"].as_str().unwrap());
        std::fs::create_dir_all(&folder).unwrap();
        let write = |name: &str, content: &str| std::fs::write(folder.join(name), content).unwrap();
        if let Some(name) = volume["configMap"]["name"].as_str() {
            for (key, content) in
                find(&self.objects, &format!("ConfigMap/{name}"))["data"].as_object().unwrap()
            {
                write(key, content.as_str().unwrap());
            }
        } else if let Some(secret) = volume.get("secret") {
            for (key, content) in self.secrets[secret["secretName"].as_str().unwrap()].as_object().unwrap() {
                write(key, content.as_str().unwrap());
            }
        } else {
            let kind = volume.as_object().unwrap().keys().find(|key| *key != "name").unwrap();
            assert!(["emptyDir", "persistentVolumeClaim", "projected"].contains(&kind.as_str()), "{volume}");
            return (folder, kind != "projected");
        }
        (folder, false)
    }

    /// Returns the command of a container of a pod, with further arguments.
    fn command(&self, pod: &Value, containers: &str, arguments: &[&str]) -> Command {
        let container = &pod[containers][0];
        let user = pod["securityContext"]["runAsUser"].to_string();
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
        let mut command = Command::new("bwrap");
        command.args(["--die-with-parent", "--unshare-user", "--uid", &user, "--gid", &user, "--clearenv"]);
        for (link, target) in [("/lib", "usr/lib"), ("/lib64", "usr/lib64"), ("/bin", "usr/bin")] {
            command.args(["--symlink", target, link]);
        }
        command.args([
            "--ro-bind",
            "/usr",
            "/usr",
            "--ro-bind",
            "/etc/ssl",
            "/etc/ssl",
            "--dir",
            "/var/lib/hexabase",
        ]);
        command.args([
            "--proc",
            "/proc",
            "--dev",
            "/dev",
            "--ro-bind",
            env!("CARGO_BIN_EXE_hexabase"),
            "/hexabase",
        ]);
        for mount in container["volumeMounts"].as_array().into_iter().flatten() {
            let volumes = pod["volumes"].as_array().unwrap();
            let volume = volumes.iter().find(|volume| volume["name"] == mount["name"]).unwrap();
            let (folder, is_writable) = self.volume(volume);
            let bind = if is_writable && mount["readOnly"] != true { "--bind" } else { "--ro-bind" };
            command.arg(bind).arg(folder).arg(mount["mountPath"].as_str().unwrap());
        }
        let tools = Postgres::tool("pg_dump");
        command.args(["--setenv", "PATH", &format!("{}:/usr/bin", tools.parent().unwrap().display())]);
        for (name, value) in self.environment(container) {
            command.args(["--setenv", &name, &value]);
        }
        command.args(["--remount-ro", "/", "--chdir", "/var/lib/hexabase"]);
        match container["command"].as_array() {
            Some(words) => command.args(words.iter().map(|word| word.as_str().unwrap())),
            None => command.arg("/hexabase"),
        };
        command.args(container["args"].as_array().unwrap().iter().map(|argument| argument.as_str().unwrap()));
        command.args(arguments);
        command
    }

    /// Runs a container to completion.
    pub(crate) fn run(&self, prefix: &str, containers: &str, arguments: &[&str]) -> Output {
        let output = self.command(self.pod(prefix), containers, arguments).output();
        output.unwrap_or_else(|error| panic!("bwrap: {error}; scripts/test installs it"))
    }

    /// Returns the directory of a volume.
    pub(crate) fn directory(&self, volume: &str) -> PathBuf {
        self.folder.path().join(volume)
    }

    /// Starts the server of a pod on free ports of this machine.
    pub(crate) fn start(&self, prefix: &str) -> Server {
        self.start_at(prefix, "127.0.0.1:0")
    }

    /// Starts the server of a pod at an address.
    pub(crate) fn start_at(&self, prefix: &str, address: &str) -> Server {
        let metrics = format!("127.0.0.1:{}", Nats::free_port());
        let ports = ["--listen", address, "--metrics-listen", &metrics];
        let mut command = self.command(self.pod(prefix), "containers", &ports);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (line, output) = first_line(&mut process);
        let Some((_, address)) = line.trim_end().trim_end_matches(')').split_once("(listening on ") else {
            let mut log = String::new();
            process.stderr.take().unwrap().read_to_string(&mut log).unwrap();
            panic!("{prefix}: {line}{log}");
        };
        // The log must not fill the pipe.
        let mut log = process.stderr.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Server { process, address: address.to_owned(), metrics, _output: output }
    }
}

/// Running container. It is killed on drop.
pub(crate) struct Server {
    process: Child,
    address: String,
    metrics: String,
    /// Standard output, which must stay open.
    _output: BufReader<ChildStdout>,
}

impl Server {
    /// Address on which it listens.
    pub(crate) fn address(&self) -> &str {
        self.address.strip_prefix("http://").unwrap_or(&self.address)
    }

    fn get(&self, path: &str) -> (u16, Value) {
        Self::get_at(&self.address, path)
    }

    fn get_at(address: &str, path: &str) -> (u16, Value) {
        let http = Client::builder().build().unwrap();
        let response = http.get(format!("http://{address}{path}")).send().unwrap();
        let (status, text) = (response.status().as_u16(), response.text().unwrap());
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Stops the container as Kubernetes does. It must exit successfully.
    pub(crate) fn stop(mut self) {
        let bwrap = self.process.id();
        let children = std::fs::read_to_string(format!("/proc/{bwrap}/task/{bwrap}/children")).unwrap();
        let child = children.split_whitespace().next().unwrap();
        assert!(Command::new("kill").args(["-s", "TERM", child]).status().unwrap().success());
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The process may have stopped already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Reads the first line that a process prints.
fn first_line(process: &mut Child) -> (String, BufReader<ChildStdout>) {
    let (mut line, mut output) = (String::new(), BufReader::new(process.stdout.take().unwrap()));
    output.read_line(&mut line).unwrap();
    (line, output)
}

fn plans() -> String {
    std::fs::read_to_string(repository().join("hexabase-billing/plans.toml")).unwrap()
}

#[test]
fn the_container_of_the_quick_mode_serves_with_a_read_only_root_directory() {
    let mut config = configuration();
    config["product_name"] = json!("Acme & Co");
    let case = quick()
        .with("/host/type", json!("sandbox"))
        .with("/config", config)
        .with("/plans", json!(plans().replace("name = \"Starter\"", "name = \"Beginner\"")))
        .with("/providers/existingSecret", json!("providers"))
        .with("/masterKey/additionalKeys", json!(["old"]));
    let secrets = json!({
        "hexabase-master-key": { "master-key": MASTER_KEY, "old": MASTER_KEY.replace("AAEC", "AAED") },
        "providers": {
            "HEXABASE_PROVIDERS__GOOGLE__CLIENT_SECRET": "secret",
            "HEXABASE_CLIENTS__SHOP__SECRET": "a secret that is hard to guess",
        },
    });
    let node = Node::new(&case, secrets);
    let server = node.start("Deployment/");
    assert_eq!(server.get("/healthz").0, 200);
    let (status, readiness) = server.get("/readyz");
    assert_eq!((status, &readiness["degraded"]), (200, &json!(false)), "{readiness}");
    assert_eq!(server.get("/api/v1/info").1["sandbox"], true);
    let issuer = server.get("/.well-known/openid-configuration").1;
    assert_eq!(issuer["issuer"], case.values["publicUrl"]);
    let offered = server.get("/api/v1/plans").1.to_string();
    assert!(offered.contains("Beginner"), "{offered}");
    assert_eq!(server.get("/auth/providers").1[0]["id"], "google");
    // Metrics are on their own port only.
    assert_eq!(server.get("/metrics").0, 404);
    assert_eq!(Server::get_at(&server.metrics, "/metrics").0, 200);
    let check = Command::new(env!("CARGO_BIN_EXE_hexabase"))
        .args(["healthcheck", "--listen", &server.address])
        .output();
    assert!(check.unwrap().status.success());

    // The signing keys survive with the volume.
    let keys = server.get("/.well-known/jwks.json").1;
    server.stop();
    let server = node.start("Deployment/");
    assert_eq!(server.get("/.well-known/jwks.json").1, keys);
    server.stop();
    assert!(node.folder.path().join("data/hexabase.db").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_containers_of_the_distributed_mode_migrate_wait_and_serve() {
    let (postgres, redis, nats) = (Postgres::start(), Redis::start(&[]), Nats::start(&[]));
    let url = postgres.url_of(&postgres.database().await);
    tokio::task::spawn_blocking(move || {
        let folder = tempfile::tempdir().unwrap();
        let (cluster, kubeconfig) = start_sandbox(folder.path());
        let case = high_availability()
            .with(
                "/host",
                json!({ "type": "kubeconfig", "existingSecret": "host", "server": "https://host.invalid" }),
            )
            .with("/config/nats_replicas", json!(1));
        let secrets = json!({
            "hexabase-master-key": { "master-key": MASTER_KEY },
            "hexabase-database": { "url": url },
            "hexabase-database-owner": { "url": url },
            "hexabase-redis": { "url": redis.url() },
            "hexabase-nats": { "url": nats.url() },
            "host": { "kubeconfig": kubeconfig },
        });
        let node = Node::new(&case, secrets);
        let job = node.run("Job/", "containers", &[]);
        assert!(job.status.success(), "{}", text(&job));
        for component in ["api", "worker"] {
            let pod = format!("Deployment/main-hexabase-{component}");
            let wait = node.run(&pod, "initContainers", &[]);
            assert!(wait.status.success(), "{}", text(&wait));
            let server = node.start(&pod);
            let (status, readiness) = server.get("/readyz");
            // API processes have no credentials for the host, and this address does not exist.
            assert_eq!((status, &readiness["degraded"]), (200, &json!(component == "api")), "{readiness}");
            server.stop();
        }
        drop(cluster);
    })
    .await
    .unwrap();
}

/// Starts a sandbox as the host cluster, and returns it with its kubeconfig.
pub(crate) fn start_sandbox(folder: &Path) -> (Server, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hexabase"));
    command.args(["sandbox", "--listen", "127.0.0.1:0"]).current_dir(folder).stdout(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let (_, output) = first_line(&mut process);
    let kubeconfig = std::fs::read_to_string(folder.join("sandbox.kubeconfig")).unwrap();
    (Server { process, address: String::new(), metrics: String::new(), _output: output }, kubeconfig)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_container_of_the_backup_writes_a_file_that_can_be_restored() {
    let postgres = Postgres::start();
    let url = postgres.url_of(&postgres.database().await);
    tokio::task::spawn_blocking(move || {
        let tools = Postgres::tool("pg_dump").parent().unwrap().to_owned();
        let case = high_availability()
            .with("/backup/cronJob/enabled", json!(true))
            .with("/backup/cronJob/keepDays", json!(14));
        let secrets = json!({ "hexabase-database-owner": { "url": url } });
        let node = Node::new(&case, secrets);
        assert!(node.run("Job/", "containers", &[]).status.success());

        let folder = node.folder.path().join("backup");
        std::fs::create_dir(&folder).unwrap();
        for (age, name) in [
            (20, "hexabase-old.dump"),
            (20, "hexabase-interrupted.dump.part"),
            (20, "other"),
            (3, "hexabase-new.dump"),
        ] {
            let date = format!("{age} days ago");
            let touched = Command::new("touch").args(["-d", &date]).arg(folder.join(name)).status().unwrap();
            assert!(touched.success());
        }
        let backup = node.command(node.pod("CronJob/"), "containers", &[]).output().unwrap();
        assert!(backup.status.success(), "{}", text(&backup));
        let names = || -> Vec<String> {
            let entries = std::fs::read_dir(&folder).unwrap();
            let mut names: Vec<String> =
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        let found = names();
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(found[1..], ["hexabase-new.dump", "other"]);
        let list = Command::new(tools.join("pg_restore"))
            .arg("--list")
            .arg(folder.join(&found[0]))
            .output()
            .unwrap();
        assert!(text(&list).contains("TABLE DATA public workspaces"), "{}", text(&list));

        // A failed backup leaves no file that looks complete.
        let node = Node {
            secrets: json!({ "hexabase-database-owner": { "url": format!("{url}-missing") } }),
            ..node
        };
        let failed = node.command(node.pod("CronJob/"), "containers", &[]).output().unwrap();
        assert!(!failed.status.success());
        assert_eq!(names().iter().filter(|name| name.ends_with(".dump")).count(), 2);
    })
    .await
    .unwrap();
}
