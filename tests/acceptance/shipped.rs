//! The definitions that are shipped, on a bus: each one's own context query is answered, and nothing that
//! its file only shows as an example ever comes back.

use std::path::{Path, PathBuf};

use agentbus::{Bus, Options, State};
use serde_json::Value;
use testkit::{Process, agentbus};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../agents")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_of_theirs_is_answered_without_anything_invented() {
    let loaded = roster::load(&[folder()]);
    let home = tempfile::tempdir().expect("a folder");
    let up = Process::start(agentbus(home.path()).args(["up", "--agents"]).arg(folder()));
    let said = up.says("Ctrl-C drains");
    assert!(said.contains(&format!("{} agents", loaded.definitions.len())), "{said}");
    let url = said.split_whitespace().find(|word| word.starts_with("nats://")).expect("the server's address");

    for agent in &loaded.definitions {
        let bus = Bus::connect(Options::new(url, agent.name.clone())).await.expect("the bus is there");
        let query = agent.context_queries.first().expect("a context query").query.clone();
        let ended = bus.ask(query).await.expect("it is posted").ended().await.expect("it ends");
        assert_eq!(ended.state, State::Completed, "{}: {}", agent.name, ended.notification());
        let answer = ended.answer.expect("an answer");
        let manager = agent.name.as_str() == "context-manager";
        assert_eq!(answer.agent.as_str() == "context-manager", !manager, "{}: nobody is its own answer", agent.name);

        let text = serde_json::to_string(&answer).expect("text");
        for invented in examples(agent) {
            assert!(!text.contains(&invented), "{}: '{invented}' is made up", agent.name);
        }
    }
    up.signal("TERM");
    assert_eq!(up.finish().code, Some(0));
}

/// The texts and the names of fields that a file shows in its progress report and delivery notification.
fn examples(agent: &roster::Definition) -> Vec<String> {
    let progress = agent.progress.iter().filter_map(|example| example.progress.progress.as_ref()).flatten();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let shown: Vec<_> = progress.flat_map(|(field, value)| std::iter::once(field.clone()).chain(text(value))).collect();
    assert!(shown.len() > 2, "{} shows a report", agent.name);
    shown.into_iter().chain(agent.delivery.clone()).collect()
}
