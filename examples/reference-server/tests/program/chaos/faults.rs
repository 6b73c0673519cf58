use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use super::dice::Dice;
use super::tenant::Entry;
use crate::installation::Installation;
use crate::process::Process;

const APIS: usize = 2;
const WORKERS: usize = 3;
/// Longer than a worker's lease lasts.
const PAUSE: Duration = Duration::from_secs(12);

/// What can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    KillApi,
    KillWorker,
    PauseWorker,
    RestartPostgres,
    CrashPostgres,
    RedisAway,
    NatsAway,
}

const ALL: [Fault; 7] = [
    Fault::KillApi,
    Fault::KillWorker,
    Fault::PauseWorker,
    Fault::RestartPostgres,
    Fault::CrashPostgres,
    Fault::RedisAway,
    Fault::NatsAway,
];

/// An installation with all its replicas.
pub(super) struct Machinery {
    installation: Installation,
    apis: Vec<Process>,
    workers: Vec<Process>,
    /// Where the API is reached; it moves when a replica is started anew.
    urls: Arc<RwLock<Vec<String>>>,
}

impl Machinery {
    pub(super) async fn start(installation: Installation) -> Self {
        let (mut apis, mut workers) = (Vec::new(), Vec::new());
        for number in 0..APIS {
            apis.push(installation.start(&format!("api-{number}"), "api").await);
        }
        for number in 0..WORKERS {
            workers.push(installation.start(&format!("worker-{number}"), "worker").await);
        }
        let urls = Arc::new(RwLock::new(apis.iter().map(|api| api.url.clone()).collect()));
        Self { installation, apis, workers, urls }
    }

    /// The way in, whichever replicas are there.
    pub(super) fn entry(&self) -> Entry {
        Entry::new(self.urls.clone())
    }

    /// Breaks one thing after another, in rounds in which each has its turn, until `work` is done.
    pub(super) async fn break_while<T>(
        mut self,
        work: impl Future<Output = T>,
        mut dice: Dice,
        outage: Duration,
    ) -> (T, (Self, BTreeMap<Fault, usize>)) {
        let done = Arc::new(tokio::sync::Notify::new());
        let finished = {
            let done = done.clone();
            async move {
                let outcome = work.await;
                done.notify_one();
                outcome
            }
        };
        let breaking = async move {
            let mut counts = BTreeMap::new();
            loop {
                let mut round = ALL;
                dice.shuffle(&mut round);
                for fault in round {
                    let breath = Duration::from_millis(300 + 100 * dice.below(10) as u64);
                    if tokio::time::timeout(breath, done.notified()).await.is_ok() {
                        return (self, counts);
                    }
                    println!("… {fault:?}");
                    self.suffer(fault, &mut dice, outage).await;
                    *counts.entry(fault).or_default() += 1;
                }
            }
        };
        tokio::join!(finished, breaking)
    }

    async fn suffer(&mut self, fault: Fault, dice: &mut Dice, outage: Duration) {
        let Self { installation, apis, workers, urls } = self;
        match fault {
            Fault::KillApi => {
                let number = dice.below(APIS);
                let fresh = replace(installation, apis, number, "api").await;
                urls.write().unwrap()[number] = fresh;
            }
            Fault::KillWorker => {
                replace(installation, workers, dice.below(WORKERS), "worker").await;
            }
            Fault::PauseWorker => {
                let worker = &workers[dice.below(WORKERS)];
                worker.signal("STOP");
                tokio::time::sleep(PAUSE).await;
                worker.signal("CONT");
            }
            Fault::RestartPostgres | Fault::CrashPostgres => {
                installation.postgres.stop(fault == Fault::RestartPostgres);
                tokio::time::sleep(outage / 4).await;
                installation.postgres.resume();
            }
            Fault::RedisAway => {
                installation.redis.stop();
                tokio::time::sleep(outage).await;
                installation.redis.resume();
            }
            Fault::NatsAway => {
                installation.nats.stop();
                tokio::time::sleep(outage).await;
                installation.nats.resume();
            }
        }
    }

    /// Waits until every replica finds everything well.
    pub(super) async fn heal(&mut self) {
        for process in self.apis.iter().chain(&self.workers) {
            while process.client().status("/readyz").await != 200 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// How many messages wait, and where.
    pub(super) async fn figures(&self) -> Vec<(String, f64)> {
        let text = self.apis[0].client().text("/metrics").await;
        let names = ["hexabase_outbox_messages", "hexabase_queue_messages"];
        let figure = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name))?;
            Some((name.to_owned(), line.rsplit(' ').next()?.parse().ok()?))
        };
        let figures: Vec<_> = names.iter().filter_map(|name| figure(name)).collect();
        assert_eq!(figures.len(), names.len(), "{text}");
        figures
    }

    /// Whom mail was sent to.
    pub(super) fn mailed(&self) -> String {
        let folder = self.installation.folder.path().join("mail");
        let letters = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        letters.map(|letter| std::fs::read_to_string(letter).unwrap()).collect()
    }

    pub(super) fn admin(&self, arguments: &[&str]) -> String {
        self.installation.run(&[&["admin"], arguments].concat())
    }

    /// The workspaces that the host knows.
    pub(super) async fn namespaces(&self) -> BTreeSet<String> {
        let all = self.installation.cluster.client().get("/sandbox/host/api/v1/namespaces").await;
        let names = all["items"].as_array().unwrap().iter();
        let names = names.map(|item| item["metadata"]["name"].as_str().unwrap().replace('-', "_"));
        names.filter(|name| name.starts_with("ws_")).collect()
    }
}

/// Kills a process as a power cut would, and starts another in its place.
async fn replace(
    installation: &Installation,
    processes: &mut Vec<Process>,
    number: usize,
    command: &str,
) -> String {
    processes.remove(number).kill();
    let fresh = installation.start(&format!("{command}-{number}"), command).await;
    let url = fresh.url.clone();
    processes.insert(number, fresh);
    url
}
