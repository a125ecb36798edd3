//! Pulling with the SDK: what waits is there until it is asked for, and is never lost between two hands.

use std::time::{Duration, Instant};

use agentbus::{Agent, Bus, Done, Fault, Inbox, Query, QueryId, State, protocol::AttemptState};
use testkit::{eventually_async, random};

use crate::bus::{TestBus, coordinate, name};

const SOON: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(20);

/// A client called alice with an inbox, known to the coordinator.
async fn alice(bus: &TestBus) -> (Bus, Inbox) {
    let client = bus.client("alice").await;
    let agent = client.mailbox(name("alice")).await.expect("a card");
    let mut inbox = client.inbox(agent).await.expect("an inbox");
    assert!(inbox.known().await);
    (client, inbox)
}

fn query(text: &str) -> Query {
    Query { target: Some(name("alice")), ..Query::new(name("bob"), "review", text) }
}

/// Bob posts one.
async fn post(bus: &TestBus, text: &str) -> QueryId {
    bus.client("bob").await.post(query(text)).await.expect("posted").id
}

async fn waits(bus: &Bus, id: QueryId) {
    eventually_async("it waits for alice", || async {
        let record = bus.status(id).await.expect("a record");
        if record.waiting_for.as_deref() == Some("alice to take it: agentbus inbox --as alice") { Ok(()) } else { Err(record) }
    })
    .await;
}

#[tokio::test]
async fn what_waits_is_handed_over_when_it_is_asked_for() {
    let bus = TestBus::start().await;
    let (client, inbox) = alice(&bus).await;
    let bob = bus.client("bob").await;
    let asking = bob.ask(query("Is this right?")).await.expect("asked");
    waits(&client, asking.id()).await;
    let record = client.status(asking.id()).await.expect("a record");
    assert_eq!((record.state, record.attempts.len()), (State::Posted, 0), "nothing is accepted, no attempt begun");

    let begun = Instant::now();
    let held = inbox.take(LONG, None).await.expect("no error").expect("a query");
    let took = begun.elapsed();
    assert_eq!((held.id(), held.text(), held.attempt()), (asking.id(), "Is this right?", 1));
    // Some milliseconds on an idle machine; far less than the next heartbeat on any.
    assert!(took < Duration::from_secs(2), "{took:?}");
    held.progress("reading", [("page", 1)]).await.expect("stored");
    held.answer(Done::new("It is.")).await.expect("stored");
    let ended = asking.ended().await.expect("an ending");
    assert_eq!((ended.state, ended.notification()), (State::Completed, "It is."));
    assert_eq!(held.answer(Done::new("Again.")).await.unwrap_err().code(), "ended");
}

#[tokio::test]
async fn nobody_is_given_what_was_not_asked_for() {
    let bus = TestBus::start().await;
    let (client, inbox) = alice(&bus).await;
    let (first, second) = (post(&bus, "one").await, post(&bus, "two").await);
    waits(&client, second).await;
    let held = inbox.take(LONG, Some(second)).await.expect("no error").expect("the second");
    assert_eq!(held.id(), second);
    held.answer(Done::new("Two.")).await.expect("stored");
    // Its answer frees no hand that nobody holds out.
    waits(&client, first).await;
    assert_eq!(client.status(first).await.expect("a record").attempts.len(), 0);
    assert!(inbox.take(SOON, Some(second)).await.expect("no error").is_none(), "it has ended");
    assert!(inbox.take(SOON, Some(QueryId::mint())).await.expect("no error").is_none(), "there is none");
    let held = inbox.take(LONG, None).await.expect("no error").expect("the first");
    assert_eq!(held.id(), first);
}

#[tokio::test]
async fn several_may_be_held_and_each_is_its_own() {
    let bus = TestBus::start().await;
    let (_client, inbox) = alice(&bus).await;
    let ids = [post(&bus, "1").await, post(&bus, "2").await, post(&bus, "3").await];
    let mut held = Vec::new();
    for _ in ids {
        held.push(inbox.take(LONG, None).await.expect("no error").expect("a query"));
    }
    assert_eq!(held.iter().map(|held| held.id()).collect::<Vec<_>>(), ids, "the oldest first");
    for held in held.iter().rev() {
        held.answer(Done::new(held.text().to_owned())).await.expect("stored");
    }
    for id in ids {
        let ended = bus.client("bob").await.follow(id).await.expect("followed").ended().await.expect("an ending");
        assert_eq!(ended.state, State::Completed);
    }
}

#[tokio::test]
async fn what_is_given_back_waits_again_and_is_not_spent() {
    let bus = TestBus::start().await;
    let (client, inbox) = alice(&bus).await;
    let id = bus.client("bob").await.post(Query { attempts: Some(1), ..query("?") }).await.expect("posted").id;
    for round in 1..=4 {
        let held = inbox.take(LONG, None).await.expect("no error").expect("it waits again");
        assert_eq!((held.id(), held.attempt()), (id, round));
        match round {
            1 => held.release().await.expect("stored"),
            // Dropped, it goes back of itself.
            2 => drop(held),
            // A taker who has gone when it comes is no loss either.
            3 => {
                held.release().await.expect("stored");
                waits(&client, id).await;
            }
            _ => held.answer(Done::new("At last.")).await.expect("stored"),
        }
    }
    let ended = bus.client("bob").await.follow(id).await.expect("followed").ended().await.expect("an ending");
    assert_eq!(ended.state, State::Completed, "one attempt was allowed, and one was spent");
}

#[tokio::test]
async fn closing_the_inbox_gives_back_what_is_held() {
    let bus = TestBus::start().await;
    let (client, inbox) = alice(&bus).await;
    let id = post(&bus, "?").await;
    let held = inbox.take(LONG, None).await.expect("no error").expect("a query");
    inbox.close().await;
    waits(&client, id).await;
    let attempts = client.status(id).await.expect("a record").attempts;
    assert_eq!(attempts[0].failure.as_ref().expect("why").code, "instance_stopped");
    assert_eq!(held.answer(Done::new("Too late.")).await.unwrap_err().code(), "stopped");
}

#[tokio::test]
async fn a_cancel_tells_whoever_holds_it() {
    let bus = TestBus::start().await;
    let (client, inbox) = alice(&bus).await;
    let bob = bus.client("bob").await;
    let id = post(&bus, "?").await;
    let held = inbox.take(LONG, None).await.expect("no error").expect("a query");
    bob.cancel(id, None).await.expect("cancelled");
    held.stopped().cancelled().await;
    assert_eq!(held.answer(Done::new("Done.")).await.unwrap_err().code(), "stopped");
    assert_eq!(client.status(id).await.expect("a record").state, State::Cancelled);
}

#[tokio::test]
async fn a_lease_is_renewed_for_as_long_as_the_inbox_is_there() {
    let bus = TestBus::start().await;
    let client = bus.client("alice").await;
    let agent = Agent::new(name("alice")).lease(Duration::from_millis(600));
    let inbox = client.inbox(agent).await.expect("an inbox");
    let id = post(&bus, "?").await;
    let held = inbox.take(LONG, Some(id)).await.expect("no error").expect("a query");
    // Four leases long, somebody else's query is waited for in vain.
    assert!(inbox.take(Duration::from_millis(2400), None).await.expect("no error").is_none());
    let attempts = client.status(id).await.expect("a record").attempts;
    assert_eq!((attempts.len(), attempts[0].state), (1, AttemptState::Accepted));
    held.fail(Fault::fail("no_idea", "Nobody knows.")).await.expect("stored");
    let ended = bus.client("bob").await.follow(id).await.expect("followed").ended().await.expect("an ending");
    assert_eq!(ended.state, State::Failed);
}

#[tokio::test]
async fn what_waits_and_what_is_kept_survives_the_coordinator() {
    let bus = TestBus::start().await;
    let (client, inbox) = alice(&bus).await;
    let (kept, waiting) = (post(&bus, "kept").await, post(&bus, "waiting").await);
    inbox.take(LONG, Some(kept)).await.expect("no error").expect("a query").keep();
    inbox.close().await;
    let TestBus { server, coordinator } = bus;
    coordinator.drain().await;
    let bus = TestBus { coordinator: coordinate(&server.url()).await, server };

    waits(&client, waiting).await;
    let taken = client.taken(kept).await.expect("it is still alice's");
    assert_eq!((taken.text(), taken.attempt()), ("kept", 1));
    taken.progress("looking", [("at", "it")]).await.expect("stored");
    taken.answer(Done::new("Kept it.")).await.expect("it counts");
    assert_eq!(client.taken(kept).await.unwrap_err().code(), "ended");
    assert_eq!(client.taken(waiting).await.unwrap_err().code(), "not_taken");
    let bob = bus.client("bob").await;
    assert_eq!(bob.taken(waiting).await.unwrap_err().code(), "not_taken");
    let (_, inbox) = alice(&bus).await;
    let held = inbox.take(LONG, None).await.expect("no error").expect("a query");
    assert_eq!(bob.taken(held.id()).await.unwrap_err().code(), "not_yours");
}

/// Two people take at once, in two processes under one name: each query goes to one of them.
#[tokio::test]
async fn whoever_is_first_has_it() {
    let bus = TestBus::start().await;
    let (client, one) = alice(&bus).await;
    let (_, other) = alice(&bus).await;
    for _ in 0..20 {
        let id = post(&bus, "?").await;
        let held = tokio::select! {
            held = one.take(LONG, Some(id)) => held,
            held = other.take(LONG, Some(id)) => held,
        };
        let held = held.expect("no error").expect("one of them has it");
        held.answer(Done::new("Mine.")).await.expect("stored");
        let record = client.history(id).await.expect("a record");
        assert_eq!(record.attempts.len(), 1, "{record:?}");
    }
}

/// Takers come and go at random moments, answer, give back or forget; queries come meanwhile. Each is answered once.
#[tokio::test]
async fn nothing_is_lost_or_done_twice_between_many_hands() {
    const QUERIES: usize = 60;
    let bus = TestBus::start().await;
    let (client, inbox) = alice(&bus).await;
    let bob = bus.client("bob").await;
    let posting = async {
        let mut ids = Vec::new();
        for n in 0..QUERIES {
            ids.push(bob.post(query(&n.to_string())).await.expect("posted").id);
        }
        ids
    };
    let taking = async {
        let (mut random, mut answered) = (random::Random::new(7), 0);
        while answered < QUERIES {
            let within = Duration::from_micros(random.below(60_000));
            let Some(held) = inbox.take(within, None).await.expect("no error") else { continue };
            match random.below(4) {
                0 => drop(held),
                1 => held.release().await.expect("stored"),
                _ => {
                    held.answer(Done::new("Done.")).await.expect("stored");
                    answered += 1;
                }
            }
        }
    };
    let (ids, ()) = tokio::time::timeout(Duration::from_secs(60), async { tokio::join!(posting, taking) }).await.expect("in time");
    for id in ids {
        let ended = bus.client("bob").await.follow(id).await.expect("followed").ended().await.expect("an ending");
        assert_eq!(ended.state, State::Completed);
        let record = client.history(id).await.expect("a record");
        let spent = record.attempts.iter().filter(|attempt| attempt.failure.is_none()).count();
        assert_eq!(spent, 1, "{record:?}");
    }
}

#[tokio::test]
async fn a_record_that_fits_into_no_answer_of_the_api_holds_nobody_up() {
    let bus = TestBus::start().await;
    let (client, inbox) = alice(&bus).await;
    let text = "\"é\\".repeat(90_000);
    let (large, small) = (post(&bus, &text).await, post(&bus, "small").await);
    waits(&client, small).await;
    let addressed = client.addressed(&name("alice")).await.expect("both");
    assert_eq!(addressed.waiting.iter().map(|record| record.id).collect::<Vec<_>>(), [large, small]);

    let _held = inbox.take(LONG, Some(large)).await.expect("no error").expect("the large one");
    let taken = client.taken(large).await.expect("it is in hand");
    assert!(taken.text() == text);
    for page in 1..=5 {
        taken.progress("reading", [("page", page.to_string()), ("log", "x".repeat(100_000))]).await.expect("stored");
    }
    client.taken(large).await.expect("it is in hand still").answer(Done::new("z".repeat(300_000))).await.expect("it counts");
    let record = client.history(large).await.expect("all of it");
    assert_eq!((record.state, record.messages.len()), (State::Completed, 9));
}
