-- Schema of the PostgreSQL store, with its row-level security.
--
-- In tables that belong to an organization, every key and index starts with organization_id: rows of one tenant are
-- stored together, and a statement that names an organization cannot reach another one.
-- Ids are compared byte by byte (COLLATE "C"), so that their order is the order of creation in any database locale.
-- JSON columns are read as a whole and never searched.

CREATE TABLE users (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    kind text NOT NULL,
    email text UNIQUE,
    name text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    version bigint NOT NULL,
    -- Name and e-mail address in lower case, for searches.
    search_text text COLLATE "C" NOT NULL
);

CREATE TABLE identities (
    provider text NOT NULL,
    subject text NOT NULL,
    user_id text COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    email text,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (provider, subject)
);
CREATE INDEX identities_of_user ON identities (user_id);

CREATE TABLE sessions (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    user_id text COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    parent_id text COLLATE "C",
    provider text NOT NULL,
    refresh_hash text,
    cookie_hash text,
    grant_to_client json NOT NULL,
    device text NOT NULL,
    address text,
    authenticated_at timestamptz,
    created_at timestamptz NOT NULL,
    used_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    version bigint NOT NULL
);
CREATE INDEX sessions_of_user ON sessions (user_id, id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
CREATE INDEX sessions_revoked ON sessions (revoked_at) WHERE revoked_at IS NOT NULL;

CREATE TABLE spent_refresh_tokens (
    session_id text COLLATE "C" NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    hash text NOT NULL,
    spent_at timestamptz NOT NULL,
    PRIMARY KEY (session_id, hash)
);

CREATE TABLE api_tokens (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    user_id text COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    organization_id text COLLATE "C",
    name text NOT NULL,
    scopes json NOT NULL,
    hash text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    used_at timestamptz
);
CREATE INDEX api_tokens_of_user ON api_tokens (user_id, id);

CREATE TABLE security_events (
    user_id text COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    id text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    session_id text COLLATE "C",
    address text,
    device text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (user_id, id)
);
CREATE INDEX security_events_by_age ON security_events (at);

CREATE TABLE signing_keys (
    kid text COLLATE "C" NOT NULL PRIMARY KEY,
    algorithm text NOT NULL,
    public_jwk json NOT NULL,
    sealed_private bytea NOT NULL,
    created_at timestamptz NOT NULL,
    retires_at timestamptz
);

CREATE TABLE organizations (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    name text NOT NULL UNIQUE,
    display_name text NOT NULL,
    personal boolean NOT NULL,
    plan_id text COLLATE "C" NOT NULL,
    deletion_requested_at timestamptz,
    suspension json NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    version bigint NOT NULL,
    -- Id, name and display name in lower case, for searches.
    search_text text COLLATE "C" NOT NULL
);
CREATE INDEX organizations_by_creator ON organizations (created_by);

CREATE TABLE members (
    organization_id text COLLATE "C" NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    user_id text COLLATE "C" NOT NULL,
    role text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (organization_id, user_id)
);
CREATE INDEX members_by_user ON members (user_id, organization_id);

CREATE TABLE invitations (
    organization_id text COLLATE "C" NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    id text COLLATE "C" NOT NULL,
    email text NOT NULL,
    role text NOT NULL,
    hash text NOT NULL,
    invited_by text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id)
);
-- A user who signs in is shown the invitations of their address.
CREATE INDEX invitations_by_email ON invitations (email);

CREATE TABLE service_accounts (
    organization_id text COLLATE "C" NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    id text COLLATE "C" NOT NULL,
    name text NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, name)
);

CREATE TABLE inventories (
    organization_id text COLLATE "C" NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    name text COLLATE "C" NOT NULL,
    objects json NOT NULL,
    updated_by text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (organization_id, name)
);

CREATE TABLE workspaces (
    organization_id text COLLATE "C" NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    id text COLLATE "C" NOT NULL,
    name text NOT NULL,
    display_name text,
    plan_id text COLLATE "C" NOT NULL,
    region text,
    kubernetes_version text NOT NULL,
    power text NOT NULL,
    suspension_reason text,
    organization_suspended boolean NOT NULL,
    node_pools json NOT NULL,
    gitops json NOT NULL,
    access_revocations json NOT NULL,
    retired_group_names json NOT NULL,
    deletion_requested_at timestamptz,
    host_cluster text NOT NULL,
    generation bigint NOT NULL,
    access_version bigint NOT NULL,
    status json NOT NULL,
    reconcile_at timestamptz,
    created_by text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    version bigint NOT NULL,
    phase text NOT NULL,
    -- Start of a phase in which work continues, for the metrics of the platform.
    unconverged_since timestamptz,
    -- Name and display name in lower case, for searches.
    search_text text COLLATE "C" NOT NULL,
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, name)
);
CREATE INDEX workspaces_due ON workspaces (reconcile_at) WHERE reconcile_at IS NOT NULL;
CREATE INDEX workspaces_on_host ON workspaces (host_cluster, phase, unconverged_since);
-- Tokens of tenant clusters name the workspace alone.
CREATE INDEX workspaces_by_id ON workspaces (id);

CREATE TABLE workspace_groups (
    organization_id text COLLATE "C" NOT NULL,
    workspace_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    name text NOT NULL,
    parent_id text COLLATE "C",
    preset text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    version bigint NOT NULL,
    -- Name in lower case, for searches.
    search_text text COLLATE "C" NOT NULL,
    PRIMARY KEY (organization_id, workspace_id, id),
    UNIQUE (organization_id, workspace_id, name),
    FOREIGN KEY (organization_id, workspace_id) REFERENCES workspaces (organization_id, id) ON DELETE CASCADE,
    FOREIGN KEY (organization_id, workspace_id, parent_id)
        REFERENCES workspace_groups (organization_id, workspace_id, id)
);
CREATE INDEX workspace_groups_by_parent ON workspace_groups (organization_id, workspace_id, parent_id);

CREATE TABLE group_members (
    organization_id text COLLATE "C" NOT NULL,
    workspace_id text COLLATE "C" NOT NULL,
    group_id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    added_by text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, workspace_id, group_id, user_id),
    FOREIGN KEY (organization_id, workspace_id, group_id)
        REFERENCES workspace_groups (organization_id, workspace_id, id) ON DELETE CASCADE
);
CREATE INDEX group_members_by_user ON group_members (organization_id, user_id, workspace_id, group_id);
CREATE INDEX group_members_of_workspace ON group_members (organization_id, workspace_id, user_id);

CREATE TABLE projects (
    organization_id text COLLATE "C" NOT NULL,
    workspace_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    name text NOT NULL,
    display_name text,
    parent_id text COLLATE "C",
    quota json NOT NULL,
    generation bigint NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    version bigint NOT NULL,
    -- Name and display name in lower case, for searches.
    search_text text COLLATE "C" NOT NULL,
    PRIMARY KEY (organization_id, workspace_id, id),
    UNIQUE (organization_id, workspace_id, name),
    FOREIGN KEY (organization_id, workspace_id) REFERENCES workspaces (organization_id, id) ON DELETE CASCADE,
    FOREIGN KEY (organization_id, workspace_id, parent_id)
        REFERENCES projects (organization_id, workspace_id, id)
);
CREATE INDEX projects_by_parent ON projects (organization_id, workspace_id, parent_id);

CREATE TABLE project_roles (
    organization_id text COLLATE "C" NOT NULL,
    workspace_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    project_id text COLLATE "C" NOT NULL,
    name text NOT NULL,
    rules json NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (organization_id, workspace_id, id),
    UNIQUE (organization_id, workspace_id, project_id, name),
    FOREIGN KEY (organization_id, workspace_id, project_id)
        REFERENCES projects (organization_id, workspace_id, id) ON DELETE CASCADE
);

CREATE TABLE role_assignments (
    organization_id text COLLATE "C" NOT NULL,
    workspace_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    project_id text COLLATE "C",
    group_id text COLLATE "C" NOT NULL,
    role text NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, workspace_id, id),
    FOREIGN KEY (organization_id, workspace_id, group_id)
        REFERENCES workspace_groups (organization_id, workspace_id, id) ON DELETE CASCADE,
    FOREIGN KEY (organization_id, workspace_id, project_id)
        REFERENCES projects (organization_id, workspace_id, id) ON DELETE CASCADE
);
-- A group has a role at most once per scope: a project, or the workspace (no project).
CREATE UNIQUE INDEX role_assignments_unique
    ON role_assignments (organization_id, workspace_id, COALESCE(project_id, ''), group_id, role);
CREATE INDEX role_assignments_by_group ON role_assignments (organization_id, workspace_id, group_id);
CREATE INDEX role_assignments_by_project ON role_assignments (organization_id, workspace_id, project_id);

CREATE TABLE alert_rules (
    organization_id text COLLATE "C" NOT NULL,
    workspace_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    project_id text COLLATE "C",
    name text NOT NULL,
    condition json NOT NULL,
    severity text NOT NULL,
    notify json NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (organization_id, workspace_id, id),
    UNIQUE (organization_id, workspace_id, name),
    FOREIGN KEY (organization_id, workspace_id) REFERENCES workspaces (organization_id, id) ON DELETE CASCADE,
    FOREIGN KEY (organization_id, workspace_id, project_id)
        REFERENCES projects (organization_id, workspace_id, id) ON DELETE CASCADE
);
CREATE INDEX alert_rules_by_project ON alert_rules (organization_id, workspace_id, project_id);
-- The conditions of all workspaces are exported in the order of their ids.
CREATE INDEX alert_rules_by_id ON alert_rules (id);

CREATE TABLE tasks (
    organization_id text COLLATE "C" NOT NULL,
    workspace_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    state text NOT NULL,
    generation bigint NOT NULL,
    steps json NOT NULL,
    attempts bigint NOT NULL,
    last_error text NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    finished_at timestamptz,
    version bigint NOT NULL,
    PRIMARY KEY (organization_id, workspace_id, id),
    FOREIGN KEY (organization_id, workspace_id) REFERENCES workspaces (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX tasks_open ON tasks (organization_id, workspace_id, id) WHERE finished_at IS NULL;
CREATE INDEX tasks_by_age ON tasks (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE live_events (
    organization_id text COLLATE "C" NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    id text COLLATE "C" NOT NULL,
    workspace_id text COLLATE "C",
    kind text NOT NULL,
    data json NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id)
);
CREATE INDEX live_events_by_age ON live_events (at);

-- Audit events outlive the objects that they describe: no foreign keys.
CREATE TABLE audit_events (
    organization_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    actor_user_id text COLLATE "C",
    actor_session_id text COLLATE "C",
    actor_token_id text COLLATE "C",
    action text NOT NULL,
    resource text NOT NULL,
    before json NOT NULL,
    after json NOT NULL,
    address text,
    device text NOT NULL,
    request_id text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, at, id)
);
-- One index per filter. Each ends with the order of the list, so that a page is read from it without sorting.
CREATE INDEX audit_events_by_actor ON audit_events (organization_id, actor_user_id, at, id);
CREATE INDEX audit_events_by_action ON audit_events (organization_id, action, at, id);
CREATE INDEX audit_events_by_resource ON audit_events (organization_id, resource, at, id);
CREATE INDEX audit_events_by_age ON audit_events (at);

CREATE TABLE outbox (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    topic text NOT NULL,
    organization_id text COLLATE "C" NOT NULL,
    workspace_id text COLLATE "C",
    payload bytea NOT NULL,
    trace_parent text,
    claimed_until timestamptz NOT NULL
);
-- A relay claims a message only if no earlier message of the same workspace is claimed.
CREATE INDEX outbox_by_workspace ON outbox (workspace_id, id);
-- Every message is updated once (claimed) before it is deleted. Free space on each page lets PostgreSQL store the claimed
-- version on the same page, without touching the indexes (HOT update).
ALTER TABLE outbox SET (fillfactor = 45);

CREATE TABLE idempotency (
    user_id text COLLATE "C" NOT NULL,
    key text NOT NULL,
    fingerprint text NOT NULL,
    response bytea NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, key)
);
CREATE INDEX idempotency_by_expiry ON idempotency (expires_at);

CREATE TABLE leases (
    name text NOT NULL PRIMARY KEY,
    holder text NOT NULL,
    token bigint NOT NULL,
    expires_at timestamptz NOT NULL
);

-- Host clusters belong to the installation, not to an organization.
CREATE TABLE hosts (
    name text COLLATE "C" NOT NULL PRIMARY KEY,
    region text,
    labels json NOT NULL,
    cordoned boolean NOT NULL,
    capacity bigint NOT NULL,
    sandbox boolean NOT NULL,
    settings json NOT NULL,
    sealed_kubeconfig bytea NOT NULL,
    health json NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    version bigint NOT NULL
);

-- Plans as an operator changed them: one row, which has no plans and version 1 before the first change.
CREATE TABLE plans (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    plans json NOT NULL,
    configured json NOT NULL,
    updated_by text COLLATE "C",
    updated_at timestamptz NOT NULL,
    version bigint NOT NULL
);
INSERT INTO plans (id, plans, configured, updated_by, updated_at, version)
    VALUES ('plans', '[]', '[]', NULL, '1970-01-01T00:00:00Z', 1);

-- Billing state per organization, as last read from the billing provider.
CREATE TABLE billing_accounts (
    organization_id text COLLATE "C" NOT NULL PRIMARY KEY REFERENCES organizations (id) ON DELETE CASCADE,
    customer_id text COLLATE "C",
    pending_order json NOT NULL,
    rejection json NOT NULL,
    subscription json NOT NULL,
    standing json NOT NULL,
    budget json NOT NULL,
    sent_usage_alerts json NOT NULL,
    reconcile_at timestamptz,
    reconciled_at timestamptz,
    failures bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    version bigint NOT NULL
);
CREATE INDEX billing_accounts_due ON billing_accounts (reconcile_at) WHERE reconcile_at IS NOT NULL;
CREATE INDEX billing_accounts_by_customer ON billing_accounts (customer_id) WHERE customer_id IS NOT NULL;

-- Webhook events of the billing provider. They name a customer; the organization is looked up when they are processed.
CREATE TABLE webhook_events (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    kind text NOT NULL,
    customer_id text COLLATE "C" NOT NULL,
    received_at timestamptz NOT NULL,
    processed_at timestamptz
);
CREATE INDEX webhook_events_by_age ON webhook_events (received_at);
CREATE INDEX webhook_events_unprocessed ON webhook_events (received_at, id) WHERE processed_at IS NULL;

-- Usage per workspace and hour, in thousandths of each meter's unit, and the number of minutes that were measured.
-- Usage outlives its workspace: no foreign key.
CREATE TABLE usage_hours (
    organization_id text COLLATE "C" NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    hour timestamptz NOT NULL,
    workspace_id text COLLATE "C" NOT NULL,
    cpu bigint NOT NULL,
    cpu_minutes bigint NOT NULL,
    memory bigint NOT NULL,
    memory_minutes bigint NOT NULL,
    storage bigint NOT NULL,
    storage_minutes bigint NOT NULL,
    network_receive bigint NOT NULL,
    network_receive_minutes bigint NOT NULL,
    network_transmit bigint NOT NULL,
    network_transmit_minutes bigint NOT NULL,
    api_requests bigint NOT NULL,
    api_requests_minutes bigint NOT NULL,
    PRIMARY KEY (organization_id, hour, workspace_id)
);
CREATE INDEX usage_hours_by_hour ON usage_hours (hour, organization_id, workspace_id);

-- Usage reported to the billing provider, per organization and hour.
CREATE TABLE usage_reports (
    organization_id text COLLATE "C" NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    hour timestamptz NOT NULL,
    cpu bigint NOT NULL,
    memory bigint NOT NULL,
    storage bigint NOT NULL,
    network_receive bigint NOT NULL,
    network_transmit bigint NOT NULL,
    api_requests bigint NOT NULL,
    revision bigint NOT NULL,
    PRIMARY KEY (organization_id, hour)
);
CREATE INDEX usage_reports_by_hour ON usage_reports (hour);

-- Hours whose meters were read for all workspaces.
CREATE TABLE metered_hours (
    hour timestamptz NOT NULL PRIMARY KEY,
    read_at timestamptz NOT NULL,
    next_read_at timestamptz
);

-- The oldest program version that works with this schema, given as the newest migration it knows. Migrations that only add
-- objects leave the value alone, so that old and new programs run side by side; one that removes something raises it.
CREATE TABLE schema_compatibility (
    only_row boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (only_row),
    least_migration bigint NOT NULL
);
INSERT INTO schema_compatibility (least_migration) VALUES (1);

-- Row-level security: the second barrier between organizations. The role hexabase_app reads and writes rows of one
-- organization only, the one that the transaction names in hexabase.organization_id; a statement with a wrong or missing
-- WHERE clause reaches no other rows. Without a name there are no rows.
--
-- The owner of the tables is exempt: migrations, backups and the views below run as the owner.
GRANT SELECT, INSERT, UPDATE, DELETE ON
    users, identities, sessions, spent_refresh_tokens, api_tokens, security_events, signing_keys,
    organizations, members, invitations, service_accounts, inventories,
    workspaces, workspace_groups, group_members, projects, project_roles, role_assignments, alert_rules, tasks,
    live_events, outbox, idempotency, leases, hosts, plans,
    billing_accounts, webhook_events, usage_hours, usage_reports, metered_hours
TO hexabase_app;
-- Audit events are append-only; the view audit_event_ages lets workers delete old ones.
GRANT SELECT, INSERT ON audit_events TO hexabase_app;
GRANT SELECT ON schema_compatibility, _sqlx_migrations TO hexabase_app;

ALTER TABLE organizations ENABLE ROW LEVEL SECURITY;
CREATE POLICY organization_scope ON organizations
    USING (id = current_setting('hexabase.organization_id', true));

DO $$
DECLARE
    tenant_table text;
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY[
        'members', 'invitations', 'service_accounts', 'inventories', 'workspaces', 'workspace_groups', 'group_members',
        'projects', 'project_roles', 'role_assignments', 'alert_rules', 'tasks', 'live_events', 'audit_events',
        'billing_accounts', 'usage_hours', 'usage_reports', 'outbox'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format(
            'CREATE POLICY organization_scope ON %I '
            'USING (organization_id = current_setting(''hexabase.organization_id'', true))',
            tenant_table
        );
    END LOOP;
END $$;

-- At sign-in the transaction names the user instead: their organizations, memberships and invitations are readable.
CREATE POLICY user_scope ON members FOR SELECT
    USING (user_id = current_setting('hexabase.user_id', true));
CREATE POLICY user_scope ON organizations FOR SELECT
    USING (id IN (SELECT organization_id FROM members WHERE user_id = current_setting('hexabase.user_id', true)));
CREATE POLICY user_scope ON invitations FOR SELECT
    USING (email = (SELECT users.email FROM users WHERE users.id = current_setting('hexabase.user_id', true)));

-- An API token is found by its id before its user is known: the transaction names the token. Users list their own.
ALTER TABLE api_tokens ENABLE ROW LEVEL SECURITY;
CREATE POLICY token_scope ON api_tokens USING (id = current_setting('hexabase.token_id', true));
CREATE POLICY user_scope ON api_tokens FOR SELECT USING (user_id = current_setting('hexabase.user_id', true));

-- Columns that workers may read across organizations, to find due work and to delete expired rows. Nothing else is exposed.
CREATE VIEW workspace_schedule AS
    SELECT organization_id, id, host_cluster, reconcile_at, phase, unconverged_since FROM workspaces;
GRANT SELECT, UPDATE (reconcile_at) ON workspace_schedule TO hexabase_app;
CREATE VIEW billing_schedule AS SELECT organization_id, customer_id, reconcile_at FROM billing_accounts;
GRANT SELECT ON billing_schedule TO hexabase_app;
CREATE VIEW usage_schedule AS SELECT hour, organization_id, workspace_id FROM usage_hours;
GRANT SELECT, DELETE ON usage_schedule TO hexabase_app;
-- Relays publish the messages of all organizations, and change nothing but the claim.
CREATE VIEW outbox_relay AS SELECT * FROM outbox;
GRANT SELECT, UPDATE (claimed_until), DELETE ON outbox_relay TO hexabase_app;
-- Mails are sealed again after a change of the master key.
CREATE VIEW sealed_mails AS SELECT id, topic, payload FROM outbox WHERE topic = 'mail';
GRANT SELECT, UPDATE (payload) ON sealed_mails TO hexabase_app;
CREATE VIEW usage_report_hours AS SELECT hour, organization_id FROM usage_reports;
GRANT SELECT, DELETE ON usage_report_hours TO hexabase_app;
CREATE VIEW live_event_ages AS SELECT at, organization_id, id FROM live_events;
GRANT SELECT, DELETE ON live_event_ages TO hexabase_app;
CREATE VIEW task_ages AS SELECT finished_at, organization_id, workspace_id, id FROM tasks WHERE finished_at IS NOT NULL;
GRANT SELECT, DELETE ON task_ages TO hexabase_app;
-- No process deletes audit events of the last 30 days, whatever its retention is.
CREATE VIEW audit_event_ages AS
    SELECT at, organization_id, id FROM audit_events WHERE at < now() - interval '30 days';
GRANT SELECT, DELETE ON audit_event_ages TO hexabase_app;
-- Numbers of organizations and workspaces per creator, for the limits on free resources.
CREATE VIEW organization_creators AS SELECT created_by, personal FROM organizations;
CREATE VIEW workspace_creators AS
    SELECT organizations.created_by, workspaces.plan_id
    FROM organizations JOIN workspaces ON workspaces.organization_id = organizations.id;
GRANT SELECT ON organization_creators, workspace_creators TO hexabase_app;
-- Conditions of alert rules, without the names of rules and the addresses that tenants chose, for the evaluation of all rules.
CREATE VIEW alert_thresholds AS
    SELECT alert_rules.id, alert_rules.workspace_id, workspaces.plan_id,
        projects.name AS project_name, projects.quota AS project_quota,
        alert_rules.condition, alert_rules.severity
    FROM alert_rules
    JOIN workspaces ON workspaces.organization_id = alert_rules.organization_id
        AND workspaces.id = alert_rules.workspace_id
    LEFT JOIN projects ON projects.organization_id = alert_rules.organization_id
        AND projects.workspace_id = alert_rules.workspace_id AND projects.id = alert_rules.project_id;
GRANT SELECT ON alert_thresholds TO hexabase_app;
-- Workspaces whose control plane runs, without the names that tenants chose, for the scrape targets of Prometheus. The phases
-- are those of RunningWorkspace::PHASES.
CREATE VIEW running_workspaces AS
    SELECT organization_id, id, host_cluster, plan_id FROM workspaces
    WHERE phase IN ('ready', 'updating', 'degraded') AND deletion_requested_at IS NULL;
GRANT SELECT ON running_workspaces TO hexabase_app;
-- Plans that organizations are on, subscribe to or have ordered, and plans of workspaces, for the check that a plan is not
-- in use.
CREATE VIEW plan_users AS
    SELECT plan_id, id AS organization_id, NULL::text AS workspace_id, NULL::text AS kubernetes_version
        FROM organizations
    UNION ALL SELECT plan_id, organization_id, id, kubernetes_version FROM workspaces
    UNION ALL SELECT subscription->>'plan_id', organization_id, NULL::text, NULL::text FROM billing_accounts
        WHERE subscription->>'state' NOT IN ('canceled', 'incomplete_expired')
    UNION ALL SELECT pending_order->'change'->>'plan_id', organization_id, NULL::text, NULL::text FROM billing_accounts
        WHERE pending_order->'change'->>'plan_id' IS NOT NULL;
GRANT SELECT ON plan_users TO hexabase_app;
-- Organizations as operators list them. Only statements for operators see them: in the scope of a tenant there are none.
CREATE VIEW organization_directory AS
    SELECT organizations.*,
        (SELECT COUNT(*) FROM members JOIN users ON users.id = members.user_id
            WHERE members.organization_id = organizations.id AND users.kind = 'person') AS members,
        (SELECT COUNT(*) FROM workspaces WHERE workspaces.organization_id = organizations.id) AS workspaces,
        billing_accounts.subscription,
        billing_accounts.standing
    FROM organizations LEFT JOIN billing_accounts ON billing_accounts.organization_id = organizations.id
    WHERE current_setting('hexabase.operator', true) = 'on';
GRANT SELECT ON organization_directory TO hexabase_app;
-- Number of open invitations per address, for the limit that protects recipients.
CREATE VIEW invitation_recipients AS SELECT email, expires_at FROM invitations;
GRANT SELECT ON invitation_recipients TO hexabase_app;
