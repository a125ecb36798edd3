//! The official clients, Python and TypeScript, installed once below `target` as they are pinned: each receives every
//! progress message, in order, and what a tool gives back.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use testkit::{Process, binary};

use super::World;

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("mcp")
}

/// A folder below `target` with what these files pin. `install` is run where they are not there yet, or others.
fn installed(name: &str, pinned: &[&str], install: impl Fn(&Path) -> Command) -> PathBuf {
    let place = binary("agentbus").parent().and_then(Path::parent).expect("target").join(name);
    let lock = fs::File::create(place.with_extension("lock")).expect("a lock file");
    lock.lock().expect("the only one that installs");
    let is_same =
        |file: &&str| fs::read(place.join(file)).is_ok_and(|there| there == fs::read(scripts().join(file)).expect("what is pinned"));
    if place.join("installed").exists() && pinned.iter().all(is_same) {
        return place;
    }
    let _ = fs::remove_dir_all(&place);
    fs::create_dir_all(&place).expect("a folder");
    for file in pinned {
        fs::copy(scripts().join(file), place.join(file)).expect("it is copied");
    }
    let mut command = install(&place);
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    fs::write(place.join("installed"), "").expect("a stamp");
    place
}

fn python(url: &str, mode: &str) -> Command {
    let packages = installed("mcp-python", &["requirements.txt"], |place| {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:"]);
        pip.arg("--target").arg(place).arg("--requirement").arg(place.join("requirements.txt"));
        pip
    });
    let mut command = Command::new("python3");
    command.arg(scripts().join("client.py")).arg(binary("agentbus")).args([url, mode]).env("PYTHONPATH", packages);
    command
}

fn typescript(url: &str) -> Command {
    let packages = installed("mcp-typescript", &["package.json", "package-lock.json"], |place| {
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(place);
        npm
    });
    // Node looks for packages beside the script.
    fs::copy(scripts().join("client.mjs"), packages.join("client.mjs")).expect("it is copied");
    let mut command = Command::new("node");
    command.arg(packages.join("client.mjs")).arg(binary("agentbus")).arg(url);
    command
}

fn check(output: &testkit::Output) {
    assert_eq!(output.code, Some(0), "{output:?}");
    let found: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let progress: Vec<_> = found["progress"].as_array().expect("messages").iter().filter_map(Value::as_str).collect();
    let counted: Vec<_> = progress.iter().filter(|message| message.starts_with("counter: ")).copied().collect();
    let expected: Vec<_> = (1..=200).map(|n| format!("counter: counting n={n}")).collect();
    assert_eq!(counted, expected, "every progress report, in order");
    assert!(progress[0].ends_with("is posted") && progress[1] == "counter has taken it", "{:?}", &progress[..2]);
    assert_eq!((&found["state"], &found["is_error"]), (&json!("completed"), &json!([false, true])), "{found}");
    assert_eq!((&found["code"], &found["agent"]), (&json!("not_found"), &json!("counter")), "{found}");
    let tools = found["tools"].as_array().expect("tools");
    for tool in ["ask", "wait_for_request", "answer_request", "list_agents", "explain_route"] {
        assert!(tools.contains(&json!(tool)), "{tool}: {tools:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_client_is_told_everything_in_order() {
    let world = World::start().await;
    check(&Process::run(&mut python(&world.url(), "legacy")));
}

#[tokio::test(flavor = "multi_thread")]
async fn so_it_is_in_the_newest_revision() {
    let world = World::start().await;
    check(&Process::run(&mut python(&world.url(), "auto")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_typescript_client_is_told_everything_in_order() {
    let world = World::start().await;
    check(&Process::run(&mut typescript(&world.url())));
}
