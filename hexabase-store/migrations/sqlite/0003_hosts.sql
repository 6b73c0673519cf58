CREATE TABLE hosts (
    name TEXT NOT NULL PRIMARY KEY,
    region TEXT,
    labels TEXT NOT NULL,
    cordoned INTEGER NOT NULL,
    capacity INTEGER NOT NULL,
    sandbox INTEGER NOT NULL,
    settings TEXT NOT NULL,
    sealed_kubeconfig BLOB NOT NULL,
    health TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
