use std::collections::BTreeMap;

use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Created namespaces of workspaces.
pub(super) struct CreatedNamespaces {
    /// Number of creations by workspace.
    pub(super) created: BTreeMap<String, usize>,
    /// Resource version up to which events were received.
    resource_version: String,
}

/// Running watch of the host cluster's namespaces.
pub(super) struct NamespaceWatch {
    stop: oneshot::Sender<()>,
    task: JoinHandle<CreatedNamespaces>,
}

impl NamespaceWatch {
    /// Starts the watch on a host cluster without workspaces.
    pub(super) async fn start(cluster: &str) -> Self {
        let url = format!("{cluster}/sandbox/host/api/v1/namespaces");
        let client = reqwest::Client::builder().build().unwrap();
        let list: Value = client.get(&url).send().await.unwrap().json().await.unwrap();
        let resource_version = list["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
        let mut namespaces = CreatedNamespaces { created: BTreeMap::new(), resource_version };
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            // The API server ends a watch after a while; the next one continues from the last event.
            loop {
                let watch_url = format!("{url}?watch=true&resourceVersion={}", namespaces.resource_version);
                let mut stream = client.get(watch_url).send().await.unwrap().error_for_status().unwrap();
                let mut buffer = Vec::new();
                loop {
                    let bytes = tokio::select! {
                        bytes = stream.chunk() => bytes.unwrap(),
                        _ = &mut stopped => return namespaces,
                    };
                    let Some(bytes) = bytes else { break };
                    buffer.extend_from_slice(&bytes);
                    while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                        let line: Vec<u8> = buffer.drain(..=end).collect();
                        namespaces.record(&line);
                    }
                }
            }
        });
        Self { stop, task }
    }

    pub(super) async fn stop(self) -> CreatedNamespaces {
        self.stop.send(()).unwrap();
        self.task.await.unwrap()
    }
}

impl CreatedNamespaces {
    fn record(&mut self, line: &[u8]) {
        let event: Value = serde_json::from_slice(line).unwrap();
        assert_ne!(event["type"], "ERROR", "{event}");
        let metadata = &event["object"]["metadata"];
        metadata["resourceVersion"].as_str().unwrap().clone_into(&mut self.resource_version);
        let name = metadata["name"].as_str().unwrap_or_default().replace('-', "_");
        if event["type"] == "ADDED" && name.starts_with("ws_") {
            *self.created.entry(name).or_default() += 1;
        }
    }
}
