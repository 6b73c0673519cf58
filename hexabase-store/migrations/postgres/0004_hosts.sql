-- Host clusters are the installation's, not an organization's.
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
GRANT SELECT, INSERT, UPDATE, DELETE ON hosts TO hexabase_app;
