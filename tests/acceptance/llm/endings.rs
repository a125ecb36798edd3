//! How each way to end badly is told, and that what may pass is tried again.

use serde_json::{Value, json};
use testkit::model::{End, Model, Reply, Turn};

use super::site::{Site, failure, seconds, stop};

/// A case: the agent, its provider, what its endpoint does, more keys of its block, and the code that it ends with.
type Case = (&'static str, &'static str, Reply, &'static str, &'static str, bool);

fn says(turn: Turn) -> Reply {
    Reply::Says(turn)
}

fn cut(end: End) -> Reply {
    says(Turn::text("one two three").ending(end))
}

fn cases() -> Vec<Case> {
    let call = |tool: &str, arguments: Value| says(Turn::call(tool, arguments));
    vec![
        ("busy", "openai", Reply::status(429, "{\"error\":{\"message\":\"slow down\"}}"), "", "model_busy", true),
        ("overloaded", "anthropic", Reply::status(529, ""), "", "model_busy", true),
        ("broken", "openai", Reply::status(500, "oh"), "", "model_unavailable", true),
        ("late", "ollama", Reply::status(504, ""), "", "model_timeout", true),
        ("refused", "anthropic", Reply::status(400, "{\"error\":{\"message\":\"no such field\"}}"), "", "model_refused", false),
        ("locked", "openai", Reply::status(401, ""), "", "bad_key", false),
        ("forbidden", "anthropic", Reply::status(403, ""), "", "bad_key", false),
        ("absent", "ollama", Reply::status(404, "{\"error\":\"model 'm-1' not found\"}"), "", "no_such_model", false),
        ("resets", "openai", Reply::Reset, "", "model_unavailable", true),
        ("silent", "anthropic", Reply::Silence, ", stall: 300ms", "stalled", true),
        ("stalls", "openai", cut(End::Silence), ", stall: 300ms", "stalled", true),
        ("breaks-a", "anthropic", cut(End::Reset), "", "model_unavailable", true),
        ("breaks-o", "openai", cut(End::Reset), "", "model_unavailable", true),
        ("breaks-l", "ollama", cut(End::Reset), "", "model_unavailable", true),
        ("short-a", "anthropic", cut(End::Short), "", "bad_response", true),
        ("short-o", "openai", cut(End::Short), "", "bad_response", true),
        ("short-l", "ollama", cut(End::Short), "", "bad_response", true),
        ("garbled-a", "anthropic", cut(End::Garbage), "", "bad_response", true),
        ("garbled-o", "openai", cut(End::Garbage), "", "bad_response", true),
        ("garbled-l", "ollama", cut(End::Garbage), "", "bad_response", true),
        ("fails-a", "anthropic", cut(End::Overloaded), "", "model_busy", true),
        ("fails-o", "openai", cut(End::Overloaded), "", "model_unavailable", true),
        ("fails-l", "ollama", cut(End::Overloaded), "", "model_unavailable", true),
        ("endless-a", "anthropic", cut(End::Endless), ", limits: {output: 64KiB}", "output_limit", false),
        ("endless-o", "openai", cut(End::Endless), ", limits: {output: 64KiB}", "output_limit", false),
        ("endless-l", "ollama", cut(End::Endless), ", limits: {output: 64KiB}", "output_limit", false),
        ("slow", "openai", cut(End::Silence), ", limits: {time: 300ms}", "time_limit", false),
        ("empty", "anthropic", says(Turn::default()), "", "no_answer", false),
        ("blank", "openai", Reply::text("  "), "", "no_answer", false),
        ("long", "anthropic", says(Turn::text("one two").stopping("max_tokens")), "", "answer_cut", false),
        ("long-l", "ollama", says(Turn::text("one two").stopping("length")), "", "answer_cut", false),
        ("declines", "anthropic", says(Turn::text("No.").stopping("refusal")), "", "model_refused", false),
        ("turns", "openai", call("report_progress", json!({"status": "on"})), ", turns: 3", "turns_spent", false),
        ("wrong-tool", "openai", call("rm", json!({})), "", "bad_tool_calls", false),
        ("wrong-words", "anthropic", call("ask", json!({"to": "x"})), "", "bad_tool_calls", false),
        ("wrong-json", "openai", call("ask", json!("{oops")), "", "bad_tool_calls", false),
        ("wrong-name", "ollama", call("ask", json!({"to": "a b", "question": "?"})), "", "bad_tool_calls", false),
    ]
}

#[test]
fn every_bad_end_has_a_typed_reason() {
    let site = Site::new();
    let cases = cases();
    let models: Vec<_> = cases.iter().map(|case| Model::replying(vec![case.2.clone()])).collect();
    for ((name, provider, _, more, _, _), model) in cases.iter().zip(&models) {
        site.agent(name, &format!("handler: llm, provider: {provider}, model: m-1, url: '{}'{more}", model.url("")), "You write.");
    }
    let up = site.up();
    let posted: Vec<_> = cases.iter().map(|case| site.post(case.0, "Write.", &json!({}))).collect();
    for ((name, _, _, _, code, again), id) in cases.iter().zip(posted) {
        let record = site.ended(&id);
        let failure = failure(&record);
        assert_eq!(failure["code"], *code, "{name}: {record:#}");
        assert_eq!(record["state"], if *again { "dead" } else { "failed" }, "{name}: {record:#}");
    }
    let asked = |name: &str| models[cases.iter().position(|case| case.0 == name).expect("a case")].requests();
    assert_eq!(asked("turns").len(), 3, "as many turns as it has");
    assert_eq!(asked("turns")[2].body["tool_choice"], "none", "the last one is for the answer");
    assert_eq!(asked("wrong-tool").len(), 4);
    assert!(asked("wrong-tool")[3].tool_results()[0].contains("no_such_tool"), "the model is told");
    assert!(asked("wrong-json")[1].tool_results()[0].contains("no JSON object"));
    assert_eq!(asked("empty").len(), 1);
    stop(up);
}

#[test]
fn nobody_is_there() {
    let site = Site::new();
    let url = Model::replying(vec![Reply::text("x")]).url("");
    let gone = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    site.agent("gone", &format!("handler: llm, provider: openai, model: m-1, url: 'http://127.0.0.1:{gone}'"), "");
    site.agent("keyless", &format!("handler: llm, provider: openai, model: m-1, key: 'env:NO_SUCH_KEY', url: '{url}'"), "");
    assert_eq!(site.run(&["trust", "."]).code, Some(0));
    site.agent("vendor", "handler: llm, model: claude-x", "");
    site.agent("aliased", "handler: llm, model: sonnet", "");
    site.agent("abroad", "handler: llm, provider: openai, model: m-1, url: 'https://models.example.com'", "");
    let up = site.up();
    assert_eq!(failure(&site.ask("gone", "Write."))["code"], "model_unavailable");
    let keyless = failure(&site.ask("keyless", "Write."));
    assert_eq!(keyless["code"], "no_key");
    assert!(keyless["message"].as_str().is_some_and(|why| why.contains("NO_SUCH_KEY")) && keyless["hint"].is_string(), "{keyless:#}");
    assert!(failure(&site.ask("vendor", "Write."))["message"].as_str().is_some_and(|why| why.contains("ANTHROPIC_API_KEY")));
    let said = stop(up).stderr;
    assert!(said.contains("aliased does not run: its handler is llm, and its model is 'sonnet', which only Claude Code knows"), "{said}");
    assert!(said.contains("abroad does not run: ") && said.contains("agentbus trust"), "an endpoint elsewhere needs trust: {said}");
}

#[test]
fn what_may_pass_is_tried_again_and_not_before_it_is_time() {
    let site = Site::new();
    let busy = Reply::Status(429, vec![("retry-after".to_owned(), "2".to_owned())], String::new());
    let model = Model::replying(vec![busy, Reply::text("At last.")]);
    site.agent("patient", &format!("handler: llm, provider: openai, model: m-1, url: '{}'", model.url("/v1")), "");
    let up = site.up();
    let (record, took) = seconds(|| site.ask_with("patient", "Write.", &json!({"attempts": 3})));
    assert_eq!((&record["state"], &record["answer"]["attempt"]), (&"completed".into(), &2.into()), "{record:#}");
    assert!(took >= 2.0, "it was not time yet: {took}");
    let first = &record["attempts"][0]["failure"];
    assert_eq!(
        (&first["code"], &first["retry_after_ms"], &first["status"]),
        (&"model_busy".into(), &2000.into(), &429.into()),
        "{first:#}"
    );
    stop(up);
}

#[test]
fn a_redirect_is_not_followed() {
    let site = Site::new();
    let elsewhere = Model::replying(vec![Reply::text("stolen")]);
    let moved = Reply::Status(307, vec![("location".to_owned(), elsewhere.url("/v1/chat/completions"))], String::new());
    let model = Model::replying(vec![moved]);
    site.agent("moved", &format!("handler: llm, provider: openai, model: m-1, key: 'env:MODEL_KEY', url: '{}'", model.url("/v1")), "");
    assert_eq!(site.run(&["trust", "."]).code, Some(0));
    let up = site.up();
    let record = site.ask("moved", "Write.");
    assert_eq!((&record["state"], &failure(&record)["code"]), (&"failed".into(), &"redirected".into()), "{record:#}");
    assert!(elsewhere.requests().is_empty(), "the key went where nobody sent it");
    stop(up);
}

#[test]
fn a_budget_ends_a_model_before_its_next_turn() {
    let site = Site::new();
    let model = Model::replying(vec![says(Turn::call("report_progress", json!({"status": "on"})))]);
    site.agent("spender", &format!("handler: llm, provider: anthropic, model: m-1, url: '{}'", model.url("")), "");
    let up = site.up();
    let record = site.ask_with("spender", "Write.", &json!({"budget": {"tokens": 40}}));
    assert_eq!((&record["state"], &failure(&record)["code"]), (&"failed".into(), &"budget_spent".into()), "{record:#}");
    let requests = model.requests();
    assert_eq!(requests.len(), 3, "15 tokens a turn");
    let allowed: Vec<_> = requests.iter().map(|request| request.body["max_tokens"].clone()).collect();
    assert_eq!(allowed, [40, 25, 10], "no turn may write more than is left");
    assert_eq!(record["answer"]["usage"], json!({"model": "m-1", "input_tokens": 30, "output_tokens": 15}), "a failure costs, too");
    stop(up);
}
