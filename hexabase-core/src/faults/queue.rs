use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::FaultPlan;
use crate::changeset::OutboxMessage;
use crate::error::Result;
use crate::id::MessageId;
use crate::queue::{DeadLetter, Delivery, DeliveryPolicy, TaskQueue};

/// A task queue with fault injection for every operation of the workers.
#[derive(Debug)]
pub struct FaultyQueue {
    inner: Arc<dyn TaskQueue>,
    plan: FaultPlan,
}

impl FaultyQueue {
    /// Wraps this queue under a fault plan.
    #[must_use]
    pub fn new(inner: Arc<dyn TaskQueue>, plan: FaultPlan) -> Self {
        Self { inner, plan }
    }
}

#[async_trait]
impl TaskQueue for FaultyQueue {
    async fn publish(&self, message: &OutboxMessage, delay: Duration) -> Result<()> {
        self.plan.pass(self.inner.publish(message, delay)).await
    }

    async fn receive(&self, limit: usize, max_wait: Duration) -> Result<Vec<Delivery>> {
        self.plan.pass(self.inner.receive(limit, max_wait)).await
    }

    async fn ack(&self, delivery: &Delivery) -> Result<()> {
        self.plan.pass(self.inner.ack(delivery)).await
    }

    async fn nack(&self, delivery: &Delivery, delay: Duration, reason: &str) -> Result<()> {
        self.plan.pass(self.inner.nack(delivery, delay, reason)).await
    }

    async fn dead_letter(&self, delivery: &Delivery, reason: &str) -> Result<()> {
        self.plan.pass(self.inner.dead_letter(delivery, reason)).await
    }

    async fn extend_visibility(&self, delivery: &Delivery) -> Result<()> {
        self.plan.pass(self.inner.extend_visibility(delivery)).await
    }

    fn delivery_policy(&self) -> DeliveryPolicy {
        self.inner.delivery_policy()
    }

    async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>> {
        self.inner.dead_letters(limit).await
    }

    async fn retry_dead_letter(&self, id: MessageId) -> Result<bool> {
        self.plan.pass(self.inner.retry_dead_letter(id)).await
    }

    async fn depth(&self) -> Result<u64> {
        self.inner.depth().await
    }

    async fn oldest(&self) -> Result<Option<Timestamp>> {
        self.inner.oldest().await
    }

    async fn count_dead_letters(&self) -> Result<u64> {
        self.inner.count_dead_letters().await
    }
}
