//! Packaging of the chart, and its way through an OCI registry.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::helm::{HELM_VERSIONS, chart, helm, quick, text};

/// Registry on a free port of this machine, which is stopped on drop.
struct Registry {
    process: Child,
    address: String,
}

impl Registry {
    fn start(folder: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let storage = folder.join("registry");
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: {address}}}\n",
            storage.display()
        );
        let file = folder.join("registry.yaml");
        std::fs::write(&file, config).unwrap();
        let started = Command::new("docker-registry").arg("serve").arg(&file).stderr(Stdio::null()).spawn();
        let mut process =
            started.unwrap_or_else(|error| panic!("docker-registry: {error}; scripts/test installs it"));
        while TcpStream::connect(&address).is_err() {
            assert!(process.try_wait().unwrap().is_none(), "docker-registry stopped");
            std::thread::yield_now();
        }
        Self { process, address }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // The process may have stopped already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_packaged_chart_is_pushed_pulled_and_rendered() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::start(folder.path());
    for version in HELM_VERSIONS {
        let folder = folder.path().join(version);
        std::fs::create_dir(&folder).unwrap();
        let run = |arguments: &[&str]| {
            let output = helm(version, &folder).args(arguments).current_dir(&folder).output().unwrap();
            assert!(output.status.success(), "{version} {arguments:?}: {}", text(&output));
        };
        run(&["package", chart().to_str().unwrap()]);
        let repository = format!("oci://{}/{version}", registry.address);
        run(&["push", "hexabase-0.1.0.tgz", &repository, "--plain-http"]);
        std::fs::remove_file(folder.join("hexabase-0.1.0.tgz")).unwrap();
        let reference = format!("{repository}/hexabase");
        run(&["pull", &reference, "--version", "0.1.0", "--plain-http", "--untar"]);
        let pulled = folder.join("hexabase");
        assert_eq!(quick().render_chart(version, &pulled), quick().render(), "{version}");
    }
}
