use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use super::seeded_random::SeededRandom;
use super::tenant::ApiClient;
use crate::installation::Installation;
use crate::process::Process;

const API_COUNT: usize = 2;
const WORKER_COUNT: usize = 3;
/// Duration of a paused worker, longer than its leases last.
const WORKER_PAUSE: Duration = Duration::from_secs(12);

/// Injected fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    KillApi,
    KillWorker,
    PauseWorker,
    RestartPostgres,
    CrashPostgres,
    StopRedis,
    StopNats,
}

const ALL: [Fault; 7] = [
    Fault::KillApi,
    Fault::KillWorker,
    Fault::PauseWorker,
    Fault::RestartPostgres,
    Fault::CrashPostgres,
    Fault::StopRedis,
    Fault::StopNats,
];

/// Installation with its running API processes and workers.
pub(super) struct RunningInstallation {
    installation: Installation,
    apis: Vec<Process>,
    workers: Vec<Process>,
    /// URLs of the API processes; a restarted process has another one.
    urls: Arc<RwLock<Vec<String>>>,
}

impl RunningInstallation {
    pub(super) async fn start(installation: Installation) -> Self {
        let (mut apis, mut workers) = (Vec::new(), Vec::new());
        for number in 0..API_COUNT {
            apis.push(installation.start(&format!("api-{number}"), "api").await);
        }
        for number in 0..WORKER_COUNT {
            workers.push(installation.start(&format!("worker-{number}"), "worker").await);
        }
        let urls = Arc::new(RwLock::new(apis.iter().map(|api| api.url.clone()).collect()));
        Self { installation, apis, workers, urls }
    }

    /// Returns a client that uses any running API process.
    pub(super) fn api_client(&self) -> ApiClient {
        ApiClient::new(self.urls.clone())
    }

    /// Injects one fault after another until `work` is done, in rounds with each fault once.
    pub(super) async fn inject_faults_during<T>(
        mut self,
        work: impl Future<Output = T>,
        mut random: SeededRandom,
        outage: Duration,
    ) -> (T, (Self, BTreeMap<Fault, usize>)) {
        let done = Arc::new(tokio::sync::Notify::new());
        let finished = {
            let done = done.clone();
            async move {
                let output = work.await;
                done.notify_one();
                output
            }
        };
        let injection = async move {
            let mut counts = BTreeMap::new();
            loop {
                let mut round = ALL;
                random.shuffle(&mut round);
                for fault in round {
                    let pause = Duration::from_millis(300 + 100 * random.below(10) as u64);
                    if tokio::time::timeout(pause, done.notified()).await.is_ok() {
                        return (self, counts);
                    }
                    println!("… {fault:?}");
                    self.inject(fault, &mut random, outage).await;
                    *counts.entry(fault).or_default() += 1;
                }
            }
        };
        tokio::join!(finished, injection)
    }

    async fn inject(&mut self, fault: Fault, random: &mut SeededRandom, outage: Duration) {
        let Self { installation, apis, workers, urls } = self;
        match fault {
            Fault::KillApi => {
                let number = random.below(API_COUNT);
                let url = replace(installation, apis, number, "api").await;
                urls.write().unwrap()[number] = url;
            }
            Fault::KillWorker => {
                replace(installation, workers, random.below(WORKER_COUNT), "worker").await;
            }
            Fault::PauseWorker => {
                let worker = &workers[random.below(WORKER_COUNT)];
                worker.signal("STOP");
                tokio::time::sleep(WORKER_PAUSE).await;
                worker.signal("CONT");
            }
            Fault::RestartPostgres | Fault::CrashPostgres => {
                installation.postgres.stop(fault == Fault::RestartPostgres);
                tokio::time::sleep(outage / 4).await;
                installation.postgres.resume();
            }
            Fault::StopRedis => {
                installation.redis.stop();
                tokio::time::sleep(outage).await;
                installation.redis.resume();
            }
            Fault::StopNats => {
                installation.nats.stop();
                tokio::time::sleep(outage).await;
                installation.nats.resume();
            }
        }
    }

    /// Waits until every process is ready.
    pub(super) async fn wait_until_ready(&mut self) {
        for process in self.apis.iter().chain(&self.workers) {
            while process.client().status("/readyz").await != 200 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// Returns the numbers of messages in the outbox and in the queue, by metric.
    pub(super) async fn pending_messages(&self) -> Vec<(String, f64)> {
        let text = self.apis[0].client().text("/metrics").await;
        let names = ["hexabase_outbox_messages", "hexabase_queue_messages"];
        let value = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name))?;
            Some((name.to_owned(), line.rsplit(' ').next()?.parse().ok()?))
        };
        let values: Vec<_> = names.iter().filter_map(|name| value(name)).collect();
        assert_eq!(values.len(), names.len(), "{text}");
        values
    }

    /// Returns the text of all sent mails.
    pub(super) fn sent_mail(&self) -> String {
        let folder = self.installation.folder.path().join("mail");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        files.map(|file| std::fs::read_to_string(file).unwrap()).collect()
    }

    pub(super) fn admin(&self, arguments: &[&str]) -> String {
        self.installation.run(&[&["admin"], arguments].concat())
    }

    /// Returns the workspaces that have a namespace on the host cluster.
    pub(super) async fn workspaces_on_host(&self) -> BTreeSet<String> {
        let all = self.installation.cluster.client().get("/sandbox/host/api/v1/namespaces").await;
        let names = all["items"].as_array().unwrap().iter();
        let names = names.map(|item| item["metadata"]["name"].as_str().unwrap().replace('-', "_"));
        names.filter(|name| name.starts_with("ws_")).collect()
    }
}

/// Kills a process and starts another one in its place; returns the URL of the new process.
async fn replace(
    installation: &Installation,
    processes: &mut Vec<Process>,
    number: usize,
    command: &str,
) -> String {
    processes.remove(number).kill();
    let started = installation.start(&format!("{command}-{number}"), command).await;
    let url = started.url.clone();
    processes.insert(number, started);
    url
}
