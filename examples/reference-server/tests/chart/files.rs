//! Image and scripts of `deploy`.

use std::process::Command;

use crate::helm::{repository, text, tool};

#[test]
fn the_image_is_minimal_and_reproducible() {
    let file = repository().join("deploy/Dockerfile");
    let output = tool(".venv/bin/hadolint").arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));

    let dockerfile = std::fs::read_to_string(&file).unwrap();
    let instructions = |name: &str| -> Vec<String> {
        let lines = dockerfile.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        lines.map(str::to_owned).collect()
    };
    let (mut stages, mut final_stage) = (Vec::new(), String::new());
    for from in instructions("FROM") {
        let mut words = from.split(' ').filter(|word| !word.starts_with("--"));
        let image = words.next().unwrap().to_owned();
        let is_pinned = image.split_once("@sha256:").is_some_and(|(_, digest)| digest.len() == 64);
        assert!(is_pinned || stages.contains(&image), "{image} is not pinned by a digest");
        stages.extend(words.nth(1).map(str::to_owned));
        final_stage = image;
    }
    assert!(final_stage.contains("distroless"), "{final_stage}");
    // Kubernetes verifies `runAsNonRoot` for numeric users only.
    assert_eq!(instructions("USER"), ["10001:10001"]);
    assert_eq!(instructions("ENTRYPOINT"), [r#"["hexabase"]"#]);
    let toolchain = std::fs::read_to_string(repository().join("rust-toolchain.toml")).unwrap();
    let release = toolchain.split('"').nth(1).unwrap().rsplit_once('.').unwrap().0;
    assert!(instructions("FROM")[0].contains(&format!("rust:{release}-")), "the toolchain is {release}");
}

#[test]
fn scripts_have_no_findings() {
    let folder = repository().join("deploy");
    let scripts = ["backup", "restore", "postgres-roles.sh"].map(|name| folder.join(name));
    let output = tool(".venv/bin/shellcheck").args(&scripts).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    // The script of the backup CronJob is that of deploy/backup.
    let chart = std::fs::read_to_string(folder.join("chart/hexabase/templates/backup.yaml")).unwrap();
    let script = std::fs::read_to_string(folder.join("backup")).unwrap();
    for option in script.lines().find(|line| line.starts_with("pg_dump")).unwrap().split(' ') {
        let name = option.split('=').next().unwrap();
        assert!(chart.contains(name), "{name}");
    }
    let syntax = Command::new("bash").arg("-n").args(&scripts).status().unwrap();
    assert!(syntax.success());
}
