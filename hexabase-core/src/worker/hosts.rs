use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{AbortHandle, abortable, join_all};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _, pin_mut, select_biased};
use tracing::Instrument as _;

use super::Halt;
use super::moves::Moves;
use crate::changeset::Changeset;
use crate::error::Result;
use crate::model::{HostHealth, HostState, RegisteredHost};
use crate::name::HostClusterName;
use crate::platform::Parts;
use crate::provisioner::ClusterProvisioner;

/// How often to see which hosts are registered, and to ask them how they are: so long may a worker go on with what leads
/// nowhere any more.
const EVERY: Duration = Duration::from_secs(10);
/// The longest message that is kept of a host that does not answer.
const LONGEST: usize = 300;

/// Keeps up with the host clusters: which there are, what moves on them, and how they are.
#[derive(Debug)]
pub struct HostKeeper<'a>(&'a Parts);

impl<'a> HostKeeper<'a> {
    /// A keeper of the hosts of this platform.
    #[must_use]
    pub const fn new(parts: &'a Parts) -> Self {
        Self(parts)
    }

    pub(super) async fn run(&self, halt: &Halt) {
        let moves = Moves::new(self.0);
        let (kept, told) = (self.keep_up(&moves, halt).fuse(), moves.tell(self.0).fuse());
        pin_mut!(kept, told);
        select_biased! {
            () = told => {}
            () = kept => {}
        }
    }

    async fn keep_up(&self, moves: &Moves, halt: &Halt) {
        let mut watched: BTreeMap<HostClusterName, (Arc<dyn ClusterProvisioner>, AbortHandle)> =
            BTreeMap::new();
        let mut watching = FuturesUnordered::new();
        while !halt.is_set() {
            // A host that does not answer holds up neither what is heard of the others nor whoever wants to stop.
            meanwhile(&mut watching, self.keep_unless(halt)).await;
            let now = self.0.fleet.all();
            watched.retain(|name, (provisioner, handle)| {
                let stays = now.get(name).is_some_and(|current| Arc::ptr_eq(current, provisioner));
                if !stays {
                    handle.abort();
                }
                stays
            });
            for (name, provisioner) in now {
                watched.entry(name.clone()).or_insert_with(|| {
                    let watched = provisioner.clone();
                    let span = tracing::info_span!("host", %name);
                    let watch = async move { watched.watch(&|target| moves.note(target)).await };
                    let (watch, handle) = abortable(watch.instrument(span));
                    watching.push(watch);
                    (provisioner, handle)
                });
            }
            meanwhile(&mut watching, halt.nap(self.0, EVERY)).await;
        }
    }

    async fn keep_unless(&self, halt: &Halt) {
        let (kept, halted) = (self.keep().fuse(), halt.wait().fuse());
        pin_mut!(kept, halted);
        select_biased! {
            () = halted => {}
            kept = kept => if let Err(error) = kept {
                tracing::warn!(%error, "the host clusters could not be looked after");
            }
        }
    }

    /// Takes in which hosts are registered, and notes how they are unless somebody else does.
    ///
    /// # Errors
    /// Whatever the store fails with.
    pub async fn keep(&self) -> Result<()> {
        let hosts = self.0.follow_hosts().await?;
        if hosts.is_empty() {
            return Ok(());
        }
        self.0.with_lease("hosts", |_| self.ask_all(hosts)).await.map(drop)
    }

    async fn ask_all(&self, hosts: Vec<RegisteredHost>) -> Result<()> {
        let asked = hosts.into_iter().map(|registered| async move {
            let name = registered.host.name.clone();
            let (state, message) = match self.ask(&name).await {
                Ok(()) => (HostState::Healthy, String::new()),
                Err(error) => (HostState::Unreachable, error.to_string().chars().take(LONGEST).collect()),
            };
            let before = &registered.health;
            if before.state == state && before.message == message {
                return;
            }
            tracing::info!(host = %name, %state, message, "a host cluster changed");
            let now = self.0.now();
            let since = if before.state == state { before.since } else { now };
            let mut registered = registered;
            registered.health = HostHealth { state, message, since };
            // Whoever changes it at the same moment comes first; it is asked again soon.
            if let Err(error) = self.0.commit(Changeset::new().host(registered, now)).await {
                tracing::debug!(host = %name, %error, "how a host cluster is was not noted");
            }
        });
        join_all(asked).await;
        Ok(())
    }

    async fn ask(&self, name: &HostClusterName) -> Result<()> {
        self.0.provisioner(name).await?.ping().await
    }
}

/// Does something, and goes on with these until it is done.
async fn meanwhile<F: Future>(others: &mut FuturesUnordered<F>, work: impl Future<Output = ()>) {
    let work = work.fuse();
    pin_mut!(work);
    loop {
        select_biased! {
            () = work => return,
            _ = others.select_next_some() => {}
        }
    }
}
