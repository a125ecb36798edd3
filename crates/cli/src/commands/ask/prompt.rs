//! What an agent asks back: shown, and on a terminal answered there.
//!
//! Where nobody sits at a terminal, it says how to reply. Never waits for a line while nothing is asked.

use std::{
    collections::VecDeque,
    io::{self, BufRead, IsTerminal},
};

use agentbus::{Asking, Bus, QueryId};
use protocol::message::Question;
use serde_json::Value;
use tokio::sync::mpsc::{self, error::TrySendError};

use crate::{failure::Failure, printer, show};

/// Lines that wait to be looked at. More are dropped: they were typed before anybody could have read what is asked.
const TYPED: usize = 16;

/// The questions that are open, and what is typed.
#[derive(Debug, Default)]
pub(super) struct Prompt {
    open: VecDeque<Question>,
    lines: Option<mpsc::Receiver<String>>,
}

impl Prompt {
    /// Whether a question waits for what is typed.
    pub(super) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// An agent asks.
    pub(super) fn put(&mut self, id: QueryId, question: Question) {
        if self.open.iter().any(|open| open.question == question.question) {
            return;
        }
        printer::say(told(&question));
        if !(io::stdin().is_terminal() && printer::is_watched()) {
            printer::say(format!("  to reply: agentbus reply {id} --question {} TEXT", question.question));
            return;
        }
        self.lines.get_or_insert_with(typed);
        self.open.push_back(question);
        if self.open.len() == 1 {
            self.ask_first();
        }
    }

    /// The agent goes on without a reply to this one.
    pub(super) fn withdraw(&mut self, number: u32) {
        let first = self.open.front().is_some_and(|question| question.question == number);
        self.open.retain(|question| question.question != number);
        if first {
            printer::say("");
            self.ask_first();
        }
    }

    /// The next line that is typed; never, where nobody types.
    pub(super) async fn line(&mut self) -> String {
        match &mut self.lines {
            Some(lines) => match lines.recv().await {
                Some(line) => line,
                // The terminal is gone; the question stays open.
                None => std::future::pending().await,
            },
            None => std::future::pending().await,
        }
    }

    /// Replies with what was typed. One that is refused is asked for again.
    pub(super) async fn answer(&mut self, bus: &Bus, asking: &Asking, line: &str) {
        let Some(question) = self.open.front() else { return };
        let Some(reply) = reply(question, line) else {
            return printer::ask(cursor(question));
        };
        match bus.reply(asking.id(), Some(question.question), reply).await {
            Ok(_) => {}
            Err(error) => {
                let settled = matches!(error.code(), "ended" | "no_open_question" | "no_such_question" | "not_yours");
                let asked = cursor(question);
                let _ = Failure::from(error).report(false);
                if !settled {
                    return printer::ask(asked);
                }
            }
        }
        self.open.pop_front();
        self.ask_first();
    }

    /// Asks what is now the first question. What was typed before it was, is no reply to it.
    fn ask_first(&mut self) {
        while self.lines.as_mut().is_some_and(|lines| lines.try_recv().is_ok()) {}
        if let Some(first) = self.open.front() {
            printer::ask(cursor(first));
        }
    }
}

/// The question, with what can be chosen.
fn told(question: &Question) -> String {
    let mut text = format!("{} asks: {}", question.agent, show::plain(&question.text));
    for (at, choice) in question.choices.iter().flatten().enumerate() {
        text.push_str(&format!("\n  {}  {}", at + 1, show::plain(choice)));
    }
    text
}

fn cursor(question: &Question) -> String {
    match &question.default {
        Some(default) => format!("reply [{}]: ", show::plain(&shown(default))),
        None => "reply: ".to_owned(),
    }
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What a line replies: a choice by its number, the default where nothing was typed, else the text.
fn reply(question: &Question, line: &str) -> Option<Value> {
    let line = line.trim();
    if line.is_empty() {
        return question.default.clone();
    }
    let choices = question.choices.as_deref().unwrap_or_default();
    let numbered = line.parse::<usize>().ok().and_then(|number| choices.get(number.checked_sub(1)?));
    Some(numbered.map_or_else(|| line.into(), |choice| choice.clone().into()))
}

/// What is typed, line by line. A thread of its own: reading a terminal cannot be called off, and the process does not
/// wait for it when it ends.
fn typed() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(TYPED);
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            // It goes on reading, so that what was typed ahead is here when a question comes, and not in the terminal.
            if let Err(TrySendError::Closed(_)) = sender.try_send(line) {
                return;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn question(more: &Value) -> Question {
        let mut question = json!({ "agent": "deployer", "attempt": 1, "instance": "i", "question": 1001, "text": "Sure?\u{1b}[2J" });
        question.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(question).unwrap()
    }

    #[test]
    fn a_line_is_a_choice_by_number_the_default_or_a_text() {
        let asked = question(&json!({ "choices": ["yes", "no"], "default": "no" }));
        let replied = ["2", " yes ", "", "3", "0"].map(|line| reply(&asked, line).unwrap());
        assert_eq!(replied, ["no", "yes", "no", "3", "0"].map(Value::from));
        assert_eq!(reply(&question(&json!({})), "  "), None, "nothing was typed, and there is no default");
    }

    #[test]
    fn what_was_typed_before_a_question_was_the_first_is_no_reply_to_it() {
        let (sender, receiver) = mpsc::channel(TYPED);
        let open = [1001, 1002, 1003].map(|number| question(&json!({ "question": number })));
        let mut prompt = Prompt { open: open.into(), lines: Some(receiver) };
        let typed = |prompt: &mut Prompt| prompt.lines.as_mut().unwrap().try_recv().ok();
        sender.try_send("allow".to_owned()).unwrap();
        prompt.withdraw(1002);
        assert_eq!(typed(&mut prompt).as_deref(), Some("allow"), "the first is still the first");
        for _ in 0..2 {
            sender.try_send("allow".to_owned()).unwrap();
        }
        prompt.withdraw(1001);
        assert_eq!((typed(&mut prompt), prompt.open.len()), (None, 1));
        sender.try_send("deny".to_owned()).unwrap();
        assert_eq!(typed(&mut prompt).as_deref(), Some("deny"));
    }

    #[test]
    fn it_is_shown_with_its_choices_and_harmless() {
        let asked = question(&json!({ "choices": ["yes", "no"], "default": { "dry": true } }));
        assert_eq!(told(&asked), "deployer asks: Sure?\u{fffd}[2J\n  1  yes\n  2  no");
        assert_eq!(cursor(&asked), "reply [{\"dry\":true}]: ");
    }
}
