//! Health check of a running server by the command line.

use std::net::TcpListener;
use std::process::Stdio;

use hexabase_test_servers::Certificates;

use crate::process::{Process, fails_with, program};

#[tokio::test]
async fn the_health_check_succeeds_while_the_server_is_ready() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &["serve", "--dev", "--listen", "127.0.0.1:0"]).await;
    let address = server.url.trim_start_matches("http://").to_owned();
    let check = |listen: &str| {
        let mut command = program(folder.path());
        command.arg("healthcheck").env("HEXABASE_LISTEN", listen);
        command
    };
    let output = check(&address).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "healthy\n");
    // A server that listens on all addresses is reached at the loopback one.
    let port = address.rsplit_once(':').unwrap().1;
    assert!(check(&format!("0.0.0.0:{port}")).output().unwrap().status.success());
    let not_found = format!("{}/no-such-path", server.url);
    fails_with(check(&address).args(["--url", &not_found]), "responded 404 Not Found");
    server.stop();
    fails_with(&mut check(&address), "/readyz does not respond");
}

#[tokio::test]
async fn the_health_check_verifies_the_certificate_of_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let certificates = Certificates::for_name("127.0.0.1");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (listen, url) = (format!("127.0.0.1:{port}"), format!("https://127.0.0.1:{port}"));
    let mut command = program(folder.path());
    command.args(["serve", "--dev", "--listen", &listen, "--public-url", &url]);
    command.arg("--tls-cert").arg(certificates.certificate()).arg("--tls-key").arg(certificates.key());
    let server = Process::spawn("serve", folder.path(), &mut command).await;
    let check = || {
        let mut command = program(folder.path());
        command.args(["healthcheck", "--url", &format!("{url}/readyz")]);
        command
    };
    assert!(check().arg("--issuer-ca").arg(certificates.authority()).status().unwrap().success());
    fails_with(&mut check(), "does not respond");
    server.stop();
}
