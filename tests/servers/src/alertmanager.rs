use std::time::Duration;

use crate::process::{Server, directory, find, free_port};
use crate::prometheus::wait_until_ready;

/// Maximum time until a started server responds.
const READY_TIMEOUT: Duration = Duration::from_secs(30);

/// Alertmanager server, alone or in a cluster.
#[derive(Debug)]
pub struct Alertmanager {
    url: String,
    cluster_port: u16,
    _process: Server,
}

impl Alertmanager {
    /// Starts a server that sends notifications to no receiver.
    ///
    /// # Panics
    /// If Alertmanager is not installed; the message says how to install it.
    #[must_use]
    pub fn start() -> Self {
        Self::with_config(&serde_json::json!({
            "route": { "receiver": "none" },
            "receivers": [{ "name": "none" }],
        }))
    }

    /// Starts a server with a configuration.
    ///
    /// # Panics
    /// If Alertmanager is not installed; the message says how to install it.
    #[must_use]
    pub fn with_config(config: &serde_json::Value) -> Self {
        Self::launch(config, None)
    }

    /// Starts a server that joins the cluster of another one.
    ///
    /// # Panics
    /// If Alertmanager is not installed; the message says how to install it.
    #[must_use]
    pub fn join(&self, config: &serde_json::Value) -> Self {
        Self::launch(config, Some(self.cluster_port))
    }

    fn launch(config: &serde_json::Value, peer: Option<u16>) -> Self {
        let program = find("prometheus-alertmanager", &[], "prometheus-alertmanager");
        let (port, cluster_port, directory) = (free_port(), free_port(), directory(None));
        // JSON is YAML.
        let file = directory.path().join("alertmanager.yml");
        std::fs::write(&file, config.to_string()).expect("the configuration cannot be written");
        let mut arguments = vec![
            format!("--config.file={}", file.display()),
            format!("--storage.path={}", directory.path().join("data").display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
            format!("--cluster.listen-address=127.0.0.1:{cluster_port}"),
            "--cluster.advertise-address=".to_owned() + &format!("127.0.0.1:{cluster_port}"),
            "--log.level=error".to_owned(),
        ];
        arguments.extend(peer.map(|peer| format!("--cluster.peer=127.0.0.1:{peer}")));
        let process = Server::start(program, arguments, (None, directory), port, "KILL");
        wait_until_ready("Alertmanager", port, READY_TIMEOUT);
        Self { url: format!("http://127.0.0.1:{port}"), cluster_port, _process: process }
    }

    /// URL of the server.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}
