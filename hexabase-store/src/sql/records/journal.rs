//! Records that are written once and read later: audit log, live events, outbox messages and stored responses.

use hexabase_core::changeset::{IdempotencyRecord, OutboxMessage, Topic};
use hexabase_core::error::{Error, Result};
use hexabase_core::model::{Actor, AuditEvent, Event, Origin};
use jiff::Timestamp;

use crate::sql::cells::Cells;
use crate::sql::table::{Binder, Stored, Table};

impl Stored for AuditEvent {
    const TABLE: Table = Table {
        name: "audit_events",
        key: &["organization_id", "id"],
        columns: &[
            "actor_user_id",
            "actor_session_id",
            "actor_token_id",
            "action",
            "resource",
            "before",
            "after",
            "address",
            "device",
            "request_id",
            "at",
        ],
    };

    fn bind(&self, row: &mut Binder) -> Result<()> {
        let Actor { user_id, session_id, token_id } = &self.actor;
        row.text(self.organization_id).text(self.id);
        row.text_or_null(*user_id).text_or_null(*session_id).text_or_null(*token_id);
        row.text(&self.action).text(&self.resource).json(&self.before)?.json(&self.after)?;
        row.text_or_null(self.origin.address.as_ref()).text(&self.origin.device);
        row.text(&self.origin.request_id).time(self.at);
        Ok(())
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            organization_id: cells.parse()?,
            id: cells.parse()?,
            actor: Actor {
                user_id: cells.parse_or_null()?,
                session_id: cells.parse_or_null()?,
                token_id: cells.parse_or_null()?,
            },
            action: cells.string()?,
            resource: cells.string()?,
            before: cells.json()?,
            after: cells.json()?,
            origin: Origin {
                address: cells.string_or_null()?,
                device: cells.string()?,
                request_id: cells.string()?,
            },
            at: cells.time()?,
        })
    }
}

impl Stored for Event {
    const TABLE: Table = Table {
        name: "live_events",
        key: &["organization_id", "id"],
        columns: &["workspace_id", "kind", "data", "at"],
    };

    fn bind(&self, row: &mut Binder) -> Result<()> {
        row.text(self.organization_id).text(self.id).text_or_null(self.workspace_id).text(&self.kind);
        row.json(&self.data)?.time(self.at);
        Ok(())
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            organization_id: cells.parse()?,
            id: cells.parse()?,
            workspace_id: cells.parse_or_null()?,
            kind: cells.string()?,
            data: cells.json()?,
            at: cells.time()?,
        })
    }
}

impl Stored for OutboxMessage {
    const TABLE: Table = Table {
        name: "outbox",
        key: &["id"],
        columns: &["topic", "organization_id", "workspace_id", "payload", "trace_parent", "claimed_until"],
    };

    fn bind(&self, row: &mut Binder) -> Result<()> {
        row.text(self.id)
            .text(self.topic.as_str())
            .text(self.organization_id)
            .text_or_null(self.workspace_id);
        // No relay has claimed the message yet.
        row.bytes(&self.payload).text_or_null(self.trace_parent).time(Timestamp::UNIX_EPOCH);
        Ok(())
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            id: cells.parse()?,
            topic: Topic::parse(cells.text()?)
                .ok_or_else(|| Error::unexpected("outbox message has an unknown topic"))?,
            organization_id: cells.parse()?,
            workspace_id: cells.parse_or_null()?,
            payload: cells.bytes()?,
            trace_parent: cells.parse_or_null()?,
        })
    }
}

impl Stored for IdempotencyRecord {
    const TABLE: Table = Table {
        name: "idempotency",
        key: &["user_id", "key"],
        columns: &["fingerprint", "response", "created_at", "expires_at"],
    };

    fn bind(&self, row: &mut Binder) -> Result<()> {
        row.text(self.user_id).text(&self.key).text(self.fingerprint).bytes(&self.response);
        row.time(self.created_at).time(self.expires_at);
        Ok(())
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            user_id: cells.parse()?,
            key: cells.string()?,
            fingerprint: cells.parse()?,
            response: cells.bytes()?,
            created_at: cells.time()?,
            expires_at: cells.time()?,
        })
    }
}
