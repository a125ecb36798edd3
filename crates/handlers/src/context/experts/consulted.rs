//! What came of asking experts: what the answer says of it, and the facts that it rests on. Pure.

use agentbus::{Ended, Fact, Name, QueryId, State};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::choice::Errand;
use crate::context::Given;

/// How much of what experts tell goes into one answer, in bytes of JSON: it is told twice there, by topic and in the
/// list of facts, and the whole must stay below the largest message.
const ROOM: usize = 128 << 10;

/// Who was asked, who was not, and what came back.
#[derive(Debug, Default)]
pub(in crate::context) struct Consulted {
    asked: Vec<Asked>,
    too_dear: Vec<(String, Name)>,
    /// What experts told.
    pub(in crate::context) given: Vec<Given>,
    /// Who told each of these.
    tellers: Vec<Name>,
}

/// An expert that was asked, and what became of it.
#[derive(Debug, Serialize)]
pub(super) struct Asked {
    agent: Name,
    topics: Vec<String>,
    /// Why this agent, for each topic.
    why: Vec<String>,
    /// The query that it was asked; none if it could not be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<QueryId>,
    /// Where that stood when the answer was made. One that had not ended was late.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) state: Option<State>,
    /// The code of what went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) problem: Option<String>,
    /// How many of its facts are not told because the answer would be too large.
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<usize>,
}

impl Asked {
    pub(super) fn new(errand: &Errand) -> Self {
        let Errand { agent, topics, why } = errand;
        Self { agent: agent.clone(), topics: topics.clone(), why: why.clone(), id: None, state: None, problem: None, left_out: None }
    }

    /// Its query has ended.
    pub(super) fn ended(&mut self, ended: &Ended) {
        let failure = ended.answer.as_ref().and_then(|answer| answer.failure.as_ref()).map(|failure| &failure.code);
        self.state = Some(ended.state);
        self.problem = failure.or(ended.close.as_ref().map(|close| &close.code)).cloned();
    }

    fn outcome(&self) -> &str {
        match self.state {
            Some(state) if state.is_terminal() => state.as_str(),
            Some(_) => "late",
            None => "not asked",
        }
    }
}

impl Consulted {
    /// Of what the experts told, in their order, as much as there is room for.
    pub(super) fn of(runs: Vec<(Asked, Vec<Given>)>, too_dear: Vec<(String, Name)>) -> Self {
        let mut consulted = Self { too_dear, ..Self::default() };
        let mut room = ROOM;
        for (mut asked, given) in runs {
            let told = given.len();
            let before = consulted.given.len();
            for one in given {
                let size = json!(one.fact).to_string().len();
                if let Some(left) = room.checked_sub(size) {
                    room = left;
                    consulted.given.push(one);
                    consulted.tellers.push(asked.agent.clone());
                }
            }
            let left_out = told - (consulted.given.len() - before);
            asked.left_out = (left_out > 0).then_some(left_out);
            consulted.asked.push(asked);
        }
        consulted
    }

    /// Whether an expert told a newer fact of the same key that it observed itself, as it did this one: only one of these
    /// is current. What an expert says that others observed stands beside what these said themselves.
    pub(in crate::context) fn renews(&self, fact: &Fact) -> bool {
        let same = |told: &Fact| told.key == fact.key && told.observed_by == fact.observed_by;
        let own = |(given, teller): (&Given, &Name)| given.fact.observed_by == *teller && given.fact.observed_at >= fact.observed_at;
        self.given.iter().zip(&self.tellers).any(|(given, teller)| same(&given.fact) && own((given, teller)))
    }

    /// Adds who was asked to a result, and who was not. Nothing where there is nobody.
    pub(in crate::context) fn add_to(&self, result: &mut Value) {
        let Some(result) = result.as_object_mut() else { return };
        if !self.asked.is_empty() {
            result.insert("asked".to_owned(), json!(self.asked));
        }
        let not_asked: Vec<_> = self.too_dear.iter().map(|(topic, agent)| not_asked(topic, agent)).collect();
        if !not_asked.is_empty() {
            result.insert("not_asked".to_owned(), not_asked.into());
        }
    }

    /// The same for the delivery notification: sentences, each with a space before it.
    pub(in crate::context) fn sentences(&self) -> String {
        let mut text = String::new();
        if !self.asked.is_empty() {
            let each: Vec<_> = self.asked.iter().map(|asked| format!("{} ({})", asked.agent, asked.outcome())).collect();
            text.push_str(&format!(" Asked {}.", each.join(", ")));
        }
        let mut dear: Vec<_> = self.too_dear.iter().map(|(_, agent)| agent.as_str()).collect();
        dear.sort_unstable();
        dear.dedup();
        if !dear.is_empty() {
            text.push_str(&format!(" Not asked, since that may cost money: {}.", dear.join(", ")));
        }
        text
    }
}

fn not_asked(topic: &str, agent: &Name) -> Value {
    let hint = format!("allow it in agentbus.toml: [delegation] may_cost = [\"{agent}\"]");
    let fields = [("topic", topic), ("agent", agent.as_str()), ("why", "it may cost money"), ("hint", &hint)];
    fields.into_iter().map(|(field, text)| (field.to_owned(), text.into())).collect::<Map<String, Value>>().into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::context::Bearing;

    fn asked(agent: &str, state: Option<State>) -> Asked {
        let errand = Errand { agent: agent.parse().unwrap(), topics: vec!["a".to_owned()], why: vec!["it fits".to_owned()] };
        Asked { state, ..Asked::new(&errand) }
    }

    fn given(size: usize) -> Given {
        let fact = json!({
            "key": "a", "value": "x".repeat(size), "source": "a look", "observed_by": "b", "observed_at": "2026-11-22T09:00:00Z",
        });
        Given { fact: serde_json::from_value(fact).unwrap(), topics: Vec::new(), bearing: Bearing::Evidence }
    }

    #[test]
    fn the_answer_says_who_was_asked_and_who_was_not() {
        let runs =
            vec![(asked("qa", Some(State::Completed)), vec![]), (asked("sre", Some(State::Working)), vec![]), (asked("c", None), vec![])];
        let dear = ["x", "y"].map(|topic| (topic.to_owned(), "writer".parse().unwrap()));
        let consulted = Consulted::of(runs, dear.into());
        let said = " Asked qa (completed), sre (late), c (not asked). Not asked, since that may cost money: writer.";
        assert_eq!(consulted.sentences(), said);
        let mut result = json!({ "topics": [] });
        consulted.add_to(&mut result);
        assert_eq!(result["asked"][0], json!({ "agent": "qa", "topics": ["a"], "why": ["it fits"], "state": "completed" }));
        let hint = "allow it in agentbus.toml: [delegation] may_cost = [\"writer\"]";
        assert_eq!(result["not_asked"][1], json!({ "topic": "y", "agent": "writer", "why": "it may cost money", "hint": hint }));
    }

    #[test]
    fn where_nobody_fits_the_answer_is_as_it_was() {
        let mut result = json!({ "topics": [] });
        let consulted = Consulted::default();
        consulted.add_to(&mut result);
        assert_eq!((consulted.sentences(), result), (String::new(), json!({ "topics": [] })));
    }

    #[test]
    fn only_the_newest_fact_of_an_observer_is_current() {
        let consulted = Consulted::of(vec![(asked("b", None), vec![given(1)])], Vec::new());
        let known = |by: &str, at: &str| Fact { observed_by: by.parse().unwrap(), observed_at: at.parse().unwrap(), ..given(2).fact };
        let facts = [known("b", "2026-11-22T08:00:00Z"), known("b", "2026-11-22T10:00:00Z"), known("c", "2026-11-22T08:00:00Z")];
        assert_eq!(facts.map(|fact| consulted.renews(&fact)), [true, false, false]);
        let quoted = Consulted::of(vec![(asked("qa", None), vec![given(1)])], Vec::new());
        assert!(!quoted.renews(&known("b", "2026-11-22T08:00:00Z")), "what qa says that b observed does not take b's own word away");
    }

    #[test]
    fn what_is_too_much_for_one_answer_is_counted() {
        let runs = vec![(asked("a", None), vec![given(10), given(ROOM), given(10)]), (asked("b", None), vec![given(ROOM / 2)])];
        let consulted = Consulted::of(runs, Vec::new());
        let mut result = json!({});
        consulted.add_to(&mut result);
        assert_eq!((consulted.given.len(), &result["asked"][0]["left_out"], &result["asked"][1]["left_out"]), (3, &json!(1), &Value::Null));
    }
}
