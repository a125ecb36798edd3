//! `testkit work`: what the agents of a laboratory run. It does as the query's text says, and leaves a
//! line where it starts and where it ends, so that whoever judges knows how often work was really done.
//!
//! It speaks as docs/handlers.md says: one line in, lines of JSON out, and an exit code.

use std::{
    fs::OpenOptions,
    io::{BufRead, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use serde_json::{Value, json};

use crate::time;

/// The exit code for "worth another try".
const AGAIN: u8 = 75;

/// Options of `testkit work`.
#[derive(Debug, clap::Args)]
pub struct Work {
    /// Where each start and end is noted
    #[arg(long)]
    log: PathBuf,
}

impl Work {
    /// Does one piece of work.
    ///
    /// # Panics
    /// When the note cannot be written: then nothing may be done.
    #[must_use]
    pub fn run(self) -> ExitCode {
        let mut line = String::new();
        let _ = std::io::stdin().lock().read_line(&mut line);
        // No query: its host was killed before it could hand it over. Then nothing was begun.
        let Ok(query) = serde_json::from_str::<Value>(&line) else { return ExitCode::FAILURE };
        note(&self.log, &query, "start");
        let text = query["payload"]["query"].as_str().unwrap_or_default().to_owned();
        let attempt = query["attempt"].as_u64().unwrap_or_default();
        let code = act(&text, attempt);
        note(&self.log, &query, "end");
        code
    }
}

/// One line, written at once: other processes write to the same file.
fn note(log: &Path, query: &Value, what: &str) {
    let line = json!({
        "t": time::now_ms(), "event": what, "pid": std::process::id(),
        "id": query["id"], "attempt": query["attempt"], "agent": query["agent"],
    });
    let mut file = OpenOptions::new().create(true).append(true).open(log).expect("the log of the work");
    file.write_all(format!("{line}\n").as_bytes()).expect("a line of the log");
}

fn say(line: &Value) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn answer(text: &str) -> ExitCode {
    say(&json!({ "type": "answer", "delivery": format!("Done: {text}"), "result": { "text": text } }));
    ExitCode::SUCCESS
}

fn act(text: &str, attempt: u64) -> ExitCode {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let number = rest.split(' ').next().and_then(|number| number.parse::<u64>().ok()).unwrap_or(1);
    match word {
        "sleep" => pause(Duration::from_millis(number)),
        "progress" => (1..=number).for_each(report),
        "flood" => {
            let filler = "x".repeat(1024);
            (1..=number)
                .for_each(|at| say(&json!({ "type": "progress", "status": "flooding", "progress": { "n": at, "filler": filler } })));
        }
        "hang" => pause(Duration::from_secs(600)),
        "deaf" => (1..=600).for_each(|at| {
            report(at);
            pause(Duration::from_secs(1));
        }),
        "abort" => std::process::abort(),
        // As many attempts fail, and the next one does not.
        "crash" if attempt <= number => std::process::abort(),
        "flaky" if attempt <= number => return ExitCode::from(AGAIN),
        "retry" => return ExitCode::from(AGAIN),
        "fail" => return ExitCode::FAILURE,
        _ => {}
    }
    answer(text)
}

fn report(number: u64) {
    say(&json!({ "type": "progress", "status": "working", "progress": { "n": number } }));
}

#[expect(clippy::disallowed_methods, reason = "a process of its own, whose work it is to take time")]
fn pause(length: Duration) {
    std::thread::sleep(length);
}
