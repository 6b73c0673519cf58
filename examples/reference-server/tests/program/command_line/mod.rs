//! Commands for people, each against a running server.

mod cli;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use hexabase_core::clock::SystemClock;
use hexabase_test_stripe::FakeStripe;
use serde_json::{Value, json};

use self::cli::Cli;
use crate::billing::with_stripe;
use crate::process::{Client, Process, program};

/// Commands that no client uses, and those that other tests run: sign-in needs a browser.
const OTHERS: [&str; 12] = [
    "serve",
    "api",
    "worker",
    "migrate",
    "admin",
    "host-setup",
    "alert-rules",
    "openapi",
    "sandbox",
    "healthcheck",
    "version",
    "credential",
];
const OTHER_LEAVES: [&str; 7] =
    ["apply", "billing sync", "billing usage", "export", "kubeconfig", "login", "logout"];

/// Returns the names of the subcommands of a command, from its help.
fn subcommands(path: &[&str]) -> Vec<String> {
    let section = help(path);
    let section = section.split("Commands:\n").nth(1).unwrap_or_default();
    let lines = section.lines().take_while(|line| !line.is_empty());
    let names = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

fn help(path: &[&str]) -> String {
    let output = program(Path::new("/")).args(path).arg("--help").output().unwrap();
    assert!(output.status.success(), "{path:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the commands without subcommands, except [`OTHERS`].
fn leaves() -> Vec<String> {
    let mut leaves = Vec::new();
    for name in subcommands(&[]).into_iter().filter(|name| !OTHERS.contains(&name.as_str())) {
        match subcommands(&[&name]) {
            none if none.is_empty() => leaves.push(name),
            some => leaves.extend(some.into_iter().map(|operation| format!("{name} {operation}"))),
        }
    }
    leaves
}

/// Development server with a fake Stripe, and a user.
struct Setup {
    folder: tempfile::TempDir,
    server: Process,
    ann: Client,
    cli: Cli,
}

impl Setup {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stripe = FakeStripe::new(Arc::new(SystemClock));
        let base = stripe.serve().await;
        let synced = with_stripe(folder.path(), &base, &["billing", "sync", "--apply"]).output().unwrap();
        assert!(synced.status.success(), "{synced:?}");
        let serve = ["serve", "--listen", "127.0.0.1:0", "--max-free-workspaces-per-user", "0"];
        let server =
            Process::spawn("serve", folder.path(), &mut with_stripe(folder.path(), &base, &serve)).await;
        let ann = server.sign_in("ann@example.com").await;
        let cli = Cli::new(&server.url, ann.token());
        Self { folder, server, ann, cli }
    }
}

fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_runs_against_a_server_and_has_an_example() {
    let Setup { folder: _folder, server, cli, .. } = Setup::start().await;
    let bob = server.sign_in("bob@example.com").await;
    let bob = Cli::new(&server.url, bob.token());

    organizations_and_people(&cli, &bob);
    workspaces(&cli);
    projects_groups_and_access(&cli);
    monitoring(&cli);
    billing(&cli);
    tokens(&cli, &server.url);
    deletions(&cli);

    let ran: BTreeSet<String> = cli.ran().union(&bob.ran()).cloned().collect();
    for leaf in leaves() {
        let path: Vec<&str> = leaf.split(' ').collect();
        let is_other = OTHER_LEAVES.contains(&leaf.as_str());
        assert!(is_other || ran.contains(&leaf), "no test runs hexabase {leaf}");
        let help = help(&path);
        let example = help.split("Example").nth(1).unwrap_or_default();
        assert!(example.contains(&format!("hexabase {leaf}")), "{leaf} has no example: {help}");
    }
    server.stop();
}

fn organizations_and_people(cli: &Cli, bob: &Cli) {
    let created = cli.json("organizations create acme --display-name 'Acme Corp.'");
    assert_eq!((&created["name"], &created["display_name"]), (&json!("acme"), &json!("Acme Corp.")));
    assert!(cli.run("organizations create globex").contains("globex"));
    cli.fails("workspaces list", 2, &["--organization", "hexabase use", "acme"]);
    cli.run("use --organization acme");
    cli.read("organizations list", &["acme", "globex", "owner"]);
    cli.read("organizations get", &["Acme Corp."]);
    cli.read("organizations get globex", &["globex"]);
    let updated = cli.json("organizations update acme --display-name Acme");
    assert_eq!(updated["display_name"], "Acme");
    cli.fails("organizations update acme", 2, &["--display-name"]);
    let version = updated["version"].as_u64().unwrap();
    cli.fails(
        &format!("organizations update acme --display-name A --if-version {}", version + 1),
        6,
        &["concurrently"],
    );
    cli.run(&format!("organizations update acme --display-name Acme --if-version {version}"));
    cli.read("organizations overview", &["WORKSPACES"]);
    cli.fails("organizations create acme", 6, &["already"]);
    cli.fails("organizations get acmee", 5, &["did you mean acme?", "hexabase organizations list"]);

    assert!(cli.run("invitations create bob@example.com --role member").contains("bob@example.com"));
    cli.json("invitations create eve@example.com --role billing");
    cli.read("invitations list", &["bob@example.com", "eve@example.com"]);
    cli.run("invitations delete eve@example.com");
    let received = bob.read("invitations received", &["Acme", "member"]);
    let invitation = received["invitations"][0]["id"].as_str().unwrap();
    assert_eq!(bob.run("invitations received -o name").trim(), invitation);
    assert!(bob.run(&format!("invitations accept {invitation}")).contains("member"));
    let members = cli.read("members list", &["ann@example.com", "bob@example.com"]);
    assert_eq!(members["items"].as_array().unwrap().len(), 2);
    cli.read("members list --search bob", &["bob@example.com"]);
    assert_eq!(cli.json("members update bob@example.com --role admin")["role"], "admin");
    cli.fails("members delete me", 6, &["last_owner"]);
    cli.read("plans list", &["starter", "team"]);
    assert_eq!(cli.run("plans list -o name").lines().next(), Some("starter"));
}

fn workspaces(cli: &Cli) {
    let progress = cli.notes("workspaces create shop --plan starter --wait --timeout 60s");
    assert!(progress.contains("create ["), "{progress}");
    let other = cli.json("workspaces create other --plan starter --display-name 'The other' --wait");
    assert_eq!((&other["phase"], &other["display_name"]), (&json!("ready"), &json!("The other")));
    cli.fails("projects list", 2, &["--workspace", "shop, other"]);
    cli.run("use --workspace shop");
    let listed = cli.read("workspaces list", &["shop", "other", "ready"]);
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    assert_eq!(names(&cli.json("workspaces list --search oth")), ["other"]);
    let ids: Vec<String> = cli.run("workspaces list -o name").lines().map(str::to_owned).collect();
    assert!(ids.len() == 2 && ids.iter().all(|id| id.starts_with("ws_") && id.len() == 29), "{ids:?}");
    assert_eq!(cli.json(&format!("workspaces get {}", ids[0]))["id"], ids[0].as_str());
    cli.read("workspaces get", &["shop", "ready"]);
    assert_eq!(cli.json("workspaces update other --display-name Second --wait")["display_name"], "Second");
    assert_eq!(cli.json("workspaces suspend other --wait")["phase"], "suspended");
    assert!(cli.run("workspaces resume other --wait").contains("ready"));
    let tasks = cli.read("workspaces tasks", &["create", "succeeded"]);
    let task = tasks["items"][0]["id"].as_str().unwrap();
    cli.read(&format!("workspaces task shop {task}"), &["done"]);
    cli.fails(&format!("workspaces retry shop {task}"), 6, &["code="]);
    cli.read("workspaces conditions", &["TYPE", "True"]);
    cli.read("workspaces health", &["TYPE"]);
    cli.read("workspaces drift", &["OBJECT"]);
    cli.read("workspaces isolation", &["SEVERITY"]);
    cli.read("workspaces policy-reports", &["POLICY"]);
    cli.run("workspaces check-isolation");
    cli.run("workspaces add-member shop bob@example.com");
    cli.read("workspaces members", &["bob@example.com"]);
    cli.run("workspaces remove-member shop bob@example.com --now");
    cli.run("workspaces add-member shop bob@example.com");

    let file = cli.home.path().join("kubeconfig");
    let connected = cli.run(&format!("workspaces connect --kubeconfig {}", file.display()));
    assert!(connected.contains("hexabase_acme_shop"), "{connected}");
    let kubeconfig = kube::config::Kubeconfig::read_from(&file).unwrap();
    assert_eq!(kubeconfig.current_context.as_deref(), Some("hexabase_acme_shop"));
    assert!(cli.run("workspaces connect shop --stdout --auth token").contains("token:"));

    cli.read("node-pools list", &["CLASS"]);
    cli.fails("node-pools create batch --class standard --nodes 1", 6, &["not_in_plan"]);
    cli.fails("node-pools delete batch", 5, &["node pool"]);
}

fn projects_groups_and_access(cli: &Cli) {
    let web = cli.json("projects create web --quota cpu=2,memory=4Gi --wait");
    assert_eq!((&web["phase"], &web["quota"]["cpu"]), (&json!("ready"), &json!("2")));
    assert!(cli.run("projects create batch --parent web --quota cpu=1,memory=1Gi").contains("batch"));
    cli.read("projects list", &["web", "batch"]);
    cli.read("projects get web", &["web"]);
    assert_eq!(cli.json("projects update web --display-name Web")["display_name"], "Web");
    cli.run("projects delete batch");
    assert_eq!(cli.json("projects set-quota web cpu=2 memory=4Gi pods=10")["quota"]["pods"], "10");
    cli.fails("projects set-quota web cpu", 2, &["RESOURCE=AMOUNT"]);
    cli.fails("projects create default", 2, &["name"]);

    let developers = cli.json("groups create developers")["id"].as_str().unwrap().to_owned();
    assert!(cli.run("groups create backend --parent developers").contains(&developers));
    cli.read("groups list", &["developers", "backend", "WSAdmins"]);
    cli.read("groups get backend", &["backend"]);
    assert_eq!(cli.json("groups update backend --name server --root")["parent_id"], Value::Null);
    assert_eq!(cli.json("groups update server --parent developers")["parent_id"], developers.as_str());
    cli.run("groups add-member server bob@example.com");
    cli.read("groups members developers --effective", &["bob@example.com"]);
    cli.read("groups of bob@example.com", &["server"]);

    let role = cli.json("roles create deployer --project web --rule get,list:pods,deployments.apps");
    assert_eq!(role["rules"].as_array().unwrap().len(), 2);
    cli.read("roles list --project web", &["deployer"]);
    cli.read("roles presets", &["hexabase:project-editor"]);
    cli.read("roles get deployer --project web", &["deployer"]);
    assert_eq!(
        cli.json("roles update deployer --project web --rule create:pods")["rules"][0]["verbs"],
        json!(["create"])
    );
    cli.fails("roles update deployer", 2, &["--project"]);
    let assignment = cli.json("assignments create --project web --group developers --role deployer");
    assert_eq!(assignment["role"], role["id"]);
    let editor = cli.run("assignments create --project web --group server --role project-viewer -o name");
    cli.read("assignments list --project web", &["hexabase:project-viewer"]);
    cli.read("assignments list", &["ROLE"]);

    let allowed = cli.read(
        "why bob@example.com create pods --project web",
        &["yes:", "server > developers", "deployer", "web"],
    );
    assert_eq!(allowed["allowed"], true);
    let denied = cli
        .read("why bob@example.com delete deployments.apps --project web", &["no:", "hexabase assignments"]);
    assert_eq!(denied["allowed"], false);
    cli.read("why me get pods/log", &["yes:"]);

    cli.run(&format!("assignments delete {} --project web", editor.trim()));
    cli.run(&format!("assignments delete {} --project web", assignment["id"].as_str().unwrap()));
    cli.run("roles delete deployer --project web");
    cli.run("groups remove-member server bob@example.com");
    cli.fails("groups delete developers", 6, &["group_not_empty"]);
    cli.run("groups delete server");
}

fn monitoring(cli: &Cli) {
    cli.read("usage get", &["cpu", "memory"]);
    cli.read("usage get --project web", &["cpu"]);
    cli.read("usage billed --from 2d", &["METER"]);
    cli.read("metrics get memory --range 1h", &["bytes", "total"]);
    cli.fails("metrics get heat", 2, &["memory"]);
    let rule = "memory --comparison above --threshold 1 --for 5m --severity warning --in web";
    assert_eq!(
        cli.json(&format!("alerts create-rule high --metric {rule}"))["threshold"].as_f64(),
        Some(1.0)
    );
    cli.read("alerts rules", &["high"]);
    cli.read("alerts rule high", &["memory"]);
    cli.read(&format!("alerts test-rule other --metric {rule}"), &["HIGHEST"]);
    assert_eq!(cli.json("alerts update-rule high --severity critical")["severity"], "critical");
    cli.read("alerts list", &["high"]);
    let silence = cli.json("alerts silence high --minutes 5 --comment 'load test'");
    cli.read("alerts silences", &["load test"]);
    cli.run(&format!("alerts unsilence {}", silence["id"].as_str().unwrap()));
    cli.run("alerts delete-rule high");
    cli.read("audit list --action workspace.create --since 1d", &["workspace.create"]);
    assert_eq!(cli.json("audit list --limit 1")["items"].as_array().unwrap().len(), 1);
    cli.read("organizations search shop", &["workspace", "shop"]);
    cli.read("logs --project web --since 15m --limit 5", &["web", "level="]);
}

fn billing(cli: &Cli) {
    cli.read("billing subscription", &["starter"]);
    cli.read("billing overview", &["METER"]);
    cli.read("billing payment-methods", &["TITLE"]);
    cli.read("billing preview team", &["DESCRIPTION"]);
    cli.fails("billing subscribe team", 6, &["code="]);
    cli.read("billing cancel", &["starter"]);
    cli.read("billing invoices", &["NUMBER"]);
    cli.fails("billing invoice in_1", 5, &["not found"]);
    cli.fails("billing invoice-pdf in_1", 5, &["not found"]);
    cli.fails("billing upcoming", 5, &["not found"]);
    cli.fails("billing set-default-method pm_1", 5, &["not found"]);
    cli.fails("billing delete-method pm_1", 5, &["not found"]);
    assert!(cli.run("billing portal -o name").starts_with("http"));
    assert!(cli.json("billing checkout")["url"].as_str().unwrap().starts_with("http"));
    assert_eq!(cli.json("billing set-budget 50000 --currency usd")["amount"], 50_000);
    cli.run("billing delete-budget");
}

fn tokens(cli: &Cli, url: &str) {
    let token = cli.json("tokens create ci --scopes workspaces:read,organizations:read --expires 90d");
    cli.read("tokens list", &["ci", "workspaces:read"]);
    let secret = token["secret"].as_str().unwrap();
    let shown = cli.run("tokens create other --scopes all");
    assert!(
        shown
            .lines()
            .nth(1)
            .unwrap()
            .ends_with(|letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter))
    );
    assert!(shown.contains(secret.split('_').next().unwrap()), "the secret is shown: {shown}");
    cli.run("tokens delete other");

    let restricted = Cli::new(url, secret);
    restricted.read("organizations list", &["acme"]);
    restricted.fails("members delete bob@example.com --organization acme", 4, &["code="]);
    cli.run("tokens delete ci");

    assert!(cli.run("service-accounts create deployer --role member").contains("deployer"));
    cli.read("service-accounts list", &["deployer"]);
    cli.read("service-accounts get deployer", &["deployer", "member"]);
    cli.json("service-accounts create-token deployer ci --scopes clusters:access --expires 30d");
    cli.read("service-accounts tokens deployer", &["ci", "clusters:access"]);
    cli.run("service-accounts delete-token deployer ci");
    cli.run("groups add-member developers deployer");
    cli.run("groups remove-member developers deployer");
    cli.run("service-accounts delete deployer");
}

fn deletions(cli: &Cli) {
    cli.run("groups delete developers");
    cli.run("projects delete web");
    cli.fails("workspaces delete other", 2, &["--yes"]);
    assert!(cli.run("workspaces delete other --yes --wait").contains("deletion requested"));
    assert_eq!(names(&cli.json("workspaces list")), ["shop"]);
    cli.run("members delete bob@example.com");
    cli.fails("organizations delete acme --yes", 6, &["code="]);
    assert!(cli.run("organizations delete acme --yes --cascade --wait").contains("deleted"));
    cli.fails("workspaces get shop", 5, &["not found", "organization acme, workspace shop of http://"]);
    cli.run("use --clear");
    cli.run("completions fish");
}

#[tokio::test(flavor = "multi_thread")]
async fn contexts_select_organization_and_workspace_by_directory() {
    let Setup { folder: _folder, server, cli, .. } = Setup::start().await;
    for organization in ["acme", "globex"] {
        cli.run(&format!("organizations create {organization}"));
        for workspace in ["shop", "web"] {
            cli.run(&format!("workspaces create {workspace} --organization {organization} --plan starter"));
        }
    }
    assert!(cli.run("use").contains("no organization is remembered"));
    // Without a context, a workspace is found in all organizations, and an ambiguous name lists the candidates.
    let error = cli.fails("workspaces get shop", 2, &["shop of acme (ws_", "shop of globex (ws_"]);
    let id = error.split('(').find(|part| part.starts_with("ws_")).unwrap().split(')').next().unwrap();
    assert_eq!(cli.json(&format!("workspaces get {id}"))["id"], id);

    let shown = cli.run("use --organization acme --workspace shop");
    assert!(
        shown.contains("organization acme, workspace shop") && shown.contains("contexts.json"),
        "{shown}"
    );
    let mode = std::fs::metadata(cli.context_file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let project = cli.home.path().join("src/globex");
    let nested = project.join("nested");
    std::fs::create_dir_all(&nested).unwrap();
    cli.run_in(&project, "use --directory --organization globex --workspace web");
    let organization = |directory: &Path, line: &str| {
        let text = cli.run_in(directory, &format!("{line} -o json"));
        serde_json::from_str::<Value>(&text).unwrap()["name"].as_str().unwrap().to_owned()
    };
    assert_eq!(organization(cli.home.path(), "organizations get"), "acme");
    assert_eq!(organization(&nested, "organizations get"), "globex");
    assert_eq!(organization(&nested, "workspaces get"), "web");
    // A flag wins, and the remembered workspace of another organization is not used with it.
    assert_eq!(organization(&nested, "organizations get acme"), "acme");
    cli.fails("projects list --organization globex", 2, &["workspace", "shop, web"]);
    let output =
        cli.command_in(&nested, "organizations get -o json").env("HEXABASE_ORGANIZATION", "acme").output();
    let output: Value = serde_json::from_slice(&output.unwrap().stdout).unwrap();
    assert_eq!(output["name"], "globex", "the subject has no variable");
    let output =
        cli.command_in(&nested, "members list").env("HEXABASE_ORGANIZATION", "unknown").output().unwrap();
    assert_eq!(output.status.code(), Some(5));

    // The context of another server is ignored.
    let other = server.url.replace("127.0.0.1", "localhost");
    let output =
        cli.command_in(cli.home.path(), "organizations get").env("HEXABASE_SERVER", other).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    cli.run_in(&project, "use --directory --clear");
    assert_eq!(organization(&nested, "organizations get"), "acme");
    std::fs::write(cli.context_file(), "{").unwrap();
    cli.fails("organizations get", 2, &["corrupt", "hexabase use"]);
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn deletions_ask_on_a_terminal_and_logs_are_followed() {
    let Setup { folder: _folder, server, ann, cli } = Setup::start().await;
    let workspace = ann.create_workspace("acme").await;
    ann.wait_until_ready(&workspace).await;
    cli.run("projects create web --workspace shop --wait");
    cli.run("use --organization acme --workspace shop");

    // The first lines are older ones; the stream goes on until the process is ended.
    let mut command = cli.command_in(cli.home.path(), "logs --project web --follow --since 1h");
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    assert!(line.contains(" web/"), "{line}");
    child.kill().unwrap();
    child.wait().unwrap();

    let (_, table) = cli.on_terminal("workspaces list", "", &[]);
    assert!(table.contains("\u{1b}[1mNAME") && table.contains("\u{1b}[32mready"), "{table:?}");
    let (_, table) = cli.on_terminal("workspaces list", "", &[("NO_COLOR", "1")]);
    assert!(table.contains("ready") && !table.contains('\u{1b}'), "{table:?}");

    let answer = |text: &str| cli.on_terminal("workspaces delete shop", text, &[]);
    let (code, text) = answer("yes\n");
    assert!(code == Some(2) && text.contains("nothing was deleted"), "{code:?} {text}");
    assert_eq!(ann.status(&workspace).await, 200);
    let (code, text) = answer("shop\n");
    assert!(code == Some(0) && text.contains("deletion requested"), "{code:?} {text}");
    cli.fails("organizations delete acme --cascade", 2, &["--yes", "acme"]);
    server.stop();
}

#[test]
fn completions_load_in_shells() {
    let folder = tempfile::tempdir().unwrap();
    for (shell, script) in [
        (
            "bash",
            "source completions; COMP_WORDS=(hexabase works); COMP_CWORD=1; \
             _hexabase hexabase works hexabase; echo \"${COMPREPLY[@]}\"",
        ),
        (
            "zsh",
            "autoload -U compinit && compinit -u && source ./completions && echo ${_comps[hexabase]} workspaces",
        ),
    ] {
        let output = program(folder.path()).args(["completions", shell]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        std::fs::write(folder.path().join("completions"), output.stdout).unwrap();
        let mut command = Command::new(shell);
        let output =
            command.args(["-c", script]).current_dir(folder.path()).env("HOME", folder.path()).output();
        let output = output.unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && errors.is_empty(), "{shell}: {errors}");
        assert!(text.contains("workspaces"), "{shell}: {text}");
    }
}

#[test]
fn errors_say_what_to_do_next_and_have_documented_exit_codes() {
    let cli = Cli::new("http://127.0.0.1:9", "hxt_invalid");
    cli.fails("organizations list", 7, &["does not respond", "check the URL"]);
    cli.fails("organizations create", 2, &["<NAME>"]);
    cli.fails("workspaces lst", 2, &["list"]);
    let mut command = cli.command_in(cli.home.path(), "organizations list");
    let output = command.env_remove("HEXABASE_SERVER").env_remove("HEXABASE_TOKEN").output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(4) && errors.contains("hexabase login"), "{errors}");
}
