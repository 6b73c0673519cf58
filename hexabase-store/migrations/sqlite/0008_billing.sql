CREATE TABLE billing_accounts (
    organization_id TEXT NOT NULL PRIMARY KEY REFERENCES organizations (id) ON DELETE CASCADE,
    customer_id TEXT,
    ordered TEXT NOT NULL,
    refusal TEXT NOT NULL,
    subscription TEXT NOT NULL,
    standing TEXT NOT NULL,
    look_at INTEGER,
    looked_at INTEGER,
    failures INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX billing_accounts_due ON billing_accounts (look_at) WHERE look_at IS NOT NULL;
CREATE INDEX billing_accounts_by_customer ON billing_accounts (customer_id) WHERE customer_id IS NOT NULL;

CREATE TABLE webhook_events (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    heard_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX webhook_events_by_age ON webhook_events (received_at);
CREATE INDEX webhook_events_unheard ON webhook_events (received_at, id) WHERE heard_at IS NULL;

ALTER TABLE workspaces ADD COLUMN held TEXT;
