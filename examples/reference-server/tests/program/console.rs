//! Web console of the development server in Chromium, with and without scripts.

use std::process::Stdio;
use std::sync::Arc;

use hexabase_core::clock::SystemClock;
use hexabase_test_servers::console_journey;
use hexabase_test_stripe::FakeStripe;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::billing::{WEBHOOK_SECRET, output_of, with_stripe};
use crate::process::Process;

/// Runs a journey of `tests/peers` against a server, stops the server, and returns what went wrong. `further` follow the
/// arguments that all journeys have.
async fn journey(file: &str, server: Process, scripts: &str, further: &[&str]) -> Vec<String> {
    let mut command = console_journey(file, &server.url, scripts);
    command.args(further);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    server.stop();
    serde_json::from_str(&text)
        .unwrap_or_else(|_| panic!("{text} {}", String::from_utf8_lossy(&output.stderr)))
}

/// Runs a journey against a new development server.
async fn problems(file: &str, scripts: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &["serve", "--dev", "--listen", "127.0.0.1:0"]).await;
    journey(file, server, scripts, &[]).await
}

/// Runs the journey of billing, with a Stripe stand-in that sends webhooks.
async fn problems_of_billing(scripts: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let stripe = FakeStripe::new(Arc::new(SystemClock));
    let base = stripe.serve().await;
    output_of(with_stripe(folder.path(), &base, &["billing", "sync", "--apply"]));
    let mut serve = with_stripe(folder.path(), &base, &["serve", "--listen", "127.0.0.1:0"]);
    let server = Process::spawn("serve", folder.path(), &mut serve).await;
    stripe.deliver_to(&format!("{}/webhooks/stripe", server.url), WEBHOOK_SECRET);
    journey("console_billing.mjs", server, scripts, &[&base]).await
}

/// Runs the journey of disturbances, which kills the server and starts it again on the same database and port.
async fn problems_of_disturbances(scripts: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let listen = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let serve = ["serve", "--dev", "--listen", &listen];
    let mut server = Some(Process::start(folder.path(), &serve).await);
    let command = console_journey("console_disturbances.mjs", &format!("http://{listen}"), scripts);
    let mut command = tokio::process::Command::from(command);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let (mut orders, mut done) =
        (BufReader::new(child.stdout.take().unwrap()).lines(), child.stdin.take().unwrap());
    loop {
        let line = orders.next_line().await.unwrap().expect("the journey ended without a result");
        match line.as_str() {
            "kill" => server.take().unwrap().kill(),
            "start" => server = Some(Process::start(folder.path(), &serve).await),
            result => return serde_json::from_str(result).unwrap(),
        }
        done.write_all(b"done\n").await.unwrap();
    }
}

/// Mail server that rejects every recipient for good, so that mails become dead letters.
async fn rejecting_mail_server() -> String {
    async fn serve(mut stream: TcpStream) -> std::io::Result<()> {
        let (reader, mut writer) = stream.split();
        writer.write_all(b"220 mail.example\r\n").await?;
        let mut lines = BufReader::new(reader).lines();
        while let Some(line) = lines.next_line().await? {
            let response: &[u8] = match line.split([' ', ':']).next().unwrap_or_default() {
                "RCPT" => b"550 no such mailbox\r\n",
                "QUIT" => b"221 bye\r\n",
                _ => b"250 ok\r\n",
            };
            writer.write_all(response).await?;
        }
        Ok(())
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}?tls=none", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    url
}

/// Runs the journey of operators, with a sandbox to register as a host cluster.
async fn problems_of_operators(scripts: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Process::start(folder.path(), &["sandbox", "--listen", "127.0.0.1:0"]).await;
    let url = rejecting_mail_server().await;
    let serve = ["serve", "--dev", "--listen", "127.0.0.1:0", "--platform-admins", "operator@example.com"];
    let mail = ["--smtp-url", &url, "--mail-from", "hexabase@example.com"];
    let server = Process::start(folder.path(), &[&serve[..], &mail].concat()).await;
    let kubeconfig = folder.path().join("sandbox.kubeconfig");
    let problems = journey("console_operators.mjs", server, scripts, &[kubeconfig.to_str().unwrap()]).await;
    cluster.stop();
    problems
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_manage_the_installation_with_scripts_and_with_the_keyboard() {
    assert_eq!(problems_of_operators("on").await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_manage_the_installation_without_scripts() {
    assert_eq!(problems_of_operators("off").await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn disturbances_lose_no_changes_and_no_entries_with_scripts() {
    assert_eq!(problems_of_disturbances("on").await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn disturbances_lose_no_changes_and_no_entries_without_scripts() {
    assert_eq!(problems_of_disturbances("off").await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn billing_in_the_console_works_with_scripts_without_violations() {
    assert_eq!(problems_of_billing("on").await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn billing_in_the_console_works_without_scripts() {
    assert_eq!(problems_of_billing("off").await, Vec::<String>::new());
}

#[tokio::test]
async fn the_console_stays_within_its_budget() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &["serve", "--dev", "--listen", "127.0.0.1:0"]).await;
    assert_eq!(journey("console_budget.mjs", server, "on", &[]).await, Vec::<String>::new());
}

#[tokio::test]
async fn the_console_works_with_scripts_without_violations() {
    assert_eq!(problems("console.mjs", "on").await, Vec::<String>::new());
}

#[tokio::test]
async fn the_console_works_without_scripts() {
    assert_eq!(problems("console.mjs", "off").await, Vec::<String>::new());
}

#[tokio::test]
async fn the_keyboard_is_enough_with_scripts() {
    assert_eq!(problems("console_keyboard.mjs", "on").await, Vec::<String>::new());
}

#[tokio::test]
async fn the_keyboard_is_enough_without_scripts() {
    assert_eq!(problems("console_keyboard.mjs", "off").await, Vec::<String>::new());
}

#[tokio::test]
async fn invited_and_reading_members_find_no_refusals_with_scripts() {
    assert_eq!(problems("console_members.mjs", "on").await, Vec::<String>::new());
}

#[tokio::test]
async fn invited_and_reading_members_find_no_refusals_without_scripts() {
    assert_eq!(problems("console_members.mjs", "off").await, Vec::<String>::new());
}
