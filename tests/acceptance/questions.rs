//! An agent asks back: the query waits for input, its requester replies, and the agent goes on; or nobody replies, and it
//! goes on with what it said it would, or ends.

use std::time::{Duration, Instant};

use agentbus::{Agent, Bus, Done, Event, Fault, Inquiry, Query, QueryId, Serving, State, Task};
use serde_json::{Value, json};
use testkit::{Process, agentbus, eventually_async};

use crate::bus::{TestBus, name};

/// An agent that asks this, and answers with what it goes on with.
async fn asker(bus: &TestBus, inquiry: Inquiry) -> (Bus, Serving) {
    let asks = move |task: Task| {
        let inquiry = inquiry.clone();
        async move {
            let replied = task.question(inquiry).await?;
            Ok::<_, Fault>(Done::new("Asked.").result(json!([replied.value, replied.by_default])))
        }
    };
    bus.serve(Agent::new(name("deployer")).stall(Duration::from_millis(500)), asks).await
}

fn query(text: &str) -> Query {
    Query { target: Some(name("deployer")), ..Query::new(name("alice"), "deploy", text) }
}

/// Waits until the query waits for input, and says which questions are open.
async fn waits(client: &Bus, id: QueryId) -> Vec<u32> {
    eventually_async("it waits for input", || async {
        let record = client.status(id).await.map_err(|error| error.to_string())?;
        let open: Vec<u32> = record.questions.iter().map(|question| question.question).collect();
        if record.state == State::Waiting { Ok(open) } else { Err(format!("{} {open:?}", record.state)) }
    })
    .await
}

#[tokio::test]
async fn a_reply_lets_the_agent_go_on_however_long_it_takes() {
    let bus = TestBus::start().await;
    let _agent = asker(&bus, Inquiry::new("Which region?").choices(["eu", "us"])).await;
    let client = bus.client("alice").await;
    let mut asking = client.ask(query("deploy it")).await.expect("posted");
    let id = asking.id();
    let asked = loop {
        match asking.next().await.expect("something happens") {
            Event::Question(question) => break question,
            Event::Ended(ended) => panic!("{ended:?}"),
            _ => {}
        }
    };
    assert_eq!((asked.question, asked.text.as_str(), asked.choices), (1001, "Which region?", Some(vec!["eu".to_owned(), "us".to_owned()])));
    assert_eq!(waits(&client, id).await, [1001]);
    let listed = client.list(Some(State::Waiting), None, 10).await.expect("a list");
    assert_eq!(listed[0].waiting_for.as_deref(), Some("a reply of alice to deployer"));

    // Longer than its stall limit: whoever waits for input is not to blame. Meanwhile what is wrong is refused.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(900) {
        assert_eq!(client.reply(id, None, "mars".into()).await.expect_err("no such region").code(), "not_a_choice");
    }
    assert_eq!(client.reply(id, Some(7), "eu".into()).await.expect_err("no such question").code(), "no_such_question");
    let stranger = bus.client("mallory").await;
    assert_eq!(stranger.reply(id, None, "us".into()).await.expect_err("not mallory's").code(), "not_yours");

    assert_eq!(client.reply(id, None, "EU".into()).await.expect("a reply"), 1001);
    let ended = asking.ended().await.expect("it ends");
    assert_eq!(ended.answer.and_then(|answer| answer.result), Some(json!(["eu", false])));
    assert_eq!(client.reply(id, None, "eu".into()).await.expect_err("it is over").code(), "ended");
    let record = client.history(id).await.expect("on record");
    assert_eq!((record.attempts.len(), record.questions.len()), (1, 0));
}

#[tokio::test]
async fn a_query_that_expires_while_it_waits_for_a_reply_says_so() {
    let bus = TestBus::start().await;
    let _agent = asker(&bus, Inquiry::new("Which region?")).await;
    let client = bus.client("alice").await;
    let hurried = Query { timeout_ms: Some(1_500), ..query("deploy it") };
    let ended = client.ask(hurried).await.expect("posted").ended().await.expect("it ends");
    assert_eq!(ended.state, State::Expired);
    assert!(ended.notification().contains("Attempt 1 (deployer): got no reply to its question."), "{}", ended.notification());
}

#[tokio::test]
async fn nobody_replies_and_the_default_is_taken_and_said() {
    let bus = TestBus::start().await;
    let inquiry = Inquiry::new("Really?").default(json!({ "dry_run": true })).within(Duration::from_millis(300));
    let _agent = asker(&bus, inquiry).await;
    let client = bus.client("alice").await;
    let ended = client.ask(query("deploy it")).await.expect("posted").ended().await.expect("it ends");
    assert_eq!(ended.answer.and_then(|answer| answer.result), Some(json!([{ "dry_run": true }, true])));
    let record = client.history(ended.id).await.expect("on record");
    let told = record.messages.iter().find(|logged| logged.body["defaulted"] == 1001).expect("it says so");
    assert_eq!(told.body["progress"]["_default"], json!({ "dry_run": true }));
    assert!(told.body["progress"]["_because"].as_str().is_some_and(|why| why.contains("nobody replied")), "{told:?}");
}

#[tokio::test]
async fn nobody_replies_and_without_a_default_the_attempt_says_why() {
    let bus = TestBus::start().await;
    let _agent = asker(&bus, Inquiry::new("Really?").within(Duration::from_millis(200))).await;
    let client = bus.client("alice").await;
    let ended = client.ask(Query { attempts: Some(1), ..query("deploy it") }).await.expect("posted").ended().await.expect("it ends");
    assert_eq!(ended.state, State::Dead);
    let record = client.status(ended.id).await.expect("on record");
    assert_eq!(record.attempts[0].failure.as_ref().map(|failure| failure.code.as_str()), Some("question_unanswered"));
}

#[tokio::test]
async fn the_next_attempt_asks_again_and_takes_no_reply_to_the_last() {
    let bus = TestBus::start().await;
    let asks = |task: Task| async move {
        let value = task.question(Inquiry::new("Now?")).await?.value;
        if task.attempt() == 1 {
            return Err(Fault::retry("once_more", "not yet"));
        }
        Ok(Done::new("Done.").result(value))
    };
    let _agent = bus.serve(Agent::new(name("deployer")), asks).await;
    let client = bus.client("alice").await;
    let asking = client.ask(query("deploy it")).await.expect("posted");
    assert_eq!(waits(&client, asking.id()).await, [1001]);
    client.reply(asking.id(), None, "first".into()).await.expect("a reply");
    let second = eventually_async("the second question", || async {
        let open = waits(&client, asking.id()).await;
        if open == [2001] { Ok(()) } else { Err(open) }
    });
    second.await;
    client.reply(asking.id(), Some(2001), "second".into()).await.expect("a reply");
    let ended = asking.ended().await.expect("it ends");
    assert_eq!(ended.answer.and_then(|answer| answer.result), Some(Value::from("second")));
}

#[tokio::test]
async fn a_question_goes_up_to_whoever_asked_first() {
    let bus = TestBus::start().await;
    let _agent = asker(&bus, Inquiry::new("Which region?").choices(["eu", "us"])).await;
    let delegates = |task: Task| async move {
        let ended = task
            .ask(Query { target: Some(name("deployer")), ..Query::new(task.agent().clone(), "deploy", task.text()) })
            .await?
            .ended()
            .await?;
        let result = ended.answer.and_then(|answer| answer.result).unwrap_or_default();
        Ok::<_, Fault>(Done::new("Passed on.").result(result))
    };
    let _lead = bus.serve(Agent::new(name("lead")), delegates).await;
    let client = bus.client("alice").await;
    let asking = client.ask(Query { target: Some(name("lead")), ..query("deploy it") }).await.expect("posted");
    let id = asking.id();
    waits(&client, id).await;
    let record = client.status(id).await.expect("on record");
    assert_eq!((record.questions[0].agent.as_str(), record.questions[0].text.as_str()), ("lead", "deployer asks: Which region?"));
    client.reply(id, None, "us".into()).await.expect("a reply");
    let ended = asking.ended().await.expect("it ends");
    assert_eq!(ended.answer.and_then(|answer| answer.result), Some(json!(["us", false])));
}

#[tokio::test]
async fn a_part_of_a_query_to_several_agents_has_nobody_to_ask() {
    let bus = TestBus::start().await;
    let _agent = asker(&bus, Inquiry::new("Really?").default("no")).await;
    let _other = bus.serve(Agent::new(name("other")), |task: Task| async move {
        task.question(Inquiry::new("Really?")).await.map_err(|error| Fault::fail(error.code(), error.to_string()))?;
        Ok::<_, Fault>(Done::new("Never."))
    });
    let _other = _other.await;
    let client = bus.client("alice").await;
    let gather = serde_json::from_value(json!({ "to": ["deployer", "other"] })).expect("whom");
    let query = Query { gather: Some(gather), ..Query::new(name("alice"), "deploy", "deploy it") };
    let ended = client.ask(query).await.expect("posted").ended().await.expect("it ends");
    let parts = ended.answer.expect("an answer").parts;
    assert_eq!(parts[0].result, Some(json!(["no", true])), "{parts:?}");
    assert_eq!(parts[1].failure.as_ref().map(|failure| failure.code.as_str()), Some("nobody_to_ask"), "{parts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_from_another_terminal_and_one_that_nobody_asked_for() {
    let bus = TestBus::start().await;
    let _agent = asker(&bus, Inquiry::new("Which region?").choices(["eu", "us"])).await;
    let client = bus.client("alice").await;
    let asking = client.ask(query("deploy it")).await.expect("posted");
    let (id, folder) = (asking.id().to_string(), tempfile::tempdir().expect("a folder"));
    let run = |words: &[&str]| Process::run(agentbus(folder.path()).args(words).args(["--nats", &bus.server.url()]));
    waits(&client, asking.id()).await;
    let status = run(&["status", &id]).stdout;
    assert!(status.contains("waits for  a reply of alice to deployer") && status.contains("asks 1001  Which region?"), "{status}");
    let wrong = run(&["reply", &id, "mars"]);
    assert_eq!(wrong.code, Some(1), "{wrong:?}");
    assert!(wrong.stderr.contains("error[not_a_choice]") && wrong.stderr.contains("Choose one of: eu, us"), "{wrong:?}");
    let right = run(&["reply", &id, "us", "--json"]);
    assert_eq!((right.code, right.stdout.contains("1001")), (Some(0), true), "{right:?}");
    assert_eq!(asking.ended().await.expect("it ends").state, State::Completed);
    let late = run(&["reply", &id, "us"]);
    assert!(late.stderr.contains("error[ended]"), "{late:?}");

    // Nobody has asked anything about this one.
    let quiet = client.ask(Query { target: Some(name("deployer")), ..Query::new(name("alice"), "deploy", "again") }).await.expect("posted");
    waits(&client, quiet.id()).await;
    client.cancel(quiet.id(), None).await.expect("cancelled");
    assert_eq!(quiet.ended().await.expect("it ends").state, State::Cancelled);
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_not_open_and_a_reply_to_it_is_refused() {
    let bus = TestBus::start().await;
    let asks = |task: Task| async move {
        let unanswered = task.question(Inquiry::new("Nobody replies?").within(Duration::from_millis(200))).await;
        assert_eq!(unanswered.expect_err("no default").code(), "question_unanswered");
        let dropped = tokio::time::timeout(Duration::from_millis(200), task.question(Inquiry::new("Dropped?"))).await;
        assert!(dropped.is_err(), "{dropped:?}");
        let value = task.question(Inquiry::new("Now?")).await?.value;
        Ok::<_, Fault>(Done::new("Done.").result(value))
    };
    let _agent = bus.serve(Agent::new(name("deployer")), asks).await;
    let client = bus.client("alice").await;
    let asking = client.ask(query("deploy it")).await.expect("posted");
    let id = asking.id();
    let last = eventually_async("only the last question is open", || async {
        let open = waits(&client, id).await;
        if open == [1003] { Ok(()) } else { Err(open) }
    });
    last.await;
    for gone in [1001, 1002] {
        assert_eq!(client.reply(id, Some(gone), "yes".into()).await.expect_err("nobody waits").code(), "no_such_question");
    }
    client.reply(id, None, "now".into()).await.expect("a reply");
    let ended = asking.ended().await.expect("it ends");
    assert_eq!(ended.answer.and_then(|answer| answer.result), Some(Value::from("now")));
}

#[tokio::test]
async fn two_who_ask_about_one_attempt_at_once_each_get_their_own_reply() {
    let bus = TestBus::start().await;
    let (alice, client) = (bus.client("deployer").await, bus.client("alice").await);
    let mut inbox = alice.inbox(Agent::new(name("deployer"))).await.expect("an inbox");
    assert!(inbox.known().await, "a coordinator knows of it");
    let asking = client.ask(query("deploy it")).await.expect("posted");
    let held = inbox.take(Duration::from_secs(10), None).await.expect("the bus is there").expect("it waits");
    // As two commands at two terminals see it: neither knows of the other.
    let (one, other) = (alice.taken(held.id()).await.expect("in hand"), alice.taken(held.id()).await.expect("in hand"));
    let replies = async {
        let two = eventually_async("two questions", || async {
            let record = client.status(held.id()).await.map_err(|error| error.to_string())?;
            if record.questions.len() == 2 { Ok(record.questions) } else { Err(format!("{:?}", record.questions)) }
        });
        for question in two.await {
            client.reply(held.id(), Some(question.question), question.text.clone().into()).await.expect("a reply");
        }
    };
    let (one, other, ()) =
        tokio::join!(one.question(Inquiry::new("Keep the backup?")), other.question(Inquiry::new("Delete production?")), replies);
    let (one, other) = (one.expect("a reply"), other.expect("a reply"));
    assert_eq!((one.value, other.value), ("Keep the backup?".into(), "Delete production?".into()));
    held.answer(Done::new("Both.")).await.expect("it counts");
    assert_eq!(asking.ended().await.expect("it ends").state, State::Completed);
}

#[tokio::test]
async fn of_two_replies_one_counts_and_the_other_is_told() {
    let bus = TestBus::start().await;
    let _agent = asker(&bus, Inquiry::new("Which region?").choices(["eu", "us"])).await;
    let client = bus.client("alice").await;
    let asking = client.ask(query("deploy it")).await.expect("posted");
    waits(&client, asking.id()).await;
    let (eu, us) = tokio::join!(client.reply(asking.id(), None, "eu".into()), client.reply(asking.id(), None, "us".into()));
    let ended = asking.ended().await.expect("it ends");
    let taken = ended.answer.and_then(|answer| answer.result).expect("a result")[0].clone();
    let (counted, refused) = if taken == "eu" { (eu, us) } else { (us, eu) };
    assert_eq!(counted.expect("it counted"), 1001);
    let code = refused.expect_err("one counts").code().to_owned();
    assert!(["too_late", "ended", "no_open_question"].contains(&code.as_str()), "{code}");
}

/// What `script` types is what a person types at a terminal.
#[tokio::test(flavor = "multi_thread")]
async fn ask_prompts_at_a_terminal() {
    let bus = TestBus::start().await;
    let _agent = asker(&bus, Inquiry::new("Which region?").choices(["eu", "us"]).default("us")).await;
    let folder = tempfile::tempdir().expect("a folder");
    let program = testkit::binary("agentbus");
    let line = format!("{} ask --nats {} --to deployer 'deploy it'", program.display(), bus.server.url());
    // The first reply is none of the choices, and is asked for again; the second is a choice by its number. Nobody types on
    // when the shell is gone.
    let until = |seen: &str| format!("while kill -0 $$ && ! grep -qs '{seen}' seen; do :; done");
    let typed = [until("reply .us."), "printf 'mars\\r'".into(), until("not_a_choice"), "printf '1\\r'".into(), until("COMMAND_EXIT")];
    let mut command = std::process::Command::new("timeout");
    command.args(["60", "bash", "-c", &format!("({}) | script --quiet --flush --return --command \"{line}\" seen", typed.join("; "))]);
    let output = Process::run(command.current_dir(folder.path()));
    let seen = std::fs::read_to_string(folder.path().join("seen")).expect("what was shown");
    assert_eq!(output.code, Some(0), "{seen}");
    assert!(seen.contains("deployer asks: Which region?") && seen.contains("1  eu") && seen.contains("\"eu\""), "{seen}");
}
