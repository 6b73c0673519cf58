use std::collections::BTreeMap;

use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Watches the host cluster, and counts how often each workspace's namespace was made.
pub(super) struct Watch {
    pub(super) created: BTreeMap<String, usize>,
    /// Up to where everything was seen.
    seen: String,
}

pub(super) struct Watching {
    end: oneshot::Sender<()>,
    watching: JoinHandle<Watch>,
}

impl Watch {
    /// Begins before there is anything.
    pub(super) async fn start(cluster: &str) -> Watching {
        let url = format!("{cluster}/sandbox/host/api/v1/namespaces");
        let client = reqwest::Client::builder().build().unwrap();
        let list: Value = client.get(&url).send().await.unwrap().json().await.unwrap();
        let seen = list["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
        let mut watch = Self { created: BTreeMap::new(), seen };
        let (end, mut ended) = oneshot::channel();
        let watching = tokio::spawn(async move {
            // A watch ends after a while, and goes on where it ended.
            loop {
                let from = format!("{url}?watch=true&resourceVersion={}", watch.seen);
                let mut stream = client.get(from).send().await.unwrap().error_for_status().unwrap();
                let mut rest = Vec::new();
                loop {
                    let bytes = tokio::select! {
                        bytes = stream.chunk() => bytes.unwrap(),
                        _ = &mut ended => return watch,
                    };
                    let Some(bytes) = bytes else { break };
                    rest.extend_from_slice(&bytes);
                    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                        let line: Vec<u8> = rest.drain(..=end).collect();
                        watch.see(&line);
                    }
                }
            }
        });
        Watching { end, watching }
    }

    fn see(&mut self, line: &[u8]) {
        let event: Value = serde_json::from_slice(line).unwrap();
        assert_ne!(event["type"], "ERROR", "{event}");
        let about = &event["object"]["metadata"];
        about["resourceVersion"].as_str().unwrap().clone_into(&mut self.seen);
        let name = about["name"].as_str().unwrap_or_default().replace('-', "_");
        if event["type"] == "ADDED" && name.starts_with("ws_") {
            *self.created.entry(name).or_default() += 1;
        }
    }
}

impl Watching {
    pub(super) async fn stop(self) -> Watch {
        self.end.send(()).unwrap();
        self.watching.await.unwrap()
    }
}
