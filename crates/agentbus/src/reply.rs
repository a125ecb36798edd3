//! Replying: what a requester gives an agent that has asked for input.

use std::time::Duration;

use protocol::{
    Extra, Kind, Logged, Message, Problem, QueryId, Record, Subject, To, Verdict,
    message::{Question, Reply},
};
use serde_json::Value;

use crate::{Bus, Error};

impl Bus {
    /// Replies to a question about a query of this name. `question`: its number; none, where only one is open. Returns
    /// that number when the ledger has the reply.
    ///
    /// # Errors
    /// `not_found`, `not_yours`, `ended`; `no_open_question` where nobody waits for a reply, `no_such_question` where not for
    /// this one, `which_question` where for several; `not_a_choice` where others were given; `too_late` where another reply was
    /// first, or the agent has gone on without; what is wrong with the reply, `payload_too_large`, `storage_full`,
    /// `no_coordinator`, `unavailable`.
    pub async fn reply(&self, id: QueryId, question: Option<u32>, reply: Value) -> Result<u32, Error> {
        let record = self.status(id).await?;
        if record.requester != *self.name() {
            let problem = Problem::new("not_yours", format!("the query {id} belongs to {}", record.requester));
            return Err(problem.hint("Only its requester can reply: --from NAME").into());
        }
        let question = open_question(&record, question)?;
        let reply = as_chosen(question, reply)?;
        let subject = Subject::new(Kind::Reply, id, self.name().clone(), To::One(question.agent.clone()))?;
        let body = Reply { requesting_agent: self.name().clone(), question: question.question, reply, extra: Extra::new() };
        let seq = self.publish(&subject, Message::Reply(body)).await?;
        let read = self.read_until(id, seq).await;
        if let Some(record) = read.filter(|record| !reaches_its_agent(record, question.question, seq)) {
            // Cancelled in the same moment, say: the agent has gone on with nothing.
            if record.close.is_some() {
                return Err(ended(&record).into());
            }
            let problem =
                Problem::new("too_late", format!("the agent does not wait for a reply to question {} any more", question.question));
            return Err(problem.hint(format!("See what it went on with: agentbus history {id}")).into());
        }
        Ok(question.question)
    }

    /// What the record made of the message at this sequence; none, where that cannot be learnt within 2 s.
    pub(crate) async fn verdict(&self, id: QueryId, seq: u64) -> Option<Verdict> {
        let record = self.read_until(id, seq).await?;
        record.messages.iter().find(|logged| logged.seq == seq).map(|logged| logged.verdict)
    }

    /// The record as soon as it has the message at this sequence.
    async fn read_until(&self, id: QueryId, seq: u64) -> Option<Record> {
        let reading = async {
            loop {
                match self.history(id).await {
                    Ok(record) if record.messages.iter().any(|logged| logged.seq == seq) => return record,
                    read => tracing::trace!(%id, seq, ok = read.is_ok(), "not in the record yet"),
                }
                tokio::time::sleep(AGAIN).await;
            }
        };
        tokio::time::timeout(READ, reading).await.ok()
    }
}

/// How long the record may take to show what was stored.
const READ: Duration = Duration::from_secs(2);

/// The pause before it is read again.
const AGAIN: Duration = Duration::from_millis(20);

/// Whether the reply at this sequence is the one that counts, and its agent still waited for it.
fn reaches_its_agent(record: &Record, question: u32, seq: u64) -> bool {
    let mut before = record.messages.iter().filter(|logged| logged.seq <= seq && logged.verdict == Verdict::Counted);
    let waived = |logged: &Logged| logged.body.get("defaulted").and_then(Value::as_u64) == Some(question.into());
    before.clone().any(|logged| logged.seq == seq) && !before.any(waived)
}

fn ended(record: &Record) -> Problem {
    let problem = Problem::new("ended", format!("the query {} has ended: {}", record.id, record.state));
    problem.hint(format!("See what became of it: agentbus history {}", record.id))
}

/// The question that a reply is to.
fn open_question(record: &Record, number: Option<u32>) -> Result<&Question, Problem> {
    let id = record.id;
    if record.state.is_terminal() {
        return Err(ended(record));
    }
    let open = record.questions.iter().map(|question| question.question.to_string()).collect::<Vec<_>>().join(", ");
    match (number, record.questions.as_slice()) {
        (_, []) => Err(Problem::new("no_open_question", format!("nobody waits for a reply about the query {id}: it is {}", record.state))),
        (None, [question]) => Ok(question),
        (None, _) => Err(Problem::new("which_question", format!("several questions about the query {id} are open: {open}"))
            .hint("Say which one: --question N")),
        (Some(number), questions) => questions.iter().find(|question| question.question == number).ok_or_else(|| {
            Problem::new("no_such_question", format!("there is no open question {number} about the query {id}"))
                .hint(format!("Open: {open}"))
        }),
    }
}

/// The reply as the question's choices have it; any reply where there are none.
fn as_chosen(question: &Question, reply: Value) -> Result<Value, Problem> {
    let Some(choices) = question.choices.as_ref().filter(|choices| !choices.is_empty()) else { return Ok(reply) };
    let text = reply.as_str().map(str::trim).unwrap_or_default();
    match choices.iter().find(|choice| choice.eq_ignore_ascii_case(text)) {
        Some(choice) => Ok(choice.clone().into()),
        None => Err(Problem::new("not_a_choice", "this reply is none of those that the question gives to choose from")
            .hint(format!("Choose one of: {}", choices.join(", ")))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn record(questions: &[u32], state: &str) -> Record {
        let question = |number: &u32| json!({ "agent": "deployer", "attempt": 1, "instance": "i", "question": number, "text": "Sure?", "choices": ["yes", "no"] });
        let record = json!({
            "id": QueryId::mint(), "requester": "alice", "state": state, "query": null, "seq": 1,
            "posted_at": "2026-11-22T09:00:00Z", "questions": questions.iter().map(question).collect::<Vec<_>>(),
        });
        serde_json::from_value(record).unwrap()
    }

    #[rstest::rstest]
    #[case(&[1001], "waiting", None, Ok(1001))]
    #[case(&[1001, 1002], "waiting", Some(1002), Ok(1002))]
    #[case(&[1001, 1002], "waiting", None, Err("which_question"))]
    #[case(&[1001], "waiting", Some(7), Err("no_such_question"))]
    #[case(&[], "working", None, Err("no_open_question"))]
    #[case(&[], "working", Some(1001), Err("no_open_question"))]
    #[case(&[], "completed", None, Err("ended"))]
    fn a_reply_needs_an_open_question(
        #[case] open: &[u32],
        #[case] state: &str,
        #[case] number: Option<u32>,
        #[case] expected: Result<u32, &str>,
    ) {
        let found = open_question(&record(open, state), number).map(|question| question.question).map_err(|problem| problem.code);
        assert_eq!(found, expected.map_err(str::to_owned));
    }

    #[test]
    fn a_choice_is_taken_as_it_was_given() {
        let record = record(&[1001], "waiting");
        let question = record.questions.first().unwrap();
        assert_eq!(as_chosen(question, json!(" YES ")), Ok(json!("yes")));
        for wrong in [json!("maybe"), json!(""), json!(1), json!(null)] {
            assert_eq!(as_chosen(question, wrong).unwrap_err().code, "not_a_choice");
        }
        let free = Question { choices: None, ..question.clone() };
        assert_eq!(as_chosen(&free, json!({ "any": 1 })), Ok(json!({ "any": 1 })));
    }
}
