//! Floors: the same statement without Hexabase, in an axum handler and in `pgbench`.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path as PathParams, State};
use axum::routing::get;
use axum::{Json, Router};
use hexabase_benches::scoped;
use hexabase_test_servers::Postgres;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _};

use crate::clients::CLIENTS;
use crate::replica::{RunningProcess, Subject};

/// Number of connections to the database, as in the replica.
const BASELINE_CONNECTIONS: u32 = 16;
/// Role to which the policies of row-level security apply.
const PROGRAM_ROLE: &str = "hexabase_app";

/// Statement that reads a workspace for a user: the membership of the user, and the workspace.
const READ_STATEMENT: &str = "SELECT m.organization_id, m.user_id, m.role, m.created_at, m.updated_at, m.version, \
    w.id IS NOT NULL AS found, w.id, w.name, w.display_name, w.plan_id, w.region, w.kubernetes_version, w.power, \
    w.deletion_requested_at, w.host_cluster, w.generation, w.access_version, w.status, w.reconcile_at, w.created_by, \
    w.created_at AS made_at, w.updated_at AS changed_at, w.version AS revision FROM members m \
    LEFT JOIN workspaces w ON w.organization_id = m.organization_id AND w.id = $3 \
    WHERE m.organization_id = scope.id AND m.user_id = $2";

/// Users by organization.
type Users = HashMap<String, String>;

/// Argument with which this program serves the baseline handler.
const SERVE_ARGUMENT: &str = "--baseline-handler";
/// Environment variable with the URL of the database.
const DATABASE_VARIABLE: &str = "BASELINE_DATABASE_URL";
/// Environment variable with the users by organization, as JSON.
const USERS_VARIABLE: &str = "BASELINE_USERS";

/// Serves the baseline handler if the argument for it is set.
pub(crate) async fn serve_if_requested() {
    if !std::env::args().any(|argument| argument == SERVE_ARGUMENT) {
        return;
    }
    let options: PgConnectOptions = std::env::var(DATABASE_VARIABLE).unwrap().parse().unwrap();
    let options = options.options([("role", PROGRAM_ROLE)]).disable_statement_logging();
    let pool = PgPoolOptions::new().max_connections(BASELINE_CONNECTIONS).test_before_acquire(false);
    let pool = pool.connect_with(options).await.unwrap();
    let users: Users = serde_json::from_str(&std::env::var(USERS_VARIABLE).unwrap()).unwrap();
    let state = (pool, Arc::new(users));
    let path = "/api/v1/organizations/{org}/workspaces/{ws}";
    let router = Router::new().route(path, get(read)).with_state(state);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("listening on {}", listener.local_addr().unwrap());
    axum::serve(listener, router).await.unwrap();
}

/// Starts the baseline handler in a separate process. Returns the process and its address.
pub(crate) async fn start(
    directory: &Path,
    database: &str,
    subjects: &[Subject],
) -> (RunningProcess, String) {
    let users: Users =
        subjects.iter().map(|subject| (subject.organization.clone(), subject.user.clone())).collect();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .arg(SERVE_ARGUMENT)
        .env(DATABASE_VARIABLE, database)
        .env(USERS_VARIABLE, json!(users).to_string());
    RunningProcess::start(command, directory, "listening on ").await
}

async fn read(
    State((pool, users)): State<(PgPool, Arc<Users>)>,
    PathParams((org, ws)): PathParams<(String, String)>,
) -> Json<Value> {
    let row = sqlx::query(AssertSqlSafe(scoped(READ_STATEMENT)))
        .bind(&org)
        .bind(&users[&org])
        .bind(&ws)
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(row.get::<String, _>("role"), "owner");
    let status = row.try_get_raw("status").unwrap();
    let status: Value = serde_json::from_slice(status.as_bytes().unwrap()).unwrap();
    let text = |name: &str| row.get::<Option<String>, _>(name);
    let number = |name: &str| row.get::<Option<i64>, _>(name);
    Json(json!({
        "id": ws, "organization_id": org, "name": text("name"), "display_name": text("display_name"),
        "plan_id": text("plan_id"), "host_cluster": text("host_cluster"), "power": text("power"),
        "kubernetes_version": text("kubernetes_version"), "generation": number("generation"),
        "access_version": number("access_version"), "version": number("revision"), "status": status,
    }))
}

/// Executions of the statement per second in `pgbench`. It reads the same workspace all the time, because variation
/// would slow it down.
pub(crate) fn pgbench(
    server: &Postgres,
    database: &str,
    directory: &Path,
    subject: &Subject,
    duration: Duration,
) -> f64 {
    let port = server.url().rsplit_once(':').unwrap().1.to_owned();
    let mut command = Command::new(Postgres::tool("pgbench"));
    command.args(["-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-n", "-M", "prepared", "-j", "2"]);
    command.args(["-c", &CLIENTS.to_string(), "-T", &duration.as_secs().to_string()]);
    let statement = scoped(READ_STATEMENT).replace("$1", ":org").replace("$2", ":user").replace("$3", ":ws");
    let script = directory.join("statement.sql");
    std::fs::write(&script, statement).unwrap();
    command.arg("-f").arg(&script);
    let variables = [("org", &subject.organization), ("user", &subject.user), ("ws", &subject.workspace)];
    for (name, value) in variables {
        command.arg("-D").arg(format!("{name}={value}"));
    }
    let done = command.arg(database).env("PGOPTIONS", format!("-c role={PROGRAM_ROLE}")).output().unwrap();
    let output = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success(), "{output} {}", String::from_utf8_lossy(&done.stderr));
    let line = output.lines().find_map(|line| line.strip_prefix("tps = ")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
