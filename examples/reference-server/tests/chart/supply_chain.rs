//! Release script, pipelines for Tekton and rules for Falco: checked by their linters, and run with stand-ins for the programs
//! that they call.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use hexabase_test_servers::peer;
use serde_json::{Value, json};

use crate::helm::{parse, repository, text, tool};

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap()
}

/// Steps of the Task and the Pipeline.
fn steps() -> Vec<Value> {
    let (task, pipeline) =
        (&parse(&read("deploy/tekton/task.yaml"))[0], &parse(&read("deploy/tekton/pipeline.yaml"))[0]);
    let list = |value: &Value| value.as_array().unwrap().clone();
    let inline = list(&pipeline["spec"]["tasks"]);
    let inline = inline.iter().flat_map(|task| list(&task["taskSpec"]["steps"]));
    list(&task["spec"]["steps"]).into_iter().chain(inline).collect()
}

/// Lints files with tekton-lint.
fn lint(files: &[PathBuf]) -> Output {
    let (node, script) = peer("node_modules/@ibm/tekton-lint/dist/lint.js");
    Command::new(node).arg(script).args(["--max-warnings", "0"]).args(files).output().unwrap()
}

#[test]
fn the_task_and_the_pipeline_have_no_findings() {
    let files =
        ["task", "apply", "pipeline"].map(|name| repository().join(format!("deploy/tekton/{name}.yaml")));
    let output = lint(&files);
    assert!(output.status.success(), "{}", text(&output));

    let folder = tempfile::tempdir().unwrap();
    let wrong = folder.path().join("wrong.yaml");
    std::fs::write(
        &wrong,
        read("deploy/tekton/task.yaml").replace("$(params.api-server)", "$(params.missing)"),
    )
    .unwrap();
    assert!(!lint(&[wrong]).status.success(), "the linter finds a parameter that does not exist");
}

#[test]
fn the_task_that_applies_documents_has_a_token_of_its_own_and_no_secret() {
    let task = &parse(&read("deploy/tekton/apply.yaml"))[0]["spec"];
    let step = &task["steps"][0];
    assert_eq!(step["image"], "$(params.image)");
    assert_eq!(step["securityContext"]["runAsNonRoot"], true);
    assert_eq!(step["args"][0], "apply");
    let token = &task["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"];
    assert_eq!(token["audience"], "$(params.server)");
    let mounted = format!(
        "{}/{}",
        step["volumeMounts"][0]["mountPath"].as_str().unwrap(),
        token["path"].as_str().unwrap()
    );
    let env = step["env"].as_array().unwrap();
    let file = env.iter().find(|variable| variable["name"] == "HEXABASE_ID_TOKEN_FILE").unwrap();
    assert_eq!(file["value"], mounted.as_str());
}

#[test]
fn scripts_of_pipelines_and_of_the_release_have_no_findings() {
    let folder = tempfile::tempdir().unwrap();
    let steps = steps();
    assert!(steps.len() >= 7, "{steps:?}");
    let mut files = vec![repository().join("scripts/release")];
    for step in &steps {
        let file = folder.path().join(step["name"].as_str().unwrap());
        let script = step["script"].as_str().unwrap();
        // Values of parameters in a script would be run as part of it.
        assert!(!script.contains("$(params") && !script.contains("$(tasks"), "{script}");
        std::fs::write(&file, script).unwrap();
        files.push(file);
    }
    let output = tool(".venv/bin/shellcheck").args(&files).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn images_of_pipelines_are_parameters_that_the_user_pins() {
    for step in steps() {
        let image = step["image"].as_str().unwrap();
        assert!(["$(params.image)", "$(params.tool)"].contains(&image), "{image}");
    }
    let pipeline = &parse(&read("deploy/tekton/pipeline.yaml"))[0];
    for parameter in pipeline["spec"]["params"].as_array().unwrap() {
        assert!(parameter["default"].is_null(), "{parameter}");
    }
    let tasks = pipeline["spec"]["tasks"].as_array().unwrap();
    let scan = tasks.iter().find(|task| task["name"] == "scan").unwrap();
    let workspaces: Vec<&Value> =
        scan["workspaces"].as_array().unwrap().iter().map(|workspace| &workspace["name"]).collect();
    assert_eq!(workspaces, [&json!("source")], "the scanner has no credentials");
    let sign = tasks.iter().find(|task| task["name"] == "sign").unwrap();
    assert_eq!(sign["runAfter"], json!(["scan"]));
}

#[test]
fn rules_of_falco_name_the_workspace_and_no_arguments_of_programs() {
    let entries: Vec<Value> = serde_saphyr::from_str(&read("deploy/falco/rules.yaml")).unwrap();
    let names = |kind: &str| -> BTreeSet<String> {
        entries.iter().filter_map(|entry| Some(entry[kind].as_str()?.to_owned())).collect()
    };
    let (rules, macros, lists) = (names("rule"), names("macro"), names("list"));
    assert!(rules.len() >= 5, "{rules:?}");
    assert_eq!(rules.len() + macros.len() + lists.len(), entries.len());
    let priorities = ["EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING"];
    for rule in entries.iter().filter(|entry| entry["rule"].is_string()) {
        let (condition, output) = (rule["condition"].as_str().unwrap(), rule["output"].as_str().unwrap());
        assert!(priorities.contains(&rule["priority"].as_str().unwrap()), "{rule}");
        assert!(!rule["desc"].as_str().unwrap().is_empty(), "{rule}");
        let tags: Vec<&str> = rule["tags"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(
            tags.contains(&"hexabase") && (tags.contains(&"tenant") || tags.contains(&"operator")),
            "{tags:?}"
        );
        assert!(
            condition.contains("evt.type in"),
            "a rule for all system calls costs every process: {condition}"
        );
        for field in ["%k8s.ns.name", "%k8s.pod.name", "%container.name", "%proc.name"] {
            assert!(output.contains(field), "{field}: {output}");
        }
        for secret in ["cmdline", "args", "proc.env"] {
            assert!(!output.contains(secret), "{secret}: {output}");
        }
        let named: BTreeSet<&str> = condition
            .split(|character: char| !character.is_ascii_alphanumeric() && character != '_')
            .filter(|word| word.starts_with("hexabase_"))
            .collect();
        let known = |name: &&&str| macros.contains(**name) || lists.contains(**name);
        assert!(named.iter().all(|name| known(&name)), "{named:?}");
        assert!(named.iter().any(|name| macros.contains(*name)), "not limited to workspaces: {condition}");
    }
    let sidekick = &parse(&read("deploy/falco/falcosidekick.yaml"))[0];
    assert!(sidekick["templatedfields"]["namespace"].as_str().unwrap().contains("k8s.ns.name"));
    assert!(sidekick["alertmanager"]["extralabels"].as_str().unwrap().contains("alertname:"));
}

#[test]
fn rules_of_alerts_and_their_tests_are_valid_for_prometheus() {
    let folder = repository().join("deploy/chart/hexabase/files/alerts");
    let files = ["operators.yaml", "tenants.yaml"].map(|name| folder.join(name));
    let checked = Command::new("promtool").args(["check", "rules"]).args(&files).output();
    let output = checked.unwrap_or_else(|error| panic!("promtool: {error}; scripts/test installs it"));
    assert!(output.status.success(), "{}", text(&output));
    assert!(!text(&output).contains("duplicate"), "{}", text(&output));
}

const SCANNER: &str = "registry.example/grype";

/// Creates programs that write their arguments and the names of their variables to a log.
fn stand_ins(folder: &Path) {
    let digest = format!("sha256:{}", "d".repeat(64));
    for name in ["docker", "syft", "cosign", "helm"] {
        let script = format!(
            "#!/bin/sh\n\
             printf '%s %s | %s\\n' {name} \"$*\" \"$(env | cut -d= -f1 | sort | tr '\\n' ' ')\" >>{log}\n\
             case \"$*\" in\n\
             buildx*) echo '{{\"image\": {{\"containerimage.digest\": \"{digest}\"}}}}' >\"$6\" ;;\n\
             *sbom:*) [ ! -e {folder}/vulnerable ] ;;\n\
             push*) echo 'Digest: {digest}' ;;\n\
             esac\n",
            log = folder.join("log").display(),
            folder = folder.display(),
        );
        let file = folder.join(name);
        std::fs::write(&file, script).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// Copy of the files of a release in a repository of its own.
fn released_sources(folder: &Path) -> PathBuf {
    let source = folder.join("source");
    for file in
        ["scripts/release", "Cargo.toml", "deploy/chart/hexabase/Chart.yaml", "deploy/docker-bake.hcl"]
    {
        let target = source.join(file);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(repository().join(file), target).unwrap();
    }
    std::fs::write(source.join(".gitignore"), "/target\n").unwrap();
    for arguments in [
        &["init", "--quiet"][..],
        &["add", "."],
        &["-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "--quiet", "--message", "a"],
    ] {
        assert!(Command::new("git").args(arguments).current_dir(&source).status().unwrap().success());
    }
    source
}

fn release(folder: &Path, source: &Path, scanner: &str, arguments: &[&str]) -> Output {
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new(source.join("scripts/release"));
    command.args(arguments).env("PATH", path).env("HEXABASE_SCANNER", scanner);
    command.env("COSIGN_KEY", "key").env("COSIGN_PASSWORD", "secret").env("REGISTRY_TOKEN", "secret");
    command.output().unwrap()
}

#[test]
fn a_release_is_scanned_by_digest_without_credentials_before_it_is_signed() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, pinned) = (folder.path(), format!("{SCANNER}@sha256:{}", "a".repeat(64)));
    stand_ins(folder);
    let source = released_sources(folder);
    let log = || std::fs::read_to_string(folder.join("log")).unwrap_or_default();

    let printed = release(folder, &source, &pinned, &["--dry-run", "0.1.0"]);
    assert!(printed.status.success(), "{}", text(&printed));
    assert_eq!(log(), "", "a dry run runs nothing");
    for (scanner, version) in
        [(SCANNER, "0.1.0"), ("", "0.1.0"), (pinned.as_str(), "9.9.9"), (pinned.as_str(), "latest")]
    {
        assert!(!release(folder, &source, scanner, &[version]).status.success(), "{scanner} {version}");
    }
    assert_eq!(log(), "");

    let output = release(folder, &source, &pinned, &["0.1.0"]);
    assert!(output.status.success(), "{}", text(&output));
    let log_text = log();
    let lines: Vec<&str> = log_text.lines().collect();
    let programs: Vec<&str> = lines.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(
        programs,
        ["docker", "syft", "docker", "docker", "cosign", "cosign", "helm", "helm", "cosign"],
        "{log_text}"
    );
    let digest = format!("@sha256:{}", "d".repeat(64));
    for line in [lines[1], lines[4], lines[5], lines[8]] {
        assert!(line.contains(&digest), "by digest: {line}");
    }
    for scan in [lines[2], lines[3]] {
        assert!(scan.contains(&pinned), "{scan}");
        for secret in ["COSIGN_KEY", "COSIGN_PASSWORD", "REGISTRY_TOKEN", "HOME"] {
            assert!(!scan.contains(secret), "{secret}: {scan}");
        }
    }
    assert!(lines[3].contains("--network none"), "{}", lines[3]);

    // Nothing is signed if the scan finds something.
    std::fs::write(folder.join("vulnerable"), "").unwrap();
    std::fs::remove_file(folder.join("log")).unwrap();
    assert!(!release(folder, &source, &pinned, &["0.1.0"]).status.success());
    assert!(!log().contains("cosign"), "{}", log());
}
