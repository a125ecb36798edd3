//! Parts that are frozen, and thaw when the others have gone on without them.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{
    Lab, Plain, Plan,
    plain::{Ask, Sent},
};

use super::{back, endings, probe};

const LONG: Duration = Duration::from_secs(30);

/// The process that started another one.
fn parent(pid: u64) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

/// Which host works on a query.
fn host_of(lab: &Lab, id: &str) -> usize {
    testkit::eventually("work", || {
        let works = testkit::checker::lines(&lab.works());
        let begun = works.iter().find(|work| work["id"] == id && work["event"] == "start");
        let host = begun.and_then(|work| parent(work["pid"].as_u64()?));
        lab.hosts.iter().position(|placed| placed.part.pid().map(u64::from) == host).ok_or(works)
    })
}

async fn second_attempt(plain: &Plain, id: &str) -> Value {
    testkit::eventually_async("a second attempt", || async {
        let record = plain.status(id).await?;
        if record["attempts"][1]["accepted_at"].is_string() { Ok(record) } else { Err(record.to_string()) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f5_the_answer_of_a_host_that_thaws_after_its_lease_is_stale_and_the_winners_stands() {
    let mut lab = Lab::start(Plan::default().hosts(2)).await;
    let plain = lab.plain("freezer").await;
    for _ in 0..2 {
        let ask = Ask::new("worker", "sleep 1500");
        assert!(matches!(plain.post(&ask).await, Sent::Stored(_)));
        let struck = host_of(&lab, &ask.id);
        lab.hosts[struck].part.stop();
        let record = second_attempt(&plain, &ask.id).await;
        lab.hosts[struck].part.cont();

        // What a host sends that was frozen just before it sent: nobody can keep it from coming.
        let forged = json!({ "agent": "worker", "attempt": 1, "instance": record["attempts"][0]["instance"], "outcome": "completed",
                             "delivery": "Late.", "result": { "text": "late" } });
        let subject = plain.subject("answer", &ask.id, "worker", plain.me());
        let Sent::Stored(seq) = plain.publish(subject, forged.to_string(), None).await else { panic!("the ledger takes it") };

        let ended = plain.ended(&ask.id, LONG).await.expect("it ends");
        assert_eq!((&ended["answer"]["attempt"], &ended["answer"]["result"]["text"]), (&json!(2), &json!("sleep 1500")), "{ended:#}");
        let history = plain.history(&ask.id).await.expect("its history");
        let late = history["messages"].as_array().expect("messages").iter().find(|message| message["seq"] == seq).expect("the late answer");
        assert_eq!(late["verdict"], "stale", "{late:#}");
    }
    lab.settle().await.demand();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f6_a_coordinator_that_is_frozen_and_thaws_assigns_and_ends_nothing_twice() {
    let mut lab = Lab::start(Plan::default().coordinators(2).hosts(2)).await;
    lab.add_client(&["--rate", "40", "--text", "echo hello", "--text", "sleep 200", "--text", "flaky 1"]);
    lab.add_client(&["--rate", "10", "--to", "nobody"]);
    let probe = probe(&lab).await;
    for round in 0..4 {
        endings(&lab, 20 * (round + 1)).await;
        lab.coordinators[round % 2].part.stop();
        // That the other one takes over; how soon is judged where coordinators are killed.
        back(&probe).await;
        endings(&lab, 20 * (round + 1) + 10).await;
        lab.coordinators[round % 2].part.cont();
    }
    lab.settle().await.demand();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f6_what_is_asked_while_one_of_two_coordinators_is_frozen_the_other_one_answers() {
    let mut lab = Lab::start(Plan::default().coordinators(2)).await;
    let bus = agentbus::Bus::connect(agentbus::Options::new(lab.url(), "alice".parse().expect("a name"))).await.expect("a bus");
    bus.list(None, None, 1).await.expect("it works before");
    lab.coordinators[0].part.stop();
    let asked = (0..12).map(|_| async { bus.agents().await.map(drop) });
    let failed: Vec<_> = futures::future::join_all(asked).await.into_iter().filter_map(Result::err).collect();
    // Each is asked of one of the two by chance, six times.
    assert!(failed.len() <= 2, "{failed:?}");
    lab.coordinators[0].part.cont();
    lab.settle().await.demand();
}

/// A coordinator is frozen for longer than the lease of what is being worked on, and thaws. What attempts the work took.
async fn attempts_of_work_through_a_freeze(lab: &mut Lab, plain: &Plain) -> Vec<usize> {
    let asks: Vec<_> = (0..6).map(|_| Ask::new("worker", "sleep 3500")).collect();
    for ask in &asks {
        assert!(matches!(plain.post(ask).await, Sent::Stored(_)));
        host_of(lab, &ask.id);
    }
    lab.coordinators[0].part.freeze(Duration::from_millis(2500)).await;
    let mut attempts = Vec::new();
    for ask in &asks {
        let ended = plain.ended(&ask.id, LONG).await.expect("it ends");
        attempts.push(ended["attempts"].as_array().map_or(0, Vec::len));
    }
    attempts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f6_a_coordinator_that_thaws_leaves_healthy_work_alone_and_one_whose_clocks_ran_on_does_not() {
    let mut lab = Lab::start(Plan::default()).await;
    let plain = lab.plain("freezer").await;
    assert_eq!(attempts_of_work_through_a_freeze(&mut lab, &plain).await, [1; 6]);
    lab.settle().await.demand();

    // Whether it looks at its clocks before it hears what came meanwhile is a matter of luck.
    let mut control = Lab::start(Plan::default().hosts(3).without("pause")).await;
    let plain = control.plain("freezer").await;
    for turn in 1.. {
        let attempts = attempts_of_work_through_a_freeze(&mut control, &plain).await;
        if attempts.iter().any(|attempts| *attempts > 1) {
            break;
        }
        assert!(turn < 6, "its clocks ran on six times, and no work was ever taken away");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f6_the_checker_finds_what_two_coordinators_do_without_compare_and_set() {
    let mut lab = Lab::start(Plan::default().coordinators(2).hosts(2).without("compare-and-set")).await;
    lab.add_client(&["--rate", "40", "--text", "echo hello", "--text", "sleep 200"]);
    lab.add_client(&["--rate", "10", "--to", "nobody"]);
    let probe = probe(&lab).await;
    for round in 0..2 {
        endings(&lab, 20 * (round + 1)).await;
        lab.coordinators[round].part.stop();
        back(&probe).await;
        endings(&lab, 20 * (round + 1) + 10).await;
        lab.coordinators[round].part.cont();
    }
    let verdict = lab.settle().await;
    assert!(!verdict.holds(), "two coordinators wrote over each other, and nobody noticed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f7_whoever_calls_while_the_server_is_frozen_is_told_that_it_is_unavailable() {
    const BOUND: Duration = Duration::from_secs(15);
    let mut lab = Lab::start(Plan::default()).await;
    let connected = agentbus::Bus::connect(agentbus::Options::new(lab.url(), "alice".parse().expect("a name"))).await.expect("a bus");
    let query = |text: &str| agentbus::Query::new("alice".parse().expect("a name"), "request", text);
    connected.list(None, None, 1).await.expect("it works before");
    lab.node().part().stop();
    let begun = std::time::Instant::now();
    let refused = connected.post(query("Is anybody there?")).await.expect_err("nobody answers");
    assert_eq!(refused.code(), "unavailable", "{refused}");
    assert!(begun.elapsed() < BOUND, "a connected client: {:?}", begun.elapsed());
    let begun = std::time::Instant::now();
    let told = testkit::Process::run(lab.agentbus_here(&["list"]).env("NO_COLOR", "1"));
    assert!(told.code == Some(2) && told.stderr.contains("unavailable"), "{told:?}");
    assert!(begun.elapsed() < BOUND, "a new command: {:?}", begun.elapsed());
    lab.node().part().cont();
    lab.settle().await.demand();
}
