//! Commands that ask: their requester, and other agents. What they are told, when they wait in vain, and what becomes of
//! those that do not listen.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::eventually;

use crate::exec::{Repository, stop};

/// What a script needs to speak to the bus.
const SPEAK: &str = r#"
import json, os, sys, time
query = json.loads(sys.stdin.readline())
def say(kind, **fields): print(json.dumps({"type": kind, **fields}), flush=True)
def hear(): return json.loads(sys.stdin.readline())
"#;

/// An agent whose command is this script.
fn python(repository: &Repository, name: &str, keys: &[&str], script: &str) {
    repository.write(&format!("{name}.py"), &format!("{SPEAK}{script}"));
    let command = format!("command: [python3, {name}.py]");
    let keys: Vec<&str> = ["handler: exec", &command].into_iter().chain(keys.iter().copied()).collect();
    repository.agent(name, &keys);
}

fn post(repository: &Repository, agent: &str) -> String {
    repository.run(&["post", "--to", agent, "--from", "alice", "please"]).stdout.trim().to_owned()
}

fn until(repository: &Repository, id: &str, state: &str) -> Value {
    eventually(&format!("the state {state}"), || {
        let record = repository.json(&["status", "--json", id]);
        if record["state"] == state { Ok(record) } else { Err(record) }
    })
}

#[test]
fn a_question_is_put_to_the_requester_and_its_reply_to_the_command() {
    let repository = Repository::new();
    let script = r#"
say("question", text="Which region?", choices=["eu", "us"], ref="where")
region = hear()
say("question", text="How many?", timeout="10s", default=1)
many = hear()
say("question", text="Sure?", timeout=200, default=False)
sure = hear()
say("answer", delivery="Asked.", result=[region, many, sure])
sys.exit(0 if sys.stdin.read() == "" else 1)
"#;
    python(&repository, "deployer", &["interactive: true", "stall: 2s"], script);
    repository.trust();
    let up = repository.up();
    let id = post(&repository, "deployer");
    let waiting = until(&repository, &id, "waiting");
    let begun = Instant::now();
    assert_eq!((&waiting["questions"][0]["text"], &waiting["questions"][0]["choices"]), (&"Which region?".into(), &json!(["eu", "us"])));
    // It is silent for longer than its stall limit: whoever waits for a reply is not to blame.
    eventually("more time than it may be silent", || if begun.elapsed() > Duration::from_millis(2500) { Ok(()) } else { Err("early") });
    assert_eq!(until(&repository, &id, "waiting")["attempt"], waiting["attempt"]);
    assert_eq!(repository.run(&["reply", &id, "eu"]).code, Some(0));
    eventually("the second question", || {
        let question = until(&repository, &id, "waiting")["questions"][0]["text"].clone();
        if question == "How many?" { Ok(()) } else { Err(question) }
    });
    assert_eq!(repository.run(&["reply", &id, "--value", "3"]).code, Some(0));
    let ended = until(&repository, &id, "completed");
    let expected = json!([
        { "type": "reply", "question": 1001, "ref": "where", "reply": "eu", "by_default": false },
        { "type": "reply", "question": 1002, "reply": 3, "by_default": false },
        { "type": "reply", "question": 1003, "reply": false, "by_default": true },
    ]);
    assert_eq!(ended["answer"]["result"], expected, "{ended:#}");
    stop(up);
}

#[test]
fn a_command_asks_other_agents_and_works_on_meanwhile() {
    let repository = Repository::new();
    python(
        &repository,
        "counter",
        &[],
        r#"
say("fact", key="lines.count", value=7, source="a look")
say("answer", delivery="Counted.", result=query["payload"], unknown=["why"])
"#,
    );
    python(
        &repository,
        "lead",
        &["interactive: true"],
        r#"
for number in range(3):
    say("ask", ref=number, query=f"count {number}", to="counter", timeout="30s", payload={"number": number})
say("progress", status="working on")
answers = sorted((hear() for _ in range(3)), key=lambda line: line["ref"])
refusals = []
for ref, fields in {"self": {"to": "lead"}, "nobody": {"to": "nobody-of-this-name"}, "odd": {"priority": "urgent"}}.items():
    say("ask", ref=ref, query="?", **fields)
    refusals.append(hear())
say("answer", delivery="Led.", result=[answers, refusals])
"#,
    );
    repository.trust();
    let up = repository.up();
    let ended = repository.ask("lead");
    assert_eq!(ended["state"], "completed", "{ended:#}");
    let [answers, refusals] = [0, 1].map(|at| ended["answer"]["result"][at].clone());
    for number in 0..3 {
        let answer = &answers[number];
        assert_eq!(
            (&answer["type"], &answer["ref"], &answer["state"]),
            (&"answer".into(), &number.into(), &"completed".into()),
            "{answer:#}"
        );
        assert_eq!(answer["result"], json!({ "query": format!("count {number}"), "number": number }));
        assert_eq!(
            (&answer["delivery"], &answer["unknown"], &answer["facts"][0]["value"]),
            (&"Counted.".into(), &json!(["why"]), &7.into())
        );
        let record = repository.record(answer["id"].as_str().expect("an id"));
        assert_eq!((&record["requester"], &record["query"]["parent"]), (&"lead".into(), &ended["id"]), "{record:#}");
    }
    assert_eq!((&refusals[0]["type"], &refusals[0]["code"]), (&"refused".into(), &"delegation_cycle".into()), "{refusals:#}");
    assert_eq!((&refusals[1]["type"], &refusals[1]["state"]), (&"answer".into(), &"unroutable".into()), "{refusals:#}");
    assert_eq!((&refusals[2]["type"], &refusals[2]["code"]), (&"refused".into(), &"schema_violation".into()), "{refusals:#}");
    stop(up);
}

#[test]
fn only_so_much_is_asked_at_once() {
    let repository = Repository::new();
    let script = r#"
for number in range(10):
    say("question", text=f"Number {number}?", ref=number)
refused = sorted((hear() for _ in range(2)), key=lambda line: line["ref"])
say("answer", delivery="Asked.", result=refused)
"#;
    python(&repository, "curious", &["interactive: true"], script);
    repository.trust();
    let up = repository.up();
    let refused = repository.ask("curious")["answer"]["result"].clone();
    let told: Vec<_> = refused.as_array().expect("two").iter().map(|line| (line["code"].as_str(), line["ref"].as_i64())).collect();
    assert_eq!(told, [(Some("too_many_at_once"), Some(8)), (Some("too_many_at_once"), Some(9))], "{refused:#}");
    stop(up);
}

#[test]
fn whoever_cannot_be_told_ends_with_a_reason() {
    let repository = Repository::new();
    let cases = [
        ("unanswered", r#"say("question", text="Why?", timeout=200); hear()"#, "question_unanswered"),
        ("empty", r#"say("question", text=""); hear()"#, "bad_output"),
        ("late", r#"say("answer", delivery="Done."); say("question", text="Was it right?")"#, "bad_output"),
        ("deaf", "for at in range(5000): say('ask', ref=at, query='?', to='slow')\ntime.sleep(600)", "input_not_read"),
        ("closed", r#"os.close(0); say("question", text="Why?", timeout=200, default="so"); time.sleep(1)"#, "no_answer"),
        ("gone", r#"say("question", text="Why?", timeout="1h"); sys.exit(3)"#, "exit_status"),
        ("stalls", r#"say("question", text="Why?", timeout=200, default="so"); hear(); time.sleep(600)"#, "stalled"),
    ];
    for (name, script, _) in cases {
        python(&repository, name, &["interactive: true", "stall: 3s", "limits: {time: 60s}"], script);
    }
    python(&repository, "slow", &[], "time.sleep(600)");
    repository.trust();
    let up = repository.up();
    for (name, _, code) in cases {
        let ended = repository.ask(name);
        let record = repository.record(ended["id"].as_str().expect("an id"));
        assert_eq!(record["attempts"][0]["failure"]["code"], code, "{name}: {record:#}");
        if name == "gone" {
            let late = repository.run(&["reply", ended["id"].as_str().expect("an id"), "because"]);
            assert!(late.code == Some(1) && late.stderr.contains("has ended: failed"), "{late:?}");
        }
    }
    let hint = repository.ask("unanswered")["answer"]["failure"]["message"].clone();
    assert!(hint.as_str().is_some_and(|message| message.contains("nobody replied")), "{hint}");
    stop(up);
}

#[test]
fn much_output_is_borne_and_too_much_is_not() {
    let repository = Repository::new();
    // 50 MB in lines for the log.
    let script = r#"
for at in range(500): print("x" * 100_000)
say("answer", delivery="Printed.")
"#;
    python(&repository, "printer", &["limits: {output: 64MiB}"], script);
    python(&repository, "flooder", &[], script);
    repository.trust();
    let up = repository.up();
    assert_eq!(repository.ask("printer")["answer"]["delivery"], "Printed.");
    assert_eq!(repository.ask("flooder")["answer"]["failure"]["code"], "output_limit");
    stop(up);
}

#[test]
fn a_command_sees_the_variables_that_it_is_passed_and_no_others() {
    let repository = Repository::new();
    let script = r#"say("answer", delivery="Seen.", result=[os.environ.get(name) for name in ("SEEN", "UNSEEN", "BOTH", "ABSENT")])"#;
    python(&repository, "seer", &["pass_env: [SEEN, BOTH, ABSENT]", "env: {BOTH: of the block}"], script);
    let shown = repository.trust();
    assert!(shown.contains("pass_env: SEEN BOTH ABSENT"), "{shown}");
    let mut up = repository.command(&["up"]);
    let up = testkit::Process::start(up.env("SEEN", "seen").env("UNSEEN", "a key").env("BOTH", "of the bus"));
    let _ = up.says("Ctrl-C drains");
    assert_eq!(repository.ask("seer")["answer"]["result"], json!(["seen", null, "of the block", null]));
    stop(up);

    python(&repository, "seer", &["pass_env: [SEEN, UNSEEN]"], script);
    let up = repository.up();
    assert!(up.stderr().contains("the setting pass_env"), "{}", up.stderr());
    stop(up);
}
