-- What organizations owe: of each organization its own, and of all of them what a worker needs to find them.
CREATE TABLE billing_accounts (
    organization_id text COLLATE "C" NOT NULL PRIMARY KEY REFERENCES organizations (id) ON DELETE CASCADE,
    customer_id text COLLATE "C",
    ordered json NOT NULL,
    refusal json NOT NULL,
    subscription json NOT NULL,
    standing json NOT NULL,
    look_at timestamptz,
    looked_at timestamptz,
    failures bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    version bigint NOT NULL
);
CREATE INDEX billing_accounts_due ON billing_accounts (look_at) WHERE look_at IS NOT NULL;
CREATE INDEX billing_accounts_by_customer ON billing_accounts (customer_id) WHERE customer_id IS NOT NULL;
GRANT SELECT, INSERT, UPDATE, DELETE ON billing_accounts TO hexabase_app;
ALTER TABLE billing_accounts ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_organization ON billing_accounts
    USING (organization_id = current_setting('hexabase.organization_id', true));
CREATE VIEW billing_schedule AS SELECT organization_id, customer_id, look_at FROM billing_accounts;
GRANT SELECT ON billing_schedule TO hexabase_app;

-- Names of what the billing provider told, so that it is dealt with once. They say nothing of anybody.
CREATE TABLE webhook_events (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    kind text NOT NULL,
    received_at timestamptz NOT NULL
);
CREATE INDEX webhook_events_by_age ON webhook_events (received_at);
GRANT SELECT, INSERT, DELETE ON webhook_events TO hexabase_app;

-- Why a workspace sleeps although it should run. Programs that do not know of it leave it alone.
ALTER TABLE workspaces ADD COLUMN held text;
