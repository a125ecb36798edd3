//! Credentials and TLS, with the real binary against real servers: every part works with the right
//! ones, and with wrong ones ends at once, says what is wrong and what to do. For who may do what
//! once it is in, see `permissions`.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use testkit::{Authority, Certified, ConfiguredServer, Operator, Output, Process, agentbus};

/// The commands that connect, each in its own way.
const COMMANDS: [&[&str]; 5] = [&["serve", "coordinator"], &["serve", "agents"], &["ask", "hello"], &["watch"], &["doctor", "--ready"]];

fn run(folder: &Path, words: &[&str], access: &[String]) -> Output {
    Process::run(agentbus(folder).args(words).args(access))
}

/// Every part of a bus, as processes of their own, with the same access.
fn whole_bus_works(folder: &Path, access: &[String]) {
    let coordinator = Process::start(agentbus(folder).args(["serve", "coordinator"]).args(access));
    let _ = coordinator.says("serves the bus 'bus'");
    let agents = Process::start(agentbus(folder).args(["serve", "agents"]).args(access));
    let _ = agents.says("1 agent;");
    let ready = run(folder, &["doctor", "--ready"], access);
    assert_eq!(ready.code, Some(0), "{ready:?}");
    let watch = Process::start(agentbus(folder).args(["watch", "--json", "--from-seq", "1"]).args(access));
    let asked = run(folder, &["ask", "--json", "--type", "get_project_context", "Context needed: languages"], access);
    assert_eq!(asked.code, Some(0), "{asked:?}");
    let record: Value = serde_json::from_str(&asked.stdout).expect("a record");
    assert_eq!(record["state"], "completed");
    let _ = watch.says("\"answer\"");
    for part in [watch, agents, coordinator] {
        part.signal("TERM");
        let ended = part.finish();
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
}

/// Every command ends with exit code 2 and this error. The code tells that it was no time-out, which
/// would be `unavailable`.
fn every_command_is_refused(folder: &Path, why: &str, access: &[String], code: &str, says: &str) {
    for words in COMMANDS {
        let output = Process::run(agentbus(folder).args(words).args(access).args(["--log-format", "json"]));
        assert_eq!(output.code, Some(2), "{why}: {words:?}: {output:?}");
        let lines: Vec<Value> = output.stderr.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect();
        let error = lines.iter().find(|line| line["level"] == "ERROR").unwrap_or_else(|| panic!("{why}: no error: {output:?}"));
        assert_eq!(error["code"], code, "{why}: {words:?}: {output:?}");
        assert!(error["message"].as_str().is_some_and(|text| text.contains(says)), "{why}: {words:?}: {error}");
    }
    let told = run(folder, &["list"], access);
    assert!(told.stderr.contains(&format!("error[{code}]")) && told.stderr.contains("hint: "), "{why}: {told:?}");
}

fn options(url: &str, more: &[(&str, &Path)]) -> Vec<String> {
    let mut all = vec!["--nats".to_owned(), url.to_owned()];
    for (option, file) in more {
        all.extend([(*option).to_owned(), file.display().to_string()]);
    }
    all
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

#[tokio::test]
async fn credentials_open_every_part_and_wrong_ones_none() {
    let (folder, operator) = (folder(), Operator::default());
    let server = ConfiguredServer::start(&operator.settings()).await;
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path
    };
    let access = |creds: &Path| options(&server.url(), &[("--creds", creds)]);
    let good = file("good.creds", operator.user("all"));
    whole_bus_works(folder.path(), &access(&good));

    let refused = |why: &str, access: &[String], code: &str, says: &str| every_command_is_refused(folder.path(), why, access, code, says);
    refused("no credentials", &options(&server.url(), &[]), "auth", "authorization violation");
    let expired = file("expired.creds", operator.expired_user("late"));
    refused("expired", &access(&expired), "auth", "authorization violation");
    let stranger = file("stranger.creds", Operator::default().user("stranger"));
    refused("another operator's", &access(&stranger), "auth", "authorization violation");
    refused("no file", &access(&folder.path().join("none.creds")), "unreadable_file", "none.creds");
    let secret = operator.user("cut").replace("---", "");
    let garbage = file("garbage.creds", secret.clone());
    refused("garbage", &access(&garbage), "unreadable_file", "garbage.creds");
    let told = run(folder.path(), &["list"], &access(&garbage));
    let seed = secret.lines().find(|line| line.starts_with("SU")).expect("a seed");
    assert!(!told.stderr.contains(seed), "a secret is shown: {told:?}");
}

/// A server that takes TLS connections with a client certificate of the same authority only.
async fn mutual(own: &Certified, authority: &Authority) -> ConfiguredServer {
    let (cert, key, ca) = (own.cert.display(), own.key.display(), authority.ca().display());
    ConfiguredServer::start(&format!("tls {{ cert_file: \"{cert}\", key_file: \"{key}\", ca_file: \"{ca}\", verify: true }}")).await
}

#[tokio::test]
async fn certificates_open_every_part_and_wrong_ones_none() {
    let folder = folder();
    let (authority, other) = (Authority::new(folder.path(), "ours"), Authority::new(folder.path(), "theirs"));
    let (server, client, stranger) = (authority.issue("server"), authority.issue("client"), other.issue("stranger"));
    let running = mutual(&server, &authority).await;
    let (url, ca) = (running.url(), ("--tls-ca", authority.ca()));
    let own = |own: &Certified, trusted: &Path| {
        options(&url, &[("--tls-ca", trusted), ("--tls-cert", own.cert.as_path()), ("--tls-key", own.key.as_path())])
    };
    whole_bus_works(folder.path(), &own(&client, authority.ca()));

    let refused = |why: &str, access: &[String], code: &str, says: &str| every_command_is_refused(folder.path(), why, access, code, says);
    refused("no authority", &options(&url, &[]), "tls", "an authority that is not trusted here");
    refused("an unknown authority", &own(&client, other.ca()), "tls", "an authority that is not trusted here");
    refused("no client certificate", &options(&url, &[ca]), "tls", "client certificate");
    refused("a stranger's certificate", &own(&stranger, authority.ca()), "tls", "client certificate");
    refused("no file", &options(&url, &[("--tls-ca", &folder.path().join("none.pem"))]), "unreadable_file", "none.pem");
    refused("no certificate in it", &own(&client, &client.key), "unreadable_file", "no PEM certificate");
    let swapped = Certified { cert: client.cert.clone(), key: client.cert.clone() };
    refused("no key in it", &own(&swapped, authority.ca()), "unreadable_file", "--tls-key");
    let mixed = Certified { cert: client.cert.clone(), key: stranger.key.clone() };
    refused("another certificate's key", &own(&mixed, authority.ca()), "tls", "key");
    let alone = run(folder.path(), &["list"], &options(&url, &[ca, ("--tls-cert", client.cert.as_path())]));
    assert_eq!(alone.code, Some(64), "{alone:?}");
}

#[tokio::test]
async fn a_server_that_cannot_prove_itself_is_refused() {
    let folder = folder();
    let authority = Authority::new(folder.path(), "ours");
    let expired = mutual(&authority.issue_expired("server"), &authority).await;
    let access = |server: &ConfiguredServer| options(&server.url(), &[("--tls-ca", authority.ca())]);
    every_command_is_refused(folder.path(), "expired", &access(&expired), "tls", "has expired");
    let plain = ConfiguredServer::start("").await;
    every_command_is_refused(folder.path(), "no TLS", &access(&plain), "tls", "");
}

#[tokio::test]
async fn a_password_in_an_address_logs_in_and_is_never_shown() {
    let folder = folder();
    let server = ConfiguredServer::start("authorization { users: [ { user: \"me\", password: \"p@ss/word\" } ] }").await;
    let typed = server.url_for("me", "p%40ss%2Fword");
    let access = options(&typed, &[]);
    whole_bus_works(folder.path(), &access);

    let secrets = ["p%40ss", "p@ss"];
    let hidden = |output: &Output| assert!(!secrets.iter().any(|secret| format!("{output:?}").contains(secret)), "{output:?}");
    let coordinator = Process::start(agentbus(folder.path()).args(["serve", "coordinator"]).args(&access).env("RUST_LOG", "trace"));
    assert!(coordinator.says("serves the bus").contains(&server.url()));
    for words in [&["doctor"][..], &["doctor", "--json"], &["ask", "--timeout", "1s", "hello"], &["agents"]] {
        hidden(&Process::run(agentbus(folder.path()).args(words).args(&access).env("RUST_LOG", "debug")));
        hidden(&Process::run(agentbus(folder.path()).args(words).env("NATS_URL", &typed)));
    }
    let wrong = options(&server.url_for("me", "p%40ssion"), &[]);
    every_command_is_refused(folder.path(), "a wrong password", &wrong, "auth", "authorization violation");
    hidden(&run(folder.path(), &["list"], &wrong));
    hidden(&run(folder.path(), &["list"], &options("nats://me:p@ss/word@127.0.0.1:4222", &[])));
    coordinator.signal("TERM");
    hidden(&coordinator.finish());

    let up = Process::start(agentbus(folder.path()).arg("up").args(&access));
    let _ = up.says("Ctrl-C drains");
    hidden(&run(folder.path(), &["agents"], &[]));
    hidden(&run(folder.path(), &["up"], &[]));
    up.signal("TERM");
    hidden(&up.finish());
}
