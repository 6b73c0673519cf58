#!/usr/bin/env bash
# Creates the database and its three roles: hexabase_owner, which owns the tables and migrates; hexabase_app, to which the
# row-level security policies apply; and hexabase_server, the login role of the processes, which can only switch to
# hexabase_app.
#
# Run once, as an administrator: with PGHOST, PGUSER and PGPASSWORD as for psql, and DATABASE_PASSWORD for the new roles.
set -euo pipefail

psql -v ON_ERROR_STOP=1 -v password="${DATABASE_PASSWORD:?set it to the password of the new roles}" \
    --username "${PGUSER:-${POSTGRES_USER:-postgres}}" --dbname "${1:-postgres}" <<'SQL'
CREATE ROLE hexabase_app NOLOGIN;
CREATE ROLE hexabase_owner LOGIN PASSWORD :'password' IN ROLE hexabase_app;
CREATE ROLE hexabase_server LOGIN NOINHERIT PASSWORD :'password' IN ROLE hexabase_app;
CREATE DATABASE hexabase OWNER hexabase_owner;
SQL
