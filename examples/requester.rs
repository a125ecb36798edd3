//! A requester: asks for a word count, shows progress, and prints the ending, which is final.
//! `cargo run -p agentbus --example requester -- nats://127.0.0.1:4222`
#![expect(clippy::print_stdout, reason = "it talks to a person")]
use agentbus::{Bus, Error, Event, Options, Query};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "nats://127.0.0.1:4222".to_owned());
    let bus = Bus::connect(Options::new(url, "alice".parse()?)).await?;
    let mut asking = bus.ask(Query::new(bus.name().clone(), "count_words", "How many words are these?")).await?;
    let ended = loop {
        match asking.next().await? {
            Event::Progress(report) => println!("progress: {}", report.status),
            Event::Ended(ended) => break ended,
            _ => {}
        }
    };
    println!("{}: {}", ended.state, ended.notification());
    Ok(())
}
