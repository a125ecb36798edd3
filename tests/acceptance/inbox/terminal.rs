//! A person at a terminal: each step is a command of its own, and nothing runs between them.

use serde_json::Value;
use testkit::{Process, eventually, kill};

use crate::exec::Repository;

/// A bus with a mailbox for alice, and commands in it.
struct House {
    repository: Repository,
    up: Process,
}

impl House {
    fn open() -> Self {
        let repository = Repository::new();
        repository.agent("alice", &["handler: mailbox", "answers: [review_*]"]);
        let up = repository.up();
        Self { repository, up }
    }

    /// What a command prints as JSON, whether it went well or not.
    fn json(&self, args: &[&str]) -> Value {
        self.repository.json(args)
    }

    /// A command on alice's inbox.
    fn alice(&self, args: &[&str]) -> Value {
        self.json(&[&["inbox"], args, &["--as", "alice", "--json"]].concat())
    }

    /// The code of the error of a command on an inbox.
    fn refused(&self, who: &str, args: &[&str]) -> String {
        let output = self.repository.run(&[&["inbox"], args, &["--as", who, "--json"]].concat());
        assert_eq!(output.code, Some(1), "{args:?}: {output:?}");
        let said: Value = serde_json::from_str(&output.stdout).expect("JSON");
        said["error"]["code"].as_str().unwrap_or_else(|| panic!("{args:?}: {said}")).to_owned()
    }

    /// Bob posts one to alice, and it waits.
    fn post(&self, text: &str) -> String {
        let posted = self.json(&["post", "--json", "--from", "bob", "--to", "alice", text]);
        let id = posted["id"].as_str().expect("an id").to_owned();
        self.waits(&id);
        id
    }

    fn waits(&self, id: &str) {
        eventually("it waits for alice", || {
            let inbox = self.alice(&[]);
            if ids(&inbox["waiting"]).contains(&id.to_owned()) { Ok(()) } else { Err(inbox) }
        });
    }

    fn record(&self, id: &str) -> Value {
        self.repository.record(id)
    }

    /// Waits until the query has ended, and returns its state.
    fn ended(&self, id: &str) -> String {
        eventually("the end of the query", || {
            let record = self.json(&["status", "--json", id]);
            let state = record["state"].as_str().unwrap_or_default().to_owned();
            if record["ended_at"].is_string() { Ok(state) } else { Err(record) }
        })
    }
}

fn ids(list: &Value) -> Vec<String> {
    list.as_array().expect("a list").iter().filter_map(|query| query["id"].as_str().map(str::to_owned)).collect()
}

#[test]
fn a_query_from_another_terminal_is_listed_taken_and_answered() {
    let house = House::open();
    let asking = ["ask", "--from", "bob", "--to", "alice", "--tag", "parser", "May this be merged?"];
    let asking = Process::start(&mut house.repository.command(&asking));
    let inbox = eventually("it waits", || {
        let inbox = house.alice(&[]);
        if ids(&inbox["waiting"]).is_empty() { Err(inbox) } else { Ok(inbox) }
    });
    let query = &inbox["waiting"][0];
    assert_eq!((&query["requester"], &query["text"], &inbox["known"]), (&"bob".into(), &"May this be merged?".into(), &true.into()));
    let id = query["id"].as_str().expect("an id");
    let status = house.json(&["status", "--json", id]);
    assert_eq!((&status["state"], &status["waiting_for"]), (&"posted".into(), &"alice to take it: agentbus inbox --as alice".into()));
    assert!(status["attempts"].as_array().is_none_or(Vec::is_empty), "no attempt has begun: {status}");

    let taken = house.alice(&["take"]);
    assert_eq!((&taken["id"], &taken["attempt"], &taken["query"]["context_tags"][0]), (&id.into(), &1.into(), &"parser".into()));
    let held = house.alice(&[]);
    assert_eq!((ids(&held["waiting"]).len(), ids(&held["in_hand"])), (0, vec![id.to_owned()]));
    assert_eq!(held["in_hand"][0]["lease_until"], taken["lease_until"]);
    assert!(held["in_hand"][0]["lease_until"].is_string());
    house.alice(&["progress", id, "reading", r#"{"file": "parser.rs"}"#]);
    house.alice(&["answer", id, "It may.", "--result", r#"{"merge": true}"#, "--fact", "team.size=12", "--unknown", "the weather"]);
    let answered = asking.finish();
    assert_eq!(answered.code, Some(0), "{answered:?}");
    assert!(answered.stdout.contains("It may."), "{answered:?}");
    assert!(answered.stderr.contains("reading"), "{answered:?}");
    let answer = &house.record(id)["answer"];
    assert_eq!((&answer["result"]["merge"], &answer["unknown"][0]), (&true.into(), &"the weather".into()));
    assert_eq!((&answer["facts"][0]["value"], &answer["facts"][0]["observed_by"]), (&12.into(), &"alice".into()));

    assert_eq!(house.refused("alice", &["answer", id, "It may not."]), "ended", "answered twice");
    assert_eq!(house.refused("alice", &["take", id]), "ended");
    assert_eq!(house.refused("alice", &["take"]), "nothing_waits");
}

#[test]
fn of_two_who_take_at_once_one_has_it() {
    let house = House::open();
    for round in 0..5 {
        let id = house.post(&format!("round {round}"));
        let take = ["inbox", "take", &id, "--as", "alice", "--json"];
        let both = [(); 2].map(|()| Process::start(&mut house.repository.command(&take)));
        let mut ended = both.map(Process::finish);
        ended.sort_by_key(|output| output.code);
        let [first, second] = ended;
        assert_eq!((first.code, second.code), (Some(0), Some(1)), "{first:?} {second:?}");
        assert!(second.stdout.contains("in_hand"), "{second:?}");
        let record = house.record(&id);
        assert_eq!(record["attempts"].as_array().map(Vec::len), Some(1), "{record}");
        house.alice(&["answer", &id, "Done."]);
        assert_eq!(house.ended(&id), "completed");
    }
}

#[test]
fn what_is_released_waits_again_and_is_not_spent() {
    let house = House::open();
    let id = house.post("hello");
    for attempt in 1..=3 {
        let taken = house.alice(&["take", &id]);
        assert_eq!(taken["attempt"], attempt, "{taken}");
        house.alice(&["release", &id]);
        house.waits(&id);
    }
    assert_eq!(house.refused("alice", &["answer", &id, "Done."]), "not_taken");
    assert_eq!(house.refused("alice", &["release", &id]), "not_taken");
    let codes: Vec<_> = house.record(&id)["attempts"].as_array().expect("attempts").iter().map(|a| a["failure"]["code"].clone()).collect();
    assert_eq!(codes, ["instance_stopped"; 3]);
    house.alice(&["take", &id]);
    house.alice(&["answer", &id, "Not after all.", "--failed", "not_possible"]);
    assert_eq!(house.ended(&id), "failed");
    assert_eq!(house.record(&id)["answer"]["failure"]["code"], "not_possible");
}

#[test]
fn when_a_lease_runs_out_the_next_attempt_says_why() {
    let house = House::open();
    let id = house.post("hello");
    let wait_again = || {
        eventually("it waits again", || {
            let record = house.json(&["status", "--json", &id]);
            if record["waiting_for"] == "alice to take it: agentbus inbox --as alice" { Ok(()) } else { Err(record) }
        });
    };
    house.alice(&["take", &id, "--lease", "1s"]);
    assert_eq!(house.refused("alice", &["take", &id]), "in_hand");
    wait_again();
    // Until somebody takes it, whoever had it can go on.
    house.alice(&["progress", &id, "still reading"]);
    let attempts = house.record(&id)["attempts"].clone();
    assert_eq!((attempts.as_array().map(Vec::len), &attempts[0]["state"]), (Some(1), &"working".into()));
    wait_again();
    let again = house.alice(&["take"]);
    assert_eq!((&again["id"], &again["attempt"]), (&id.clone().into(), &2.into()), "{again}");
    let record = house.record(&id);
    assert_eq!(record["attempts"][0]["failure"]["code"], "lease_expired", "{record}");
    house.alice(&["answer", &id, "In time."]);
    assert_eq!(house.ended(&id), "completed");
}

#[test]
fn what_is_cancelled_cannot_be_taken_or_answered() {
    let house = House::open();
    let (waiting, held) = (house.post("waiting"), house.post("held"));
    house.alice(&["take", &held]);
    for id in [&waiting, &held] {
        house.json(&["cancel", "--json", id]);
        assert_eq!(house.ended(id), "cancelled");
    }
    let inbox = house.alice(&[]);
    assert!(ids(&inbox["waiting"]).is_empty() && ids(&inbox["in_hand"]).is_empty(), "{inbox}");
    assert_eq!(house.refused("alice", &["take", &waiting]), "ended");
    assert_eq!(house.refused("alice", &["answer", &held, "Done."]), "ended");
}

#[test]
fn what_is_not_ours_is_not_answered() {
    let house = House::open();
    let (waiting, held) = (house.post("waiting"), house.post("held"));
    house.alice(&["take", &held]);
    let nobody = "0192f0c1-2d3e-7a4b-8c5d-00000000000f";
    for args in [&["answer", &held, "Mine."][..], &["release", &held], &["progress", &held, "reading"], &["take", &held]] {
        assert_eq!(house.refused("mallory", args), "not_yours", "{args:?}");
    }
    assert_eq!(house.refused("mallory", &["answer", &waiting, "Mine."]), "not_taken");
    for args in [&["answer", nobody, "Mine."][..], &["release", nobody], &["progress", nobody, "reading"], &["take", nobody]] {
        assert_eq!(house.refused("alice", args), "not_found", "{args:?}");
    }
    assert_eq!(house.refused("alice", &["take", &held]), "in_hand");
    let record = house.record(&held);
    assert_eq!((&record["state"], record["messages"].as_array().map(Vec::len)), (&"accepted".into(), Some(3)), "{record}");
}

#[test]
fn everything_is_killed_and_alice_still_has_it() {
    let mut house = House::open();
    let (held, waiting) = (house.post("held"), house.post("waiting"));
    house.alice(&["take", &held]);
    kill(house.up.pid());
    assert_eq!(eventually("its end", || house.up.ended().ok_or("it runs")), -1);
    house.up = house.repository.up();
    house.waits(&waiting);
    assert_eq!(ids(&house.alice(&[])["in_hand"]), std::slice::from_ref(&held));
    house.alice(&["answer", &held, "Survived."]);
    assert_eq!(house.ended(&held), "completed");

    // Somebody who waits for a query and is killed takes none with him.
    house.alice(&["take", &waiting]);
    let taker = Process::start(&mut house.repository.command(&["inbox", "take", "--wait", "60s", "--as", "alice"]));
    let pulls = |count: usize| {
        eventually("who pulls", || {
            let alice = house.json(&["agents", "alice", "--json"]);
            let pulling = alice["instances"].as_array().expect("instances").iter().filter(|one| one["pulls"] == true);
            if pulling.count() == count { Ok(()) } else { Err(alice) }
        });
    };
    pulls(2);
    kill(taker.pid());
    let output = taker.finish();
    assert_eq!(output.code, None, "{output:?}");
    let id = house.json(&["post", "--json", "--from", "bob", "--to", "alice", "after him"])["id"].as_str().expect("an id").to_owned();
    // It may be offered to him until he is missed; nothing is spent by that.
    let taken = house.alice(&["take", &id, "--wait", "30s"]);
    assert_eq!(taken["text"], "after him");
    let spent = house.record(&id)["attempts"].as_array().expect("attempts").iter().filter(|one| one["accepted_at"].is_string()).count();
    assert_eq!(spent, 1);
}

#[test]
fn a_name_that_the_bus_does_not_know_becomes_known_by_waiting() {
    let house = House::open();
    let output = house.repository.run(&["inbox", "--as", "carol"]);
    assert!(output.stderr.contains("unroutable") && output.stderr.contains("inbox take --wait 1h --as carol"), "{output:?}");
    let lost = house.json(&["ask", "--json", "--from", "bob", "--to", "carol", "hello"]);
    assert_eq!(lost["state"], "unroutable");
    let taker = Process::start(&mut house.repository.command(&["inbox", "take", "--wait", "60s", "--as", "carol", "--json"]));
    eventually("carol is known", || {
        let inbox = house.json(&["inbox", "--as", "carol", "--json"]);
        if inbox["known"] == true { Ok(()) } else { Err(inbox) }
    });
    let id = house.json(&["post", "--json", "--from", "bob", "--to", "carol", "hello"])["id"].as_str().expect("an id").to_owned();
    let taken = taker.finish();
    assert_eq!(taken.code, Some(0), "{taken:?}");
    assert!(taken.stdout.contains(&id), "{taken:?}");
    // Known once, it is known for good: what comes while nobody runs, waits.
    let next = house.json(&["post", "--json", "--from", "bob", "--to", "carol", "again"])["id"].as_str().expect("an id").to_owned();
    eventually("it waits for carol", || {
        let record = house.json(&["status", "--json", &next]);
        if record["waiting_for"] == "carol to take it: agentbus inbox --as carol" { Ok(()) } else { Err(record) }
    });
}

#[test]
fn a_question_that_nobody_waits_for_is_withdrawn() {
    let house = House::open();
    let id = house.post("Deploy it.");
    house.alice(&["take", &id]);
    let asking = Process::start(&mut house.repository.command(&["inbox", "ask", &id, "Where to?", "--as", "alice"]));
    let state = |wanted: &str| {
        eventually(wanted, || {
            let record = house.json(&["status", "--json", &id]);
            if record["state"] == wanted { Ok(()) } else { Err(record) }
        });
    };
    state("waiting");
    asking.signal("INT");
    let left = asking.finish();
    assert!(left.stderr.contains("error[interrupted]") && left.stderr.contains("withdrawn"), "{left:?}");
    state("working");
    house.alice(&["answer", &id, "Deployed."]);
    assert_eq!(house.ended(&id), "completed");
}

#[test]
fn who_asks_about_a_query_that_ends_is_told_so_and_gets_no_default() {
    let house = House::open();
    let id = house.post("Deploy it.");
    house.alice(&["take", &id]);
    let ask = ["inbox", "ask", &id, "Now?", "--default", "yes", "--wait", "30s", "--as", "alice"];
    let asking = Process::start(&mut house.repository.command(&ask));
    eventually("it waits for input", || {
        let record = house.json(&["status", "--json", &id]);
        if record["state"] == "waiting" { Ok(()) } else { Err(record) }
    });
    house.json(&["cancel", "--json", &id]);
    let told = asking.finish();
    assert_eq!((told.code, told.stdout.as_str()), (Some(1), ""), "{told:?}");
    assert!(told.stderr.contains("error[ended]") && told.stderr.contains("cancelled"), "{told:?}");
}

#[test]
fn nothing_is_said_in_a_persons_name_that_the_person_did_not_say() {
    let house = House::open();
    let id = house.post("May it be merged?");
    house.alice(&["take", &id]);
    for what in [&["answer", &id, "-"][..], &["answer", &id, "-", "--failed", "not_possible"], &["ask", &id, "-"]] {
        let args = [&["inbox"], what, &["--as", "alice"]].concat();
        let told = house.repository.command(&args).stdin(std::process::Stdio::null()).output().expect("it runs");
        let stderr = String::from_utf8_lossy(&told.stderr);
        assert!(told.status.code() == Some(64) && stderr.contains("error[empty_text]"), "{args:?}: {stderr}");
    }
    assert_eq!(house.json(&["status", "--json", &id])["state"], "accepted");
}

#[test]
fn a_person_answers_with_a_file() {
    let house = House::open();
    let id = house.post("Where is the report?");
    house.alice(&["take", &id]);
    let report = house.repository.path().join("report.txt");
    std::fs::write(&report, "r".repeat(3 << 20)).expect("written");
    house.alice(&["answer", &id, "Here it is.", "--attach", &report.display().to_string()]);
    assert_eq!(house.ended(&id), "completed");
    let fetched = house.repository.command(&["attachment", &id, "report.txt"]).output().expect("it runs");
    assert_eq!(fetched.stdout.len(), 3 << 20);
}

#[test]
fn alice_asks_back_and_bob_replies() {
    let house = House::open();
    let id = house.post("Deploy it.");
    house.alice(&["take", &id]);
    let ask = ["inbox", "ask", &id, "Where to?", "--choice", "test", "--choice", "production", "--as", "alice"];
    let asking = Process::start(&mut house.repository.command(&ask));
    eventually("it waits for input", || {
        let record = house.json(&["status", "--json", &id]);
        if record["state"] == "waiting" { Ok(()) } else { Err(record) }
    });
    house.json(&["reply", "--json", &id, "test"]);
    let replied = asking.finish();
    assert_eq!((replied.code, replied.stdout.trim()), (Some(0), "test"), "{replied:?}");
    house.alice(&["answer", &id, "Deployed."]);
    assert_eq!(house.ended(&id), "completed");
}
