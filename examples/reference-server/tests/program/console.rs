//! Web console of the development server in Chromium, with and without scripts.

use std::process::Command;
use std::sync::Arc;

use hexabase_core::clock::SystemClock;
use hexabase_test_servers::{browser, peer};
use hexabase_test_stripe::FakeStripe;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::billing::{WEBHOOK_SECRET, output_of, with_stripe};
use crate::process::Process;

/// Runs a journey of `tests/peers` against a server, stops the server, and returns what went wrong. `further` follow the
/// arguments that all journeys have.
async fn journey(file: &str, server: Process, scripts: &str, further: &[&str]) -> Vec<String> {
    let (node, script) = peer(file);
    let axe = script.with_file_name("node_modules").join("axe-core/axe.min.js");
    assert!(axe.is_file(), "axe-core is not installed; run: npm ci --prefix tests/peers");
    let mut command = Command::new(node);
    command.arg(script).arg(browser()).args([server.url.as_str(), scripts]).arg(axe).args(further);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    server.stop();
    serde_json::from_str(&text)
        .unwrap_or_else(|_| panic!("{text} {}", String::from_utf8_lossy(&output.stderr)))
}

/// Runs the main journey.
async fn problems(scripts: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &["serve", "--dev", "--listen", "127.0.0.1:0"]).await;
    journey("console.mjs", server, scripts, &[]).await
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
async fn billing_in_the_console_works_with_scripts_without_violations() {
    assert_eq!(problems_of_billing("on").await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn billing_in_the_console_works_without_scripts() {
    assert_eq!(problems_of_billing("off").await, Vec::<String>::new());
}

#[tokio::test]
async fn the_console_works_with_scripts_without_violations() {
    assert_eq!(problems("on").await, Vec::<String>::new());
}

#[tokio::test]
async fn the_console_works_without_scripts() {
    assert_eq!(problems("off").await, Vec::<String>::new());
}
