//! `testkit model`: the stand-in as a program, to try a definition without a model and without a key.

use std::{
    io::{self, Read, Write},
    net::Ipv4Addr,
    process::ExitCode,
};

use serde_json::Value;

use super::{Model, Reply, Request, Turn};

/// Options of `testkit model`.
#[derive(Clone, Debug, clap::Args)]
pub struct Serve {
    /// The port, on this machine only; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// What the model says, turn by turn: a text, or calls of tools as in '{"ask": {"question": "…"}}'
    #[arg(required = true)]
    turns: Vec<String>,
}

impl Serve {
    /// Serves until its standard input ends; prints where.
    ///
    /// # Panics
    /// Where the port cannot be had.
    #[must_use]
    pub fn run(self) -> ExitCode {
        let turns: Vec<Reply> = self.turns.iter().map(|turn| Reply::Says(read(turn))).collect();
        let script = move |_: usize, request: &Request| {
            // By what the model has said before in this conversation, so that several can go on at once.
            let messages = request.body["messages"].as_array();
            let said = messages.map_or(0, |messages| messages.iter().filter(|message| message["role"] == "assistant").count());
            turns.get(said).or(turns.last()).cloned().expect("a turn")
        };
        let model = Model::start_at((Ipv4Addr::LOCALHOST, self.port), script);
        let _ = writeln!(io::stdout(), "{}", model.url(""));
        let _ = io::stdin().read_to_end(&mut Vec::new());
        ExitCode::SUCCESS
    }
}

fn read(turn: &str) -> Turn {
    match serde_json::from_str(turn) {
        Ok(Value::Object(calls)) => {
            calls.into_iter().fold(Turn { usage: (10, 5), ..Turn::default() }, |turn, (tool, arguments)| turn.and_call(&tool, arguments))
        }
        _ => Turn::text(turn),
    }
}
