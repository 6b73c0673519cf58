//! Runs the example and creates a workspace through it.

use std::process::{Child, Command};
use std::time::Duration;

struct RunningExample(Child);

impl Drop for RunningExample {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn users_of_the_service_create_workspaces() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let mut example =
        RunningExample(Command::new(env!("CARGO_BIN_EXE_hexabase-embed")).arg(&address).spawn().unwrap());
    let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
    let create = |name: &str| {
        client.post(format!("http://{address}/clusters/{name}")).header("x-user", "ann@example.com")
    };
    let response = loop {
        match create("shop").send().await {
            Ok(response) => break response,
            Err(error) if error.is_connect() => {
                assert!(example.0.try_wait().unwrap().is_none(), "the example exited");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(response.status(), 200);
    let created: serde_json::Value = response.json().await.unwrap();
    assert_eq!((created["name"].as_str(), created["plan_id"].as_str()), (Some("shop"), Some("starter")));
    let rejected = create("No Name").send().await.unwrap();
    assert_eq!(rejected.status(), 422);
    assert!(rejected.text().await.unwrap().contains("name"));
}
