//! An agent: it counts words, says what it is doing, and answers. Ctrl-C lets it finish first.
//! `cargo run -p agentbus --example agent -- nats://127.0.0.1:4222`

use agentbus::{Agent, Done, Error, Fault, Task};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "nats://127.0.0.1:4222".to_owned());
    let agent = Agent::new("word-counter".parse()?).answers("count_*").capacity(8);
    agent.run(&url, count).await
}

async fn count(task: Task) -> Result<Done, Fault> {
    let lines = task.text().lines().count();
    task.progress("counting", [("lines_found", lines)]).await?;
    let words = task.text().split_whitespace().count();
    Ok(Done::new(format!("Counted {words} words.")).result(json!({ "words": words })))
}
