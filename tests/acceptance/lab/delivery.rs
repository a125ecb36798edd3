//! Repetitions, poison, races, and requesters that are gone.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{
    Lab, Plan, Process,
    faults::{self, Fault},
    plain::{Ask, Sent},
    random::Random,
};

const LONG: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f12_the_same_query_again_is_the_same_query_also_after_every_part_was_killed() {
    let mut lab = Lab::start(Plan::default()).await;
    faults::script(Fault::F12, &lab.site(), &mut Random::new(12), 3).await.expect("one execution, the same answer");
    let plain = lab.plain("again").await;
    let ask = Ask::new("worker", "echo once");
    let before = plain.ask(&ask, LONG).await.expect("an answer");
    lab.coordinators[0].part.kill();
    lab.hosts[0].part.kill();
    lab.node().part().kill();
    lab.heal();
    let plain = lab.plain("again").await;
    assert_eq!(plain.post(&ask).await, Sent::Taken);
    let other = Ask { text: "echo twice".to_owned(), ..ask.clone() };
    assert_eq!(plain.post(&other).await, Sent::Taken);
    let after = plain.ended(&ask.id, LONG).await.expect("its answer");
    assert_eq!((&after["answer"], &after["end_seq"]), (&before["answer"], &before["end_seq"]));
    let told = plain.call("post", other.body("again")).await.expect("a refusal");
    assert_eq!(told["error"]["code"], "conflict", "{told}");
    lab.settle().await.demand();
    let works = testkit::checker::lines(&lab.works());
    assert_eq!(works.iter().filter(|work| work["id"] == ask.id.as_str() && work["event"] == "start").count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f12_the_same_query_again_is_the_same_query_also_when_only_the_archive_knows_it() {
    let mut lab = Lab::start(Plan::default().options(&["--archive-after", "1s"])).await;
    let plain = lab.plain("again").await;
    let ask = Ask::new("worker", "echo once");
    let before = plain.ask(&ask, LONG).await.expect("an answer");
    let ledger = plain.js().get_stream("bus-ledger").await.expect("the ledger");
    let subject = plain.subject("query", &ask.id, "again", "worker");
    testkit::eventually_async("the move to the archive", || async {
        if ledger.get_last_raw_message_by_subject(&subject).await.is_err() { Ok(()) } else { Err("the ledger still holds it") }
    })
    .await;
    for _ in 0..2 {
        let sent = plain.post(&ask).await;
        assert!(matches!(sent, Sent::Stored(_) | Sent::Taken), "{sent:?}");
        let after = plain.ended(&ask.id, LONG).await.expect("its answer");
        assert_eq!((&after["answer"], &after["end_seq"]), (&before["answer"], &before["end_seq"]), "{after:#}");
    }
    let other = Ask { text: "echo twice".to_owned(), ..ask.clone() };
    let told = plain.call("post", other.body("again")).await.expect("a refusal");
    assert_eq!(told["error"]["code"], "conflict", "{told}");
    lab.settle().await.demand();
    let works = testkit::checker::lines(&lab.works());
    assert_eq!(works.iter().filter(|work| work["id"] == ask.id.as_str() && work["event"] == "start").count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f13_a_query_that_kills_its_worker_is_dead_after_three_crashes_also_when_no_coordinator_saw_the_last() {
    let mut lab = Lab::start(Plan::default()).await;
    lab.add_client(&["--count", "30", "--rate", "20", "--text", "echo healthy"]);
    faults::script(Fault::F13, &lab.site(), &mut Random::new(13), 1).await.expect("dead, and nobody else affected");
    let plain = lab.plain("poisoner").await;
    let poison = Ask::new("worker", "abort");
    assert!(matches!(plain.post(&poison).await, Sent::Stored(_)));
    testkit::eventually_async("two attempts", || async {
        let record = plain.status(&poison.id).await?;
        if record["attempts"][1]["failure"]["code"].is_string() { Ok(()) } else { Err(record.to_string()) }
    })
    .await;
    lab.coordinators[0].part.kill();
    lab.coordinators[0].part.start_ready();
    let record = plain.ended(&poison.id, LONG).await.expect("it ends");
    assert_eq!(record["state"], "dead", "{record:#}");
    let attempts = record["attempts"].as_array().expect("attempts");
    let codes: Vec<&Value> = attempts.iter().map(|attempt| &attempt["failure"]["code"]).collect();
    assert_eq!(codes, [&json!("killed_by_signal"); 3], "{record:#}");
    let replay = Process::run(&mut lab.agentbus_here(&["dead", "replay", &poison.id, "--from", "poisoner"]));
    assert_eq!(replay.code, Some(0), "{replay:?}");
    let again = plain.ended(replay.stdout.trim(), LONG).await.expect("the replay ends");
    assert_eq!((&again["state"], &again["query"]["payload"]["query"]), (&json!("dead"), &json!("abort")), "{again:#}");
    lab.settle().await.demand();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f21_a_cancel_that_races_against_the_completion_leaves_one_ending() {
    let mut lab = Lab::start(Plan::default().coordinators(2).capacity(16)).await;
    faults::script(Fault::F21, &lab.site(), &mut Random::new(21), 100).await.expect("one ending each");
    faults::script(Fault::F20, &lab.site(), &mut Random::new(20), 2).await.expect("what is late changes nothing");
    lab.settle().await.demand();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f31_the_answer_waits_for_a_requester_that_was_gone() {
    let mut lab = Lab::start(Plan::default()).await;
    lab.add_client(&["--count", "20", "--rate", "50", "--text", "sleep 500"]);
    let log = lab.path().join("client-1.jsonl");
    testkit::eventually("all acknowledged", || {
        let known = testkit::checker::lines(&log).iter().filter(|line| line["event"] == "acknowledged").count();
        if known == 20 { Ok(()) } else { Err(known) }
    });
    lab.clients[0].part.kill();
    let gone = testkit::checker::lines(&log);
    let open =
        gone.iter().find(|line| line["event"] == "sent" && !gone.iter().any(|end| end["event"] == "ended" && end["id"] == line["id"]));
    let id = open.and_then(|line| line["id"].as_str()).expect("one without an end").to_owned();

    let plain = lab.plain("client-1").await;
    let record = plain.ended(&id, LONG).await.expect("the answer waits");
    assert_eq!(record["answer"]["result"]["text"], "sleep 500", "{record:#}");
    let asked = Process::run(&mut lab.agentbus_here(&["ask", "--json", "--from", "client-1", "--id", &id]));
    let asked: Value = serde_json::from_str(&asked.stdout).unwrap_or_else(|error| panic!("{error}: {asked:?}"));
    assert_eq!((&asked["end_seq"], &asked["answer"]), (&record["end_seq"], &record["answer"]));
    let ledger = plain.js().get_stream("bus-ledger").await.expect("the ledger");
    let inbox = plain.subject("answer", &id, "*", "client-1");
    let waiting = ledger.get_last_raw_message_by_subject(&inbox).await.expect("its inbox holds it");
    assert_eq!(Some(waiting.sequence), record["end_seq"].as_u64());
    // The client's next life learns of every end.
    let verdict = lab.settle().await;
    verdict.demand();
    let ended = testkit::checker::lines(&log).iter().filter(|line| line["event"] == "ended").count();
    assert_eq!(ended, 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f32_an_answer_of_several_names_each_of_them_and_what_became_of_it() {
    let mut lab = Lab::start(Plan::default().coordinators(2)).await;
    faults::script(Fault::F32, &lab.site(), &mut Random::new(32), 4).await.expect("each part is named");
    lab.settle().await.demand();
}
