//! What an agent asks back: shown, and on a terminal answered there.
//!
//! Where nobody sits at a terminal, or nothing more can be typed, it says how to reply. Never waits for a line while nothing is asked.

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

/// What comes from the terminal.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// A line.
    Line(String),
    /// A line that is no text.
    Garbled,
    /// Nothing more.
    End,
}

/// The questions that are open, and what is typed.
#[derive(Debug, Default)]
pub(super) struct Prompt {
    /// Those that can be answered here.
    open: VecDeque<Question>,
    lines: Option<mpsc::Receiver<Typed>>,
    /// Whether nothing more can be typed.
    ended: bool,
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
        if self.ended || !(io::stdin().is_terminal() && printer::is_watched()) {
            return printer::say(elsewhere(id, &question));
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
    pub(super) async fn line(&mut self) -> Typed {
        match &mut self.lines {
            Some(lines) => lines.recv().await.unwrap_or(Typed::End),
            None => std::future::pending().await,
        }
    }

    /// Replies with what was typed. One that is refused is asked for again.
    pub(super) async fn answer(&mut self, bus: &Bus, asking: &Asking, typed: &Typed) {
        let Some(line) = self.heard(asking.id(), typed) else { return };
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

    /// The line that may be a reply; of anything else it says what to do.
    fn heard<'a>(&mut self, id: QueryId, typed: &'a Typed) -> Option<&'a str> {
        match typed {
            Typed::Line(line) => return Some(line),
            Typed::Garbled => {
                printer::say("that line is not UTF-8, so it was not sent; type it again");
                self.open.front().into_iter().for_each(|first| printer::ask(cursor(first)));
            }
            Typed::End => {
                // The cursor stands behind what was asked.
                printer::say("");
                printer::say(self.end(id));
            }
        }
        None
    }

    /// Nothing more can be typed: says how to reply to what is open from now on.
    fn end(&mut self, id: QueryId) -> String {
        self.ended = true;
        let how = self.open.drain(..).map(|question| format!("\n{}", elsewhere(id, &question)));
        how.fold("the input has ended, and no reply can be typed here any more".to_owned(), |all, line| all + &line)
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

/// How to reply where nothing can be typed.
fn elsewhere(id: QueryId, question: &Question) -> String {
    format!("  to reply: agentbus reply {id} --question {} TEXT", question.question)
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
fn typed() -> mpsc::Receiver<Typed> {
    let (sender, receiver) = mpsc::channel(TYPED);
    std::thread::spawn(move || pass_on(io::stdin().lock(), &sender));
    receiver
}

/// Passes on line by line. That there are no more is told by the end of the sender: a full queue cannot lose it.
fn pass_on(input: impl BufRead, sender: &mpsc::Sender<Typed>) {
    for line in input.split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8(line).map_or(Typed::Garbled, Typed::Line);
        // It goes on reading, so that what was typed ahead is here when a question comes, and not in the terminal.
        if let Err(TrySendError::Closed(_)) = sender.try_send(line) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use futures::FutureExt;
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
        let mut prompt = Prompt { open: open.into(), lines: Some(receiver), ended: false };
        let typed = |prompt: &mut Prompt| prompt.lines.as_mut().unwrap().try_recv().ok();
        let line = |text: &str| Typed::Line(text.to_owned());
        sender.try_send(line("allow")).unwrap();
        prompt.withdraw(1002);
        assert_eq!(typed(&mut prompt), Some(line("allow")), "the first is still the first");
        for _ in 0..2 {
            sender.try_send(line("allow")).unwrap();
        }
        prompt.withdraw(1001);
        assert_eq!((typed(&mut prompt), prompt.open.len()), (None, 1));
        sender.try_send(line("deny")).unwrap();
        assert_eq!(typed(&mut prompt), Some(line("deny")));
    }

    #[test]
    fn a_line_that_is_no_text_is_told_and_the_next_is_heard() {
        let (sender, receiver) = mpsc::channel(TYPED);
        pass_on(&b"caf\xe9\nyes\n"[..], &sender);
        drop(sender);
        let mut prompt = Prompt { open: [question(&json!({}))].into(), lines: Some(receiver), ended: false };
        let id = QueryId::mint();
        let mut next = || {
            let typed = prompt.line().now_or_never().unwrap();
            (prompt.heard(id, &typed).map(str::to_owned), typed, prompt.is_open())
        };
        assert_eq!(next(), (None, Typed::Garbled, true), "the question is still open");
        assert_eq!(next(), (Some("yes".to_owned()), Typed::Line("yes".to_owned()), true));
        assert_eq!(next(), (None, Typed::End, false), "nobody waits for a line any more");
    }

    #[test]
    fn at_the_end_of_the_input_it_says_once_how_to_reply() {
        let open = [1001, 1002].map(|number| question(&json!({ "question": number })));
        let mut prompt = Prompt { open: open.into(), ..Prompt::default() };
        let (id, said) = (QueryId::mint(), "the input has ended, and no reply can be typed here any more");
        let how = |number: u32| format!("  to reply: agentbus reply {id} --question {number} TEXT");
        assert_eq!(prompt.end(id), format!("{said}\n{}\n{}", how(1001), how(1002)));
        prompt.put(id, question(&json!({ "question": 1003 })));
        assert!(!prompt.is_open() && prompt.lines.is_none(), "the next one is not asked for here");
    }

    #[test]
    fn it_is_shown_with_its_choices_and_harmless() {
        let asked = question(&json!({ "choices": ["yes", "no"], "default": { "dry": true } }));
        assert_eq!(told(&asked), "deployer asks: Sure?\u{fffd}[2J\n  1  yes\n  2  no");
        assert_eq!(cursor(&asked), "reply [{\"dry\":true}]: ");
    }
}
