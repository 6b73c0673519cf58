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

-- What the billing provider told: of whom and what about, and no more than that. Whose it is is known once somebody has
-- looked, so that it belongs to no organization.
CREATE TABLE webhook_events (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    kind text NOT NULL,
    customer_id text COLLATE "C" NOT NULL,
    received_at timestamptz NOT NULL,
    heard_at timestamptz
);
CREATE INDEX webhook_events_by_age ON webhook_events (received_at);
CREATE INDEX webhook_events_unheard ON webhook_events (received_at, id) WHERE heard_at IS NULL;
GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_events TO hexabase_app;

-- Why a workspace sleeps although it should run. Programs that do not know of it leave it alone.
ALTER TABLE workspaces ADD COLUMN held text;
