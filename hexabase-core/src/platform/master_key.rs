use super::PlatformInner;
use super::commit::{MAIL_SEAL_PURPOSE, RESPONSE_SEAL_PURPOSE};
use crate::changeset::Topic;
use crate::error::{Error, Result};
use crate::model::SigningKey;
use crate::name::HostClusterName;
use crate::provisioner::kubeconfig_purpose;
use crate::store::{SealedKind, SealedValue};

/// Number of records per batch.
const BATCH_SIZE: usize = 100;
/// Maximum number of dead letters that are inspected.
const DEAD_LETTERS: usize = 1_000;

/// Rotation of the master key: data that was sealed with an additional key is sealed again with the current one.
#[derive(Debug, Clone, Copy)]
pub struct MasterKeyRotation<'a>(pub(super) &'a PlatformInner);

/// State of the sealed data of one kind, or of a batch of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SealedCounts {
    /// Records in total.
    pub total: u64,
    /// Records that were sealed again with the current key.
    pub resealed: u64,
    /// Records that are sealed with an additional key.
    pub left: u64,
    /// Records that none of the keys opens.
    pub unreadable: u64,
}

/// A batch of records, and the position after it; `None` after the last batch.
type Batch = (SealedCounts, Option<String>);

impl SealedCounts {
    fn add(&mut self, other: Self) {
        self.total += other.total;
        self.resealed += other.resealed;
        self.left += other.left;
        self.unreadable += other.unreadable;
    }
}

impl MasterKeyRotation<'_> {
    /// Counts the sealed data of a kind, and changes nothing.
    ///
    /// # Errors
    /// Errors of the store.
    pub async fn count(&self, kind: SealedKind) -> Result<SealedCounts> {
        self.all_batches(kind, false, |_| {}).await
    }

    /// Seals all data of a kind with the current key, batch by batch; `progress` receives the counts after each. It can
    /// be interrupted and repeated at any time: data is replaced only if it is unchanged, and is readable before and
    /// after.
    ///
    /// # Errors
    /// Errors of the store; a repetition continues.
    pub async fn reseal(&self, kind: SealedKind, progress: impl FnMut(SealedCounts)) -> Result<SealedCounts> {
        self.all_batches(kind, true, progress).await
    }

    /// Counts the undeliverable mails that are sealed with an additional key. They are in the queue, where they cannot
    /// be changed: retrying or deleting them removes them.
    ///
    /// # Errors
    /// Errors of the queue.
    pub async fn dead_letters(&self) -> Result<u64> {
        let letters = self.0.queue.dead_letters(DEAD_LETTERS).await?;
        let is_left = |payload: &[u8]| !self.0.key.is_current(payload);
        let mails =
            letters.iter().map(|letter| &letter.message).filter(|message| message.topic == Topic::Mail);
        Ok(mails.filter(|mail| is_left(&mail.payload)).count() as u64)
    }

    async fn all_batches(
        &self,
        kind: SealedKind,
        reseal: bool,
        mut progress: impl FnMut(SealedCounts),
    ) -> Result<SealedCounts> {
        let (mut counts, mut after) = (SealedCounts::default(), None);
        loop {
            let (batch, next) = self.batch(kind, after, reseal).await?;
            counts.add(batch);
            progress(counts);
            match next {
                Some(position) => after = Some(position),
                None => return Ok(counts),
            }
        }
    }

    async fn batch(&self, kind: SealedKind, after: Option<String>, reseal: bool) -> Result<Batch> {
        let values = self.0.store.list_sealed(kind, after, BATCH_SIZE).await?;
        let mut counts = SealedCounts { total: values.len() as u64, ..SealedCounts::default() };
        for value in &values {
            if self.0.key.is_current(&value.sealed) {
                continue;
            }
            let Ok(plain) = self.0.key.open(&purpose(kind, value)?, &value.sealed) else {
                counts.unreadable += 1;
                continue;
            };
            if !reseal {
                counts.left += 1;
                continue;
            }
            let new = self.0.key.seal(&*self.0.ids, &purpose(kind, value)?, &plain)?;
            // Otherwise the record was deleted or changed in the meantime; a change seals with the current key.
            if self.0.store.replace_sealed(kind, value, new).await? {
                counts.resealed += 1;
            }
        }
        let is_last = values.len() < BATCH_SIZE;
        Ok((counts, values.into_iter().next_back().filter(|_| !is_last).map(|value| value.key)))
    }
}

/// Returns the purpose that data is sealed for.
fn purpose(kind: SealedKind, value: &SealedValue) -> Result<String> {
    Ok(match kind {
        SealedKind::SigningKeys => SigningKey::SEAL_PURPOSE.to_owned(),
        SealedKind::Kubeconfigs => {
            let host = HostClusterName::parse(&value.key);
            kubeconfig_purpose(&host.map_err(|error| Error::unexpected(error.to_string()))?)
        }
        SealedKind::Responses => RESPONSE_SEAL_PURPOSE.to_owned(),
        SealedKind::Mails => MAIL_SEAL_PURPOSE.to_owned(),
    })
}
