//! An agent that delegates: it has the words counted by whoever counts words, and judges the length.
//! `cargo run -p agentbus --example reviewer -- nats://127.0.0.1:4222`

use agentbus::{Agent, Done, Error, Fault, Query, State, Task};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "nats://127.0.0.1:4222".to_owned());
    Agent::new("reviewer".parse()?).answers("review_*").capacity(8).run(&url, review).await
}

async fn review(task: Task) -> Result<Done, Fault> {
    let query = Query::new(task.agent().clone(), "count_words", task.text());
    let counted = task.ask(query).await?.ended().await?;
    if counted.state != State::Completed {
        return Err(Fault::fail("not_counted", counted.notification()));
    }
    let words = counted.answer.and_then(|answer| answer.result?.get("words")?.as_u64());
    let verdict = if words.is_some_and(|words| words <= 100) { "short" } else { "long" };
    Ok(Done::new(format!("It is {verdict}.")).result(json!({ "words": words })))
}
