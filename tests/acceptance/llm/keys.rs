//! Nobody sees a key: not in the ledger, not in what a command prints, and not in the log, whatever an endpoint does with it.

use serde_json::json;
use testkit::model::{End, Model, Reply, Turn};

use super::site::{KEY, Site, failure, stop};

#[test]
fn a_key_that_an_endpoint_says_is_seen_by_nobody() {
    let site = Site::new();
    let echo = format!("you sent {KEY}!");
    let in_pieces = Turn { pieces: KEY.chars().map(String::from).collect(), ..Turn::text("") };
    let tool = Turn::call("ask", json!({"to": "nobody-here", "question": echo})).and_call("set_fact", json!({"key": "a.b", "value": echo}));
    let misused = (0..3).fold(Turn::call("ask", json!(echo)), |turn, _| turn.and_call("ask", json!(echo)));
    let headers = vec![("x-echo".to_owned(), KEY.to_owned())];
    let replies = [
        ("refuses", Reply::Status(400, headers, json!({"error": {"message": echo}}).to_string())),
        ("says", Reply::text(&echo)),
        ("spells", Reply::Says(in_pieces)),
        ("repeats", Reply::text(&format!(r#"{{"x":"{KEY}","x":"ok"}}"#))),
        ("asks", Reply::Says(tool)),
        ("garbles", Reply::Says(Turn { pieces: vec![echo.clone()], ..Turn::text("") }.ending(End::Garbage))),
        ("misuses", Reply::Says(misused)),
        ("names", Reply::Says(Turn::call(KEY, json!({})))),
    ];
    let mut models = Vec::new();
    for (name, reply) in &replies {
        for provider in ["anthropic", "openai", "ollama"] {
            let (model, agent) = (Model::replying(vec![reply.clone()]), format!("{name}-{provider}"));
            let block = format!(
                "handler: llm, provider: {provider}, model: m-1, key: 'env:MODEL_KEY', turns: 3, url: '{}', headers: {{x-team: 'a ${{MODEL_KEY}}'}}",
                model.url("")
            );
            site.agent(&agent, &block, "");
            models.push((agent, model));
        }
    }
    assert_eq!(site.run(&["trust", "."]).code, Some(0));
    let up = site.up();
    let posted: Vec<_> = models.iter().map(|(agent, _)| site.post(agent, "Write.", &json!({}))).collect();
    let mut seen = String::new();
    for (id, (agent, model)) in posted.iter().zip(&models) {
        let record = site.ended(id);
        seen += &record.to_string();
        seen += &format!("{:?}", site.run(&["status", id]));
        let requests = model.requests();
        assert!(!requests.is_empty() && requests.iter().all(|request| request.headers["x-team"] == format!("a {KEY}")), "{agent} sent it");
        if agent.starts_with("refuses") {
            assert_eq!(failure(&record)["message"], "the model refuses the request (HTTP 400): you sent [redacted]!");
        }
        if agent.starts_with("spells") || agent.starts_with("says") {
            assert!(record["answer"]["result"].as_str().is_some_and(|text| text.contains("[redacted]")), "{record:#}");
        }
    }
    seen += &site.watched(&posted);
    seen += &format!("{:?}", site.run(&["agents", "--json"]));
    let ended = stop(up);
    assert!(ended.stderr.contains("TRACE") || ended.stderr.contains("DEBUG"), "everything was logged: {}", ended.stderr.len());
    for (place, text) in [("what commands show", seen), ("stdout", ended.stdout), ("the log", ended.stderr)] {
        let at = text.find(KEY);
        assert!(at.is_none(), "{place}: …{}…", text.chars().skip(at.unwrap_or_default().saturating_sub(200)).take(400).collect::<String>());
    }
    let ledger = site.path().join(".agentbus");
    assert!(!holds(&ledger, KEY.as_bytes()), "it is in a file of the ledger");
    assert!(holds(&ledger, b"[redacted]"), "the ledger was read");
}

/// Whether any file below a folder holds these bytes.
fn holds(folder: &std::path::Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(folder).expect("a folder").flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return holds(&path, bytes);
        }
        std::fs::read(&path).is_ok_and(|content| content.windows(bytes.len()).any(|window| window == bytes))
    })
}
