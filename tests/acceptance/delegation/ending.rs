//! What ends with what: cancel and deadline reach everything that was asked on a query's behalf, and so does the
//! query's own answer.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use agentbus::{Done, Fault, State, Task};

use super::team::{Sleepers, Team, says, to};

/// Within which time everything below has ended, and every handler has been told.
const SOON: Duration = Duration::from_secs(2);

/// Three agents in a row, none of which answers.
async fn chain() -> (Team, Sleepers) {
    let (mut team, sleepers) = (Team::new().await, Sleepers::default());
    team.add("a", sleepers.asking("b")).await;
    team.add("b", sleepers.asking("c")).await;
    team.add("c", sleepers.handler()).await;
    (team, sleepers)
}

#[tokio::test]
async fn cancel_reaches_everything_below() {
    let (team, sleepers) = chain().await;
    let asking = team.client.ask(to("a", "hello")).await.expect("posted");
    sleepers.begun(3).await;
    let begun = Instant::now();
    team.client.cancel(asking.id(), None).await.expect("cancelled");
    assert_eq!(asking.ended().await.expect("it ends").state, State::Cancelled);
    sleepers.gone(3).await;
    let took = begun.elapsed();
    assert!(took <= SOON, "{took:?}");
    let [root, below @ ..] = &team.endings().await[..] else { panic!("no query") };
    assert_eq!(*root, (State::Cancelled, "cancelled".to_owned()));
    assert_eq!(below, [(State::Cancelled, "parent_ended".to_owned()), (State::Cancelled, "parent_ended".to_owned())]);
}

#[tokio::test]
async fn the_deadline_reaches_everything_below() {
    let (team, sleepers) = chain().await;
    let mut query = to("a", "hello");
    query.timeout_ms = Some(1_500);
    let begun = Instant::now();
    let asking = team.client.ask(query).await.expect("posted");
    sleepers.begun(3).await;
    assert_eq!(asking.ended().await.expect("it ends").state, State::Expired);
    sleepers.gone(3).await;
    let took = begun.elapsed();
    assert!(took <= Duration::from_millis(1_500) + SOON, "{took:?}");
    for (state, code) in team.endings().await {
        // Each has the same deadline: it ends by its own, or because what it was asked for has.
        assert!(matches!(state, State::Expired | State::Cancelled), "{state} {code}");
    }
}

#[tokio::test]
async fn what_a_handler_left_running_learns_that_nobody_waits() {
    let (mut team, sleepers) = (Team::new().await, Sleepers::default());
    let (told, mut heard) = tokio::sync::mpsc::channel(1);
    let delegates = move |task: Task| {
        let told = told.clone();
        async move {
            let asking = task.ask(to("b", "hello")).await?;
            tokio::spawn(async move { told.send(asking.ended().await.map(|ended| ended.state)).await });
            std::future::pending::<Result<Done, Fault>>().await
        }
    };
    team.add("a", delegates).await;
    team.add("b", sleepers.handler()).await;
    let asking = team.client.ask(to("a", "hello")).await.expect("posted");
    sleepers.begun(1).await;
    team.client.cancel(asking.id(), None).await.expect("cancelled");
    let error = heard.recv().await.expect("it is told").expect_err("the query in hand was taken away");
    assert_eq!(error.code(), "stopped", "{error}");
    sleepers.gone(1).await;
}

#[tokio::test]
async fn whoever_answers_early_leaves_nothing_behind() {
    let (mut team, sleepers) = (Team::new().await, Sleepers::default());
    let waiting = sleepers.clone();
    let hasty = move |task: Task| {
        let waiting = waiting.clone();
        async move {
            let _left = task.ask(to("b", "hello")).await?;
            waiting.begun(2).await;
            Ok(Done::new("without b"))
        }
    };
    team.add("a", hasty).await;
    team.add("b", sleepers.asking("c")).await;
    team.add("c", sleepers.handler()).await;
    let begun = Instant::now();
    assert_eq!(team.ask("a").await.notification(), "without b");
    sleepers.gone(2).await;
    let took = begun.elapsed();
    assert!(took <= SOON, "{took:?}");
    let ended = |code: &str| (State::Cancelled, code.to_owned());
    assert_eq!(team.endings().await, [(State::Completed, String::new()), ended("parent_ended"), ended("parent_ended")]);
}

#[tokio::test]
async fn what_a_lost_attempt_asked_ends_and_the_next_attempt_asks_anew() {
    let mut team = Team::new().await;
    let sleepers = Sleepers::default();
    let waiting = sleepers.clone();
    let clumsy = move |task: Task| {
        let waiting = waiting.clone();
        async move {
            if task.attempt() == 1 {
                let _left = task.ask(to("slow", "hello")).await?;
                waiting.begun(1).await;
                return Err(Fault::retry("no_luck", "again"));
            }
            let ended = task.ask(to("quick", "hello")).await?.ended().await?;
            Ok(Done::new(ended.notification()))
        }
    };
    team.add("a", clumsy).await;
    team.add("slow", sleepers.handler()).await;
    team.add("quick", says("at last")).await;
    assert_eq!(team.ask("a").await.notification(), "at last");
    sleepers.gone(1).await;
    let completed = (State::Completed, String::new());
    assert_eq!(team.endings().await, [completed.clone(), (State::Cancelled, "parent_ended".to_owned()), completed]);
}

#[tokio::test]
async fn with_an_id_of_its_own_it_is_asked_once_in_all_attempts() {
    let mut team = Team::new().await;
    let (id, runs) = (agentbus::QueryId::mint(), Arc::new(AtomicU32::new(0)));
    let clumsy = move |task: Task| async move {
        let mut query = to("b", "hello");
        query.id = Some(id);
        let ended = task.ask(query).await?.ended().await?;
        if task.attempt() == 1 { Err(Fault::retry("no_luck", "again")) } else { Ok(Done::new(ended.notification())) }
    };
    let counted = runs.clone();
    let counts = move |_: Task| {
        let run = counted.fetch_add(1, Ordering::SeqCst) + 1;
        async move { Ok(Done::new(format!("run {run}"))) }
    };
    team.add("a", clumsy).await;
    team.add("b", counts).await;
    assert_eq!(team.ask("a").await.notification(), "run 1");
    assert_eq!((team.endings().await.len(), runs.load(Ordering::SeqCst)), (2, 1));
}

#[tokio::test]
async fn an_agent_cancels_what_it_needs_no_more_and_goes_on() {
    let (mut team, sleepers) = (Team::new().await, Sleepers::default());
    let waiting = sleepers.clone();
    let chooses = move |task: Task| {
        let waiting = waiting.clone();
        async move {
            let slow = task.ask(to("slow", "hello")).await?;
            waiting.begun(1).await;
            let quick = task.ask(to("quick", "hello")).await?.ended().await?;
            slow.cancel(Some("the other was faster")).await?;
            let cancelled = slow.ended().await?;
            Ok(Done::new(format!("{}; the other: {}", quick.notification(), cancelled.state)))
        }
    };
    team.add("a", chooses).await;
    team.add("slow", sleepers.handler()).await;
    team.add("quick", says("here")).await;
    assert_eq!(team.ask("a").await.notification(), "here; the other: cancelled");
    sleepers.gone(1).await;
}
