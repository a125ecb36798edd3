//! Agents whose work is done behind a URL: what is sent, what comes back, and how each way to end is told.

use serde_json::json;
use testkit::model::{End, Model, Reply};

use crate::llm::site::{KEY, Site, bodies, failure, stop};

fn lines(lines: &[&str], end: End) -> Reply {
    Reply::Lines(lines.iter().map(|line| (*line).to_owned()).collect(), end)
}

fn agent(site: &Site, name: &str, model: &Model, more: &str) {
    site.agent(name, &format!("handler: http, url: '{}'{more}", model.url(&format!("/hooks/{name}?a=b"))), "");
}

#[test]
fn a_query_is_posted_and_what_streams_back_is_carried() {
    let site = Site::new();
    let answer = r#"{"type":"answer","delivery":"Counted.","result":[1],"unknown":["budget"],"usage":{"output_tokens":3}}"#;
    let streamed = lines(
        &[
            "",
            "starting",
            r#"{"type":"progress","status":"counting","progress":{"files_counted":7}}"#,
            r#"{"type":"fact","key":"tests.count","value":7,"source":"the test folder"}"#,
            answer,
            r#"{"type":"answer","delivery":"Not read."}"#,
        ],
        End::Silence,
    );
    let model = Model::replying(vec![streamed]);
    agent(&site, "counter", &model, ", headers: {authorization: 'Bearer ${MODEL_KEY}', x-team: blue}");
    let up = site.up();
    assert!(!site.run(&["agents"]).stdout.contains("counter"), "it needs trust");
    let trusted = site.run(&["trust", "."]);
    assert_eq!(trusted.code, Some(0), "{trusted:?}");
    assert!(trusted.stdout.contains("/hooks/counter") && !trusted.stdout.contains(KEY), "{}", trusted.stdout);

    let record = site.ask("counter", "How many?");
    let given = &record["answer"];
    assert_eq!(
        (&record["state"], &given["delivery"], &given["result"]),
        (&"completed".into(), &"Counted.".into(), &json!([1])),
        "{record:#}"
    );
    assert_eq!((&given["unknown"][0], &given["usage"]["output_tokens"]), (&"budget".into(), &3.into()));
    let source = given["facts"][0]["source"].as_str().expect("a source");
    assert!(
        source.starts_with("the test folder; told by the endpoint: http://127.0.0.1") && source.ends_with("/hooks/counter"),
        "{source}"
    );
    assert_eq!(bodies(&record, "progress")[0]["progress"]["files_counted"], 7);

    let [request] = &model.requests()[..] else { panic!("asked once") };
    let header = |name: &str| request.headers.get(name).cloned().unwrap_or_default();
    let id = record["id"].as_str().expect("an id");
    assert_eq!((header("authorization"), header("x-team")), (format!("Bearer {KEY}"), "blue".to_owned()));
    assert_eq!(
        (header("agentbus-query-id"), header("idempotency-key"), header("agentbus-attempt")),
        (id.to_owned(), id.to_owned(), "1".to_owned())
    );
    assert_eq!(
        (header("accept"), header("content-type")),
        ("application/x-ndjson, application/json".to_owned(), "application/json".to_owned())
    );
    let sent = &request.body;
    assert_eq!((&sent["type"], &sent["id"], &sent["from"], &sent["attempt"]), (&"query".into(), &record["id"], &"alice".into(), &1.into()));
    assert_eq!(
        (&sent["payload"]["query"], &sent["agent"], &sent["deadline"]),
        (&"How many?".into(), &"counter".into(), &record["deadline"])
    );
    let ended = stop(up);
    assert!(ended.stderr.contains("starting"), "other lines are logged");
    assert!(!ended.stderr.contains(KEY) && !record.to_string().contains(KEY), "the key was seen");
}

#[test]
fn one_answer_may_come_in_the_words_of_the_bus_or_in_others() {
    let site = Site::new();
    let replies = [
        ("answers", json!({"delivery": "Done.", "result": {"n": 1}, "facts": [{"key": "a.b", "value": 1}]}), json!({"n": 1})),
        ("typed", json!({"type": "answer", "delivery": "Done.", "result": 2}), json!(2)),
        ("plain", json!({"price": 7}), json!({"price": 7})),
        ("listed", json!([1, 2]), json!([1, 2])),
    ];
    let models: Vec<_> = replies.iter().map(|(_, body, _)| Model::replying(vec![Reply::Json(body.clone())])).collect();
    for ((name, _, _), model) in replies.iter().zip(&models) {
        agent(&site, name, model, "");
    }
    assert_eq!(site.run(&["trust", "."]).code, Some(0));
    let up = site.up();
    for (name, _, result) in &replies {
        let record = site.ask(name, "Please.");
        assert_eq!((&record["state"], &record["answer"]["result"]), (&"completed".into(), result), "{name}: {record:#}");
        assert_eq!(record["answer"]["delivery"], "Done.", "{name}");
    }
    stop(up);
}

#[test]
fn every_bad_end_has_a_typed_reason() {
    let site = Site::new();
    let progress = r#"{"type":"progress","status":"on"}"#;
    let html = Reply::Status(200, vec![("content-type".to_owned(), "text/html".to_owned())], "<html>".to_owned());
    let broken = Reply::Status(200, vec![("content-type".to_owned(), "application/json".to_owned())], "{oops".to_owned());
    let elsewhere = Model::replying(vec![Reply::Json(json!(1))]);
    let moved = Reply::Status(302, vec![("location".to_owned(), elsewhere.url("/"))], String::new());
    let long = "x".repeat(2 << 20);
    // The key in another of the ways in which JSON can write it.
    let spelt = |kind: &str, field: &str| format!(r#"{{"type":"{kind}","value":1,"{field}":"{}"}}"#, KEY.replace('-', r"\u002d"));
    let nearly = KEY.split_at(KEY.len() - 1).0;
    let breaking = Reply::Status(401, vec![("content-length".to_owned(), "300".to_owned())], format!("bad {nearly}"));
    let cases = [
        ("silent", Reply::Silence, ", stall: 300ms", "stalled", true),
        ("stalls", lines(&[progress], End::Silence), ", stall: 300ms", "stalled", true),
        ("slow", lines(&[progress], End::Silence), ", limits: {time: 300ms}", "time_limit", false),
        ("resets", Reply::Reset, "", "endpoint_unavailable", true),
        ("breaks", lines(&[progress], End::Reset), "", "endpoint_unavailable", true),
        ("ends", lines(&[progress], End::Whole), "", "no_answer", false),
        ("empty", Reply::status(204, ""), "", "no_answer", false),
        ("untyped", Reply::status(200, ""), "", "bad_response", false),
        ("html", html, "", "bad_response", false),
        ("broken", broken, "", "bad_response", false),
        ("garbled", lines(&[progress], End::Garbage), "", "bad_response", false),
        ("mistaken", lines(&[r#"{"type":"fact","key":"A B","value":1}"#], End::Whole), "", "bad_response", false),
        ("long", lines(&[&long], End::Whole), "", "bad_response", false),
        ("asks", lines(&[r#"{"type":"question","text":"Which?"}"#], End::Silence), "", "unsupported", false),
        ("endless", lines(&["on and on"], End::Endless), ", limits: {output: 64KiB}", "output_limit", false),
        ("late", Reply::status(408, ""), "", "endpoint_timeout", true),
        ("early", Reply::status(425, ""), "", "endpoint_busy", true),
        ("busy", Reply::status(429, ""), "", "endpoint_busy", true),
        ("down", Reply::status(503, "oh"), "", "endpoint_unavailable", true),
        ("refused", Reply::status(422, "no such field"), "", "endpoint_refused", false),
        ("moved", moved, "", "redirected", false),
        ("keyless", Reply::Json(json!(1)), ", headers: {x: '${NO_SUCH_KEY}'}", "no_key", false),
        (
            "escapes",
            lines(&[&spelt("progress", "status"), &spelt("fact", "key")], End::Whole),
            ", headers: {x: '${MODEL_KEY}'}",
            "bad_response",
            false,
        ),
        // Only so much is read of a refusal, and here that ends one character before the key does.
        ("cuts", Reply::status(400, &format!("{:>4097}", KEY)), ", headers: {x: '${MODEL_KEY}'}", "endpoint_refused", false),
        ("stops-early", breaking, ", headers: {x: '${MODEL_KEY}'}", "endpoint_refused", false),
        ("echoes", Reply::status(400, &format!("bad key {KEY}")), ", headers: {x: '${MODEL_KEY}'}", "endpoint_refused", false),
    ];
    let models: Vec<_> = cases.iter().map(|case| Model::replying(vec![case.1.clone()])).collect();
    for ((name, _, more, _, _), model) in cases.iter().zip(&models) {
        agent(&site, name, model, more);
    }
    site.agent("nowhere", "handler: http", "");
    assert_eq!(site.run(&["trust", "."]).code, Some(0));
    let up = site.up();
    let posted: Vec<_> = cases.iter().map(|case| site.post(case.0, "Please.", &json!({}))).collect();
    for ((name, _, _, code, again), id) in cases.iter().zip(posted) {
        let record = site.ended(&id);
        assert_eq!(failure(&record)["code"], *code, "{name}: {record:#}");
        assert_eq!(record["state"], if *again { "dead" } else { "failed" }, "{name}: {record:#}");
        assert!(!record.to_string().contains(nearly), "{record:#}");
    }
    assert!(elsewhere.requests().is_empty(), "a redirect was followed");
    let said = stop(up).stderr;
    assert!(said.contains("nowhere does not run: its handler is http, and it names no 'url'"), "{said}");
    assert!(!said.contains(nearly), "the key was logged");
}

#[test]
fn a_url_that_changes_loses_its_trust() {
    let site = Site::new();
    let (model, other) = (Model::replying(vec![Reply::Json(json!(1))]), Model::replying(vec![Reply::Json(json!(2))]));
    agent(&site, "hook", &model, "");
    assert_eq!(site.run(&["trust", "."]).code, Some(0));
    agent(&site, "hook", &other, "");
    let up = site.up();
    assert!(!site.run(&["agents"]).stdout.contains("hook"));
    assert!(other.requests().is_empty());
    let said = stop(up).stderr;
    assert!(said.contains("hook does not run: ") && said.contains("the setting url"), "{said}");
}
