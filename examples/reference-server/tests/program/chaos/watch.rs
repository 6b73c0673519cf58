use std::collections::BTreeMap;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Watches the host cluster, and counts how often each workspace's namespace was made.
pub(super) struct Watch {
    pub(super) created: BTreeMap<String, usize>,
}

pub(super) struct Watching {
    end: oneshot::Sender<()>,
    watching: JoinHandle<Watch>,
}

impl Watch {
    pub(super) async fn start(cluster: &str) -> Watching {
        let url = format!("{cluster}/sandbox/host/api/v1/namespaces?watch=true");
        let client = reqwest::Client::builder().build().unwrap();
        let mut stream = client.get(url).send().await.unwrap().error_for_status().unwrap();
        let (end, mut ended) = oneshot::channel();
        let watching = tokio::spawn(async move {
            let (mut watch, mut rest) = (Self { created: BTreeMap::new() }, Vec::new());
            loop {
                let bytes = tokio::select! {
                    bytes = stream.chunk() => bytes.unwrap().expect("the cluster goes on"),
                    _ = &mut ended => return watch,
                };
                rest.extend_from_slice(&bytes);
                while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = rest.drain(..=end).collect();
                    watch.see(&line);
                }
            }
        });
        Watching { end, watching }
    }

    fn see(&mut self, line: &[u8]) {
        let event: serde_json::Value = serde_json::from_slice(line).unwrap();
        assert_ne!(event["type"], "ERROR", "{event}");
        let name = event["object"]["metadata"]["name"].as_str().unwrap_or_default().replace('-', "_");
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
