//! The example runs and does what it says.

use std::process::{Child, Command};
use std::time::Duration;

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_user_of_the_service_buys_a_cluster() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let mut running =
        Running(Command::new(env!("CARGO_BIN_EXE_hexabase-embed")).arg(&address).spawn().unwrap());
    let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
    let buy = |name: &str| {
        client.post(format!("http://{address}/clusters/{name}")).header("x-user", "ann@example.com")
    };
    let answer = loop {
        match buy("shop").send().await {
            Ok(answer) => break answer,
            Err(error) if error.is_connect() => {
                assert!(running.0.try_wait().unwrap().is_none(), "the example stopped by itself");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(answer.status(), 200);
    let bought: serde_json::Value = answer.json().await.unwrap();
    assert_eq!((bought["name"].as_str(), bought["plan_id"].as_str()), (Some("shop"), Some("starter")));
    let refused = buy("No Name").send().await.unwrap();
    assert_eq!(refused.status(), 422);
    assert!(refused.text().await.unwrap().contains("name"));
}
