//! Jobs of CI systems and pipelines that access tenant clusters without a stored secret.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use hexabase_test_servers::CiPeer;
use serde_json::{Value, json};

use crate::identity::{Machine, free_port};
use crate::process::{Process, fails_with, program};

/// Task for Tekton with the script that exchanges tokens.
const TASK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/tekton/task.yaml");
/// Task for Tekton that applies documents.
const APPLY_TASK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/tekton/apply.yaml");

#[tokio::test]
async fn ci_job_accesses_a_cluster_without_a_stored_secret() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let arguments = ["serve", "--dev", "--listen", &address];
    let server = Process::start(folder.path(), &arguments).await;
    let ann = server.sign_in("ann@example.com").await;
    let organization = json!({ "name": "acme", "display_name": "Acme" });
    let org = ann.post("/api/v1/organizations", &organization).await["id"].as_str().unwrap().to_owned();
    let workspaces = format!("/api/v1/organizations/{org}/workspaces");
    let workspace = ann.post(&workspaces, &json!({ "name": "shop", "plan_id": "starter" })).await;
    let ws = workspace["id"].as_str().unwrap();
    let accounts = format!("/api/v1/organizations/{org}/service-accounts");
    let account = ann.post(&accounts, &json!({ "name": "deployer", "role": "member" })).await;
    let account = account["id"].as_str().unwrap();
    let groups = ann.get(&format!("{workspaces}/{ws}/groups")).await;
    let admins =
        groups["items"].as_array().unwrap().iter().find(|group| group["name"] == "WSAdmins").unwrap();
    let membership = format!("groups/{}/members/{account}", admins["id"].as_str().unwrap());
    ann.put(&format!("{workspaces}/{ws}/{membership}"), &Value::Null).await;
    server.stop();

    // With the trust, jobs of the repository act as the service account.
    let ci = CiPeer::start();
    let mut command = program(folder.path());
    command
        .args(arguments)
        .env("HEXABASE_TRUSTS__CI__ISSUER", ci.issuer())
        .env("HEXABASE_TRUSTS__CI__AUDIENCE", format!("http://{address}"))
        .env("HEXABASE_TRUSTS__CI__CLAIMS", "repository=acme/shop")
        .env("HEXABASE_TRUSTS__CI__SERVICE_ACCOUNT", account);
    let server = Process::spawn("serve", folder.path(), &mut command).await;
    let ann = server.sign_in("ann@example.com").await;
    let namespaces = format!("/sandbox/tenants/{}/api/v1/namespaces", ws.replace('_', "-"));
    let namespaces_as = async |token: &str| server.client().with_token(token).status(&namespaces).await;
    while ann.get(&format!("{workspaces}/{ws}")).await["phase"] != "ready" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    let machine = Machine::new(&server);
    let job = |repository: &str| {
        let mut command = machine.command(&["credential", "--server", &machine.server, "--workspace", ws]);
        command
            .env("ACTIONS_ID_TOKEN_REQUEST_URL", ci.request_url(repository))
            .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", CiPeer::REQUEST_TOKEN);
        command
    };
    let output = job("acme/shop").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let credential: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(namespaces_as(credential["status"]["token"].as_str().unwrap()).await, 200);
    fails_with(&mut job("evil/shop"), "subject_token is invalid or has expired");

    // Other CI systems pass the token in a variable.
    let token = ci.token("acme/shop", &machine.server).await;
    let mut command = machine.command(&["credential", "--server", &machine.server, "--workspace", ws]);
    let output = command.env("HEXABASE_ID_TOKEN", &token).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(namespaces_as(&token).await, 401, "the cluster accepts only tokens of Hexabase");
    assert_eq!(server.client().with_token(&token).status("/auth/me").await, 401, "the API rejects CI tokens");

    // A job of Tekton writes a kubeconfig with the script of the Task.
    let task = std::fs::read_to_string(TASK).unwrap();
    let task: Value = serde_saphyr::from_str(&task).unwrap();
    let script = task["spec"]["steps"][0]["script"].as_str().unwrap();
    let (token_file, kubeconfig) = (folder.path().join("job-token"), folder.path().join("job-kubeconfig"));
    let exchange = |token: &str, workspace: &str| {
        std::fs::write(&token_file, token).unwrap();
        let mut command = Command::new("sh");
        command
            .args(["-c", script])
            .env("HEXABASE_SERVER", &machine.server)
            .env("HEXABASE_WORKSPACE", workspace)
            .env("API_SERVER", "https://tenant.example:443")
            .env("CERTIFICATE_AUTHORITY_DATA", "TUE9PQ==")
            .env("TOKEN_FILE", &token_file)
            .env("KUBECONFIG_FILE", &kubeconfig);
        command.output().unwrap()
    };
    let output = exchange(&token, ws);
    assert!(output.status.success(), "{output:?}");
    let written: Value = serde_json::from_str(&std::fs::read_to_string(&kubeconfig).unwrap()).unwrap();
    assert_eq!(written["clusters"][0]["cluster"]["server"], "https://tenant.example:443");
    assert_eq!(written["clusters"][0]["cluster"]["certificate-authority-data"], "TUE9PQ==");
    assert_eq!(namespaces_as(written["users"][0]["user"]["token"].as_str().unwrap()).await, 200);
    let mode = std::fs::metadata(&kubeconfig).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "only the job reads it");
    let output = exchange("not a token", ws);
    assert!(
        !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("issued no token"),
        "{output:?}"
    );
    let output = exchange(&token, "ws_x\" }, \"evil\": { \"");
    assert!(
        !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("characters"),
        "{output:?}"
    );

    let other_audience = ci.token("acme/shop", "https://elsewhere.example").await;
    fails_with(command.env("HEXABASE_ID_TOKEN", &other_audience), "subject_token is invalid or has expired");
}

/// Arguments of the Task that applies documents, for a directory.
fn apply_arguments(directory: &str) -> Vec<String> {
    let task: Value = serde_saphyr::from_str(&std::fs::read_to_string(APPLY_TASK).unwrap()).unwrap();
    let arguments = task["spec"]["steps"][0]["args"].as_array().unwrap().iter();
    let arguments = arguments.map(|argument| argument.as_str().unwrap());
    let filled = |argument: &str| {
        argument.replace("$(params.directory)", directory).replace("$(params.inventory)", "git")
    };
    arguments.map(filled).collect()
}

#[tokio::test]
async fn ci_job_applies_documents_without_a_stored_secret() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let arguments = ["serve", "--dev", "--listen", &address];
    let server = Process::start(folder.path(), &arguments).await;
    let ann = server.sign_in("ann@example.com").await;
    let organization = json!({ "name": "acme", "display_name": "Acme" });
    let org = ann.post("/api/v1/organizations", &organization).await["id"].as_str().unwrap().to_owned();
    let accounts = format!("/api/v1/organizations/{org}/service-accounts");
    let account = ann.post(&accounts, &json!({ "name": "deployer", "role": "admin" })).await;
    let account = account["id"].as_str().unwrap().to_owned();
    server.stop();

    let ci = CiPeer::start();
    let mut command = program(folder.path());
    command.args(arguments);
    // Jobs of one repository may use the API, those of the other one clusters only.
    for (trust, repository) in [("DEPLOY", "acme/tenants"), ("BUILD", "acme/shop")] {
        command
            .env(format!("HEXABASE_TRUSTS__{trust}__ISSUER"), ci.issuer())
            .env(format!("HEXABASE_TRUSTS__{trust}__AUDIENCE"), format!("http://{address}"))
            .env(format!("HEXABASE_TRUSTS__{trust}__CLAIMS"), format!("repository={repository}"))
            .env(format!("HEXABASE_TRUSTS__{trust}__SERVICE_ACCOUNT"), &account);
    }
    let scopes = "organizations:write,workspaces:write,projects:write,access:write,clusters:access";
    command.env("HEXABASE_TRUSTS__DEPLOY__API_SCOPES", scopes);
    let server = Process::spawn("serve", folder.path(), &mut command).await;
    let ann = server.sign_in("ann@example.com").await;

    let machine = Machine::new(&server);
    let documents = folder.path().join("tenants");
    std::fs::create_dir(&documents).unwrap();
    let file = documents.join("shop.yaml");
    let workspace = "apiVersion: hexabase.ai/v1alpha1\nkind: Workspace\n\
                     metadata: { name: shop, organization: acme }\nspec: { plan_id: starter }\n";
    let group = "---\napiVersion: hexabase.ai/v1alpha1\nkind: Group\n\
                 metadata: { name: developers, organization: acme, workspace: shop }\nspec: {}\n";
    std::fs::write(&file, format!("{workspace}{group}")).unwrap();
    let apply = apply_arguments(documents.to_str().unwrap());
    let apply: Vec<&str> = apply.iter().map(String::as_str).collect();

    // The Task of Tekton has the token in a file.
    let (token_file, token) =
        (folder.path().join("job-token"), ci.token("acme/tenants", &machine.server).await);
    std::fs::write(&token_file, format!("{token}\n")).unwrap();
    let mut job = machine.command(&apply);
    job.env("HEXABASE_SERVER", &machine.server).env("HEXABASE_ID_TOKEN_FILE", &token_file);
    let output = job.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("created Group acme/shop/developers"),
        "{output:?}"
    );
    // A job of GitHub Actions finds no difference, and prunes what the documents no longer describe.
    std::fs::write(&file, workspace).unwrap();
    let mut job = machine.command(&apply);
    job.env("HEXABASE_SERVER", &machine.server)
        .env("ACTIONS_ID_TOKEN_REQUEST_URL", ci.request_url("acme/tenants"))
        .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", CiPeer::REQUEST_TOKEN);
    let output = job.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("deleted Group acme/shop/developers"),
        "{output:?}"
    );

    let audit = ann
        .get(&format!("/api/v1/organizations/{org}/audit-events?action=service_account.exchange_token"))
        .await;
    let entries = audit["items"].as_array().unwrap();
    assert!(entries.len() >= 2 && entries[0]["after"]["trust"] == "deploy", "{audit}");
    let text = audit.to_string();
    assert!(!text.contains("hxw_") && !text.contains(&token), "no token is in the log");

    // The token of the other repository is for clusters only, and the tokens of issuers are no credentials themselves.
    let mut job = machine.command(&apply);
    job.env("HEXABASE_SERVER", &machine.server)
        .env("HEXABASE_ID_TOKEN", ci.token("acme/shop", &machine.server).await);
    fails_with(&mut job, "clusters only");
    assert_eq!(server.client().with_token(&token).status("/api/v1/organizations").await, 401);

    // A job creates no lasting credential, whatever its scopes.
    let mut job = machine.command(&[
        "service-accounts",
        "create-token",
        "deployer",
        "more",
        "--scopes",
        "workspaces:read",
    ]);
    job.env("HEXABASE_SERVER", &machine.server)
        .env("HEXABASE_ORGANIZATION", "acme")
        .env("HEXABASE_ID_TOKEN", &token);
    fails_with(&mut job, "a workload creates no API tokens");

    // The account ends with everything that acts as it.
    ann.delete(&format!("{accounts}/{account}")).await;
    let mut job = machine.command(&apply);
    job.env("HEXABASE_SERVER", &machine.server).env("HEXABASE_ID_TOKEN", &token);
    fails_with(&mut job, "does not exist");
}
