//! Dead letters: what nobody could do, and asking it again.

use protocol::{DeadLetters, Kind, Message, Name, Problem, QueryId, Record, State, message::Query};
use serde_json::json;

use crate::{Bus, Error, Receipt};

impl Bus {
    /// The newest dead letters, `limit` of them at most, and the messages that nobody can read. Of those that
    /// have been archived, a coordinator knows what has died since it was started; the record of every one can
    /// be had by its id until it is dropped.
    ///
    /// # Errors
    /// `no_coordinator`, `unavailable`.
    pub async fn dead(&self, limit: usize) -> Result<DeadLetters, Error> {
        let mut all = DeadLetters::default();
        let mut before = None;
        loop {
            let left = limit.saturating_sub(all.letters.len());
            let page: DeadLetters = self.call("dead", &json!({ "limit": left, "before": before })).await?;
            all.letters.extend(page.letters);
            all.unreadable.extend(page.unreadable);
            all.before = page.before;
            before = page.before;
            if before.is_none() || all.letters.len() >= limit {
                return Ok(all);
            }
        }
    }

    /// Asks a dead query again: the same content under a new id, which names the old one. Its time and its
    /// attempts begin anew; a deadline that was a moment becomes the default time-out, and it stands for itself,
    /// without the query on whose behalf the old one was asked.
    ///
    /// # Errors
    /// `not_yours` unless this handle speaks for its requester; `not_dead`; `unreadable` where there is no
    /// query in it; and as [`Bus::status`] and [`Bus::post`].
    pub async fn replay(&self, id: QueryId) -> Result<Receipt, Error> {
        let query = again(&self.status(id).await?, self.name())?;
        self.post(query).await
    }
}

/// The query of a dead record, ready to be asked again.
fn again(record: &Record, me: &Name) -> Result<Query, Problem> {
    let (id, requester) = (record.id, &record.requester);
    if requester != me {
        let problem = Problem::new("not_yours", format!("the query {id} belongs to {requester}"));
        return Err(problem.hint("Only its requester can ask it again: --from NAME"));
    }
    if !matches!(record.state, State::Dead | State::Rejected) {
        let problem = Problem::new("not_dead", format!("the query {id} is no dead letter: {}", record.state));
        return Err(problem.hint("What there is: agentbus dead list"));
    }
    let unreadable = || Problem::new("unreadable", format!("what was posted as {id} is no valid query, and can be no second time"));
    match Message::parse(Kind::Query, requester, record.query.to_string().as_bytes()) {
        Ok(Message::Query(query)) => Ok(Query { id: None, deadline: None, parent: None, path: None, replays: Some(id), ..query }),
        _ => Err(unreadable().hint("Post it anew as it should have been: agentbus post")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn record(state: &str, query: &serde_json::Value) -> Record {
        let id = "0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3";
        let record =
            json!({ "id": id, "requester": "alice", "state": state, "query": query, "seq": 1, "posted_at": "2026-01-05T09:00:00Z" });
        serde_json::from_value(record).unwrap()
    }

    fn query() -> serde_json::Value {
        json!({
            "requesting_agent": "alice", "request_type": "build", "payload": { "query": "it", "tries": 7 }, "target": "builder", "x": 1,
            "id": "0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3", "deadline": "2026-01-05T09:10:00Z", "path": ["bob"],
        })
    }

    #[test]
    fn the_content_stays_and_what_belongs_to_its_time_goes() {
        let again = again(&record("dead", &query()), &"alice".parse().unwrap()).unwrap();
        let expected = json!({
            "requesting_agent": "alice", "request_type": "build", "payload": { "query": "it", "tries": 7 }, "target": "builder", "x": 1,
            "replays": "0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3",
        });
        assert_eq!(Message::Query(again).to_value(), expected);
    }

    #[test]
    fn who_may_not_and_what_cannot() {
        let code = |record: &Record, me: &str| again(record, &me.parse().unwrap()).unwrap_err().code;
        assert_eq!(code(&record("dead", &query()), "bob"), "not_yours");
        assert_eq!(code(&record("completed", &query()), "alice"), "not_dead");
        assert_eq!(code(&record("rejected", &json!(null)), "alice"), "unreadable");
    }
}
