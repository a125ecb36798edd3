//! Agents whose work a model does, against a stand-in endpoint that speaks the three APIs: what they answer, what they do on the
//! bus, and how each way to end is told.

mod endings;
mod keys;
pub(crate) mod site;

use serde_json::{Value, json};
use testkit::{
    eventually,
    model::{Model, Reply, Turn},
};

use self::site::{Site, bodies, failure, stop, streamed};

/// A provider, what its url ends with, and the header and the prefix of its key.
type Api = (&'static str, &'static str, Option<(&'static str, &'static str)>);

/// The APIs that there are.
const APIS: [Api; 3] =
    [("anthropic", "", Some(("x-api-key", ""))), ("openai", "/v1", Some(("authorization", "Bearer "))), ("ollama", "/", None)];

/// An agent for each API, at an endpoint of its own.
fn poets(site: &Site, script: impl Fn() -> Model) -> Vec<(String, Model)> {
    let poet = |(provider, path, key): (&str, &str, Option<(&str, &str)>)| {
        let (model, name) = (script(), format!("{provider}-poet"));
        let key = key.map_or("", |_| ", key: 'env:MODEL_KEY'");
        let url = model.url(path);
        site.agent(
            &name,
            &format!("handler: llm, provider: {provider}, model: m-1, url: '{url}', max_tokens: 500{key}"),
            "You write poems.",
        );
        (name, model)
    };
    APIS.into_iter().map(poet).collect()
}

#[test]
fn a_model_answers_by_each_api_and_what_it_costs_is_told() {
    let site = Site::new();
    let text = "The bus runs on, and every word it carries is one that somebody has said.";
    let poets = poets(&site, || Model::replying(vec![Reply::text(text)]));
    let trusted = site.run(&["trust", "."]).stdout;
    assert!(trusted.contains("openai-poet") && !trusted.contains("ollama-poet"), "only who names a key needs trust here: {trusted}");
    let up = site.up();
    assert!(up.stdout().contains("4 agents"), "no endpoint on this machine needs trust: {}", up.stdout());
    for ((name, model), (provider, _, key)) in poets.iter().zip(APIS) {
        let record = site.ask(name, "A line about a bus.");
        let answer = &record["answer"];
        assert_eq!((&record["state"], &answer["result"]), (&"completed".into(), &text.into()), "{record:#}");
        assert_eq!(answer["usage"], json!({"model": "m-1", "input_tokens": 10, "output_tokens": 5}), "{answer:#}");
        assert_eq!(streamed(&record), text, "the answer streams as progress");
        let [request] = &model.requests()[..] else { panic!("{provider} was asked once") };
        assert_eq!((&request.body["model"], &request.body["stream"]), (&"m-1".into(), &true.into()));
        let system = request.system();
        assert!(system.starts_with("You write poems.\n\n## Your place"), "{system}");
        assert!(system.contains("asked by: alice") && system.contains(record["id"].as_str().expect("an id")), "{system}");
        assert!(request.body.to_string().contains("A line about a bus."));
        let sent: Vec<_> = ["x-api-key", "authorization"].into_iter().filter_map(|name| request.headers.get(name).cloned()).collect();
        let wanted: Vec<_> = key.into_iter().map(|(_, before)| format!("{before}{}", site::KEY)).collect();
        assert_eq!(sent, wanted, "{provider} is given the key as it wants it");
    }
    let known = site.json(&["ask", "--json", "--to", "context-manager", "text"]);
    assert_eq!(known["answer"]["facts"], Value::Null, "the words of an answer are no facts: {known:#}");
    stop(up);
}

#[test]
fn a_model_asks_others_reports_and_puts_down_facts() {
    let site = Site::new();
    let script = || {
        Model::start(|at, request| match at {
            0 => Reply::Says(
                Turn::call("ask", json!({"to": "counter", "question": "How many tests?"}))
                    .and_call("ask", json!({"to": "nobody-here", "question": "Who are you?"}))
                    .and_call("report_progress", json!({"status": "counting", "details": {"done": 1}}))
                    .and_call("set_fact", json!({"key": "tests.count", "value": 7, "source": "counter's answer"}))
                    .and_call("set_fact", json!({"key": "tests.mood", "value": "good", "kind": "value"})),
            ),
            _ => Reply::text(&format!("told: {}", request.tool_results().len())),
        })
    };
    site.agent("counter", r#"handler: exec, command: ['sh', 'count.sh']"#, "");
    site.write("count.sh", r#"echo '{"type":"answer","delivery":"Seven.","result":7,"usage":{"input_tokens":100,"output_tokens":1}}'"#);
    let poets = poets(&site, script);
    assert_eq!(site.run(&["trust", "."]).code, Some(0));
    let up = site.up();
    for (name, model) in &poets {
        let record = site.ask(name, "Count the tests.");
        let answer = &record["answer"];
        assert_eq!((&record["state"], &answer["result"]), (&"completed".into(), &"told: 5".into()), "{record:#}");
        assert_eq!(
            answer["usage"],
            json!({"model": "m-1", "input_tokens": 20, "output_tokens": 10}),
            "both turns, and not what others spent"
        );
        let results: Vec<Value> = model.requests()[1].tool_results().iter().map(|text| serde_json::from_str(text).expect("JSON")).collect();
        assert_eq!(
            (&results[0]["state"], &results[0]["agent"], &results[0]["result"]),
            (&"completed".into(), &"counter".into(), &7.into())
        );
        assert_eq!((&results[1]["state"], &results[1]["failure"]), (&"unroutable".into(), &"no_agent".into()), "{results:#?}");
        let child = site.record(results[0]["query"].as_str().expect("an id"));
        let asked = &bodies(&child, "query")[0];
        assert_eq!((&asked["requesting_agent"], &asked["parent"]), (&name.as_str().into(), &record["id"]), "{asked:#}");

        let (told, facts) = (format!("told by model m-1, for query {}", record["id"].as_str().expect("an id")), &answer["facts"]);
        let fact = |at: usize| (facts[at]["kind"].clone(), facts[at]["source"].clone(), facts[at]["observed_by"].clone());
        let by = Value::from(name.as_str());
        assert_eq!(fact(0), ("value".into(), format!("counter's answer; {told}").into(), by.clone()), "{facts:#}");
        assert_eq!(fact(1), ("evidence".into(), told.into(), by), "without a source it is evidence");
        let reports = bodies(&record, "progress");
        let says = |status: &str| reports.iter().any(|report| report["status"] == status);
        assert!(says("counting") && says("asking counter: How many tests?"), "{reports:#?}");
    }
    stop(up);
}

#[test]
fn a_model_asks_its_requester_and_goes_on_with_the_reply() {
    let site = Site::new();
    let script = || {
        Model::start(|at, request| match at {
            0 => Reply::Says(Turn::call("question", json!({"text": "In which language?", "choices": ["English", "French"]}))),
            _ => Reply::text(&request.tool_results().join("")),
        })
    };
    let poets = poets(&site, script);
    assert_eq!(site.run(&["trust", "."]).code, Some(0));
    let up = site.up();
    let (name, _) = &poets[0];
    let id = site.post(name, "A line.", &json!({}));
    let asked = eventually("the question", || {
        let record = site.record(&id);
        bodies(&record, "question").first().cloned().ok_or(record["state"].clone())
    });
    assert_eq!((&asked["text"], &asked["choices"][1]), (&"In which language?".into(), &"French".into()), "{asked:#}");
    let replied = site.run(&["reply", "--from", "alice", &id, "French"]);
    assert_eq!(replied.code, Some(0), "{replied:?}");
    let record = site.ended(&id);
    let told: Value = serde_json::from_str(record["answer"]["result"].as_str().expect("a text")).expect("JSON");
    assert_eq!((&record["state"], &told["reply"]), (&"completed".into(), &"French".into()), "{record:#}");
    stop(up);
}

#[test]
fn an_answer_is_held_to_the_schema_and_may_be_put_right_once() {
    let site = Site::new();
    let model = Model::start(|_, request| {
        let talk = request.body["messages"].to_string();
        match (talk.contains("good"), talk.contains("cannot be used")) {
            (true, false) => Reply::text("I would say {\"n\": \"seven\"}"),
            (true, true) => Reply::text("```json\n{\"n\": 7}\n```"),
            (false, _) => Reply::text("seven"),
        }
    });
    site.agent("counter", &format!("handler: llm, provider: openai, model: m-1, url: '{}'", model.url("/v1")), "You count.");
    let up = site.up();
    let schema = json!({"reply_schema": {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}});
    let record = site.ask_with("counter", "good", &schema);
    assert_eq!((&record["state"], &record["answer"]["result"]), (&"completed".into(), &json!({"n": 7})), "{record:#}");
    assert_eq!(record["answer"]["usage"]["output_tokens"], 10, "the repair costs, too");
    let requests = model.requests();
    let told = requests[0].body["messages"].to_string();
    assert!(
        told.contains("\\\"required\\\":[\\\"n\\\"]") && !requests[0].system().contains("required"),
        "the model is told the schema: {told}"
    );
    assert!(requests[1].body["messages"].to_string().contains("at /n: "), "and what was wrong: {}", requests[1].body);

    let record = site.ask_with("counter", "bad", &schema);
    assert_eq!((&record["state"], &failure(&record)["code"]), (&"failed".into(), &"reply_schema_unmet".into()), "{record:#}");
    assert_eq!((model.requests().len(), &record["answer"]["usage"]["output_tokens"]), (4, &10.into()), "{record:#}");
    let record = site.ask_with("counter", "bad", &json!({"reply_schema": {"type": 7}}));
    assert_eq!((failure(&record)["code"].as_str(), model.requests().len()), (Some("bad_reply_schema"), 4), "{record:#}");
    // Each level doubles what there is to check.
    let level = |n: u32| (format!("n{n}"), json!({"anyOf": vec![json!({"$ref": format!("#/$defs/n{}", n - 1)}); 2]}));
    let levels: serde_json::Map<_, _> = (1..40).map(level).chain([("n0".to_owned(), json!({"type": "string"}))]).collect();
    let record = site.ask_with("counter", "good", &json!({"reply_schema": {"$defs": levels, "$ref": "#/$defs/n39"}}));
    assert_eq!((failure(&record)["code"].as_str(), model.requests().len()), (Some("bad_reply_schema"), 5), "{record:#}");
    stop(up);
}

#[test]
fn a_model_is_told_what_is_attached_and_given_what_is_text() {
    let site = Site::new();
    let model = Model::replying(vec![Reply::text("Read.")]);
    site.agent("reader", &format!("handler: llm, provider: openai, model: m-1, url: '{}'", model.url("/v1")), "You read.");
    site.write("note.txt", "three \"short\" words");
    site.write("odd.bin", "not\0text");
    let up = site.up();
    let asked = site.run(&["ask", "--from", "alice", "--to", "reader", "--attach", "note.txt", "--attach", "odd.bin", "What is in them?"]);
    assert_eq!(asked.code, Some(0), "{asked:?}");
    let requests = model.requests();
    let told = requests[0].body["messages"][1]["content"].as_str().expect("a text");
    assert!(told.starts_with("What is in them?\n\n") && told.contains(r#""content":"three \"short\" words","name":"note.txt""#), "{told}");
    assert!(told.contains(r#"{"name":"odd.bin","size":8}"#) && told.contains("cannot read them"), "{told}");
    stop(up);
}
