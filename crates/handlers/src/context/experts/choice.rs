//! Whom to ask about a topic that no fact answers. Pure: decisions and cards in, errands out.
//!
//! Owns who may be asked at all. Who of those fits best, the score step of routing has said; nobody is asked whom the
//! words of the topic do not point to. Next: `mod.rs`, which runs the errands.

use agentbus::{Decision, Gather, Name, Presence, Query};
use protocol::{Candidate, Step};
use roster::{Handler, MayCost};

/// The type of what experts are asked.
const REQUEST: &str = "request";

/// The type under which they are looked for. Nobody registers for it: who answers every request of a type is no expert
/// by that.
const SEARCH: &str = "expert_for_topic";

/// Among how many candidates of a topic an expert is looked for.
const AMONG: u32 = 64;

/// On whose behalf experts are asked, and whom that leaves out.
pub(super) struct Asker<'a> {
    /// The query in hand.
    pub(super) query: &'a Query,
    /// Who waits for its answer, the agent that has it in hand among them. None of them is asked.
    pub(super) path: &'a [Name],
    pub(super) may_cost: &'a MayCost,
}

/// A topic, in the requester's words, with the agents that it points to, best first.
pub(super) struct Pointed {
    pub(super) topic: String,
    candidates: Vec<Candidate>,
}

/// Who is asked about what.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Choice {
    /// Each expert once, in the order of the topics.
    pub(super) errands: Vec<Errand>,
    /// Topics with an expert that is not asked because it may cost money.
    pub(super) too_dear: Vec<(String, Name)>,
}

/// What one expert is asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Errand {
    pub(super) agent: Name,
    /// The topics, in the requester's words.
    pub(super) topics: Vec<String>,
    /// Why it was chosen, for each of them.
    pub(super) why: Vec<String>,
}

/// Chooses the expert of each topic among those that are there.
pub(super) fn choose(pointed: &[Pointed], asker: &Asker<'_>, present: &[Presence]) -> Choice {
    let mut choice = Choice::default();
    let find = |candidate: &Candidate| present.iter().find(|one| one.card.agent == candidate.agent);
    for Pointed { topic, candidates } in pointed {
        let able = |candidate: &&Candidate| find(candidate).is_some_and(|one| asker.finds_able(one));
        let free = |candidate: &&Candidate| find(candidate).is_some_and(|one| asker.may_cost.allows(&one.card.agent, &one.card.handler));
        if let Some(best) = candidates.iter().filter(able).find(free) {
            choice.errand(best, topic);
        } else if let Some(best) = candidates.iter().find(able) {
            choice.too_dear.push((topic.clone(), best.agent.clone()));
        }
    }
    choice
}

impl Pointed {
    /// Those whom the score step has found, in its order. `decision`: what became of [`Asker::search`].
    pub(super) fn new(topic: &str, decision: Decision) -> Self {
        let scored = |candidate: &Candidate| match &candidate.score {
            Some(score) => score.evidence > 0,
            // Behind the first ones, scores are not told; where somebody is registered, that may be why.
            None => decision.step == Step::Score,
        };
        let searched = matches!(decision.step, Step::Registration | Step::Score);
        let candidates = decision.candidates.into_iter().filter(|candidate| searched && scored(candidate)).collect();
        Self { topic: topic.to_owned(), candidates }
    }

    pub(super) fn agents(&self) -> impl Iterator<Item = &Name> {
        self.candidates.iter().map(|candidate| &candidate.agent)
    }
}

impl Asker<'_> {
    /// Whether an agent can tell more than the facts do, now, to somebody who does not wait for its asker.
    fn finds_able(&self, one: &Presence) -> bool {
        let card = &one.card;
        let from_facts = card.handler == Handler::Context.as_str();
        let waits = self.path.contains(&card.agent) || self.query.requesting_agent == card.agent;
        let live = one.instances.iter().any(|instance| instance.capacity > 0);
        !from_facts && !waits && !card.fallback && live
    }

    /// The query by whose routing the experts of a topic are found. It is never posted.
    pub(super) fn search(&self, topic: &str) -> Query {
        let gather = Gather { top: Some(AMONG), ..Gather::default() };
        Query { gather: Some(gather), request_type: SEARCH.to_owned(), ..self.question(topic) }
    }

    fn question(&self, text: &str) -> Query {
        let own = self.query.clone();
        Query {
            context_tags: own.context_tags,
            domain: own.domain,
            complexity: own.complexity,
            priority: own.priority,
            intent: own.intent,
            ..Query::new(own.requesting_agent, REQUEST, text)
        }
    }
}

impl Choice {
    fn errand(&mut self, best: &Candidate, topic: &str) {
        match self.errands.iter_mut().find(|errand| errand.agent == best.agent) {
            Some(errand) => {
                errand.topics.push(topic.to_owned());
                errand.why.push(best.why.clone());
            }
            None => self.errands.push(Errand { agent: best.agent.clone(), topics: vec![topic.to_owned()], why: vec![best.why.clone()] }),
        }
    }
}

impl Errand {
    /// What the expert is asked: its topic, or all of them in a list.
    pub(super) fn question(&self, asker: &Asker<'_>) -> Query {
        let text = match self.topics.as_slice() {
            [topic] => topic.clone(),
            topics => format!("Context needed: {}.", topics.join("; ")),
        };
        Query { target: Some(self.agent.clone()), ..asker.question(&text) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use protocol::To;
    use roster::{Asked, Roster, Standing};
    use serde_json::{Value, json};

    use super::*;

    const QA: &str = "Designs test suites, measures test coverage and hunts flaky tests.";
    const SRE: &str = "Keeps error budgets and service levels, and runs the on-call rota.";

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn present(agent: &str, handler: &str, description: &str, fields: &Value) -> Presence {
        let mut card = json!({ "agent": agent, "handler": handler, "description": description });
        card.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let instance = json!({ "instance": "i1", "capacity": 8, "load": 0, "heard_at": "2026-11-22T09:00:00Z" });
        serde_json::from_value(json!({ "card": card, "instances": [instance], "waiting": 0 })).unwrap()
    }

    fn team() -> Vec<Presence> {
        let none = json!({});
        vec![
            present("manager", "context", "Keeps the facts.", &json!({ "answers": ["get_*_context"] })),
            present("qa", "exec", QA, &none),
            present("sre", "sdk", SRE, &none),
            present("painter", "exec", "Paints walls.", &none),
        ]
    }

    /// Less of an expert for tests than one whose work they are.
    fn reviewer() -> Presence {
        present("reviewer", "exec", "Reviews changes: style, names, security, and the coverage by tests.", &json!({}))
    }

    fn choose_for(asker: &str, path: &[&str], may_cost: &MayCost, topics: &[&str], present: &[Presence]) -> Choice {
        let query = Query::new(name(asker), "get_project_context", topics.join(", "));
        let path: Vec<_> = path.iter().copied().map(name).collect();
        choose_as(&Asker { query: &query, path: &path, may_cost }, topics, present)
    }

    /// As it is done on a bus, where a coordinator routes: it knows the agents, and not who waits.
    fn choose_as(asker: &Asker<'_>, topics: &[&str], present: &[Presence]) -> Choice {
        struct Quiet;
        impl Standing for Quiet {
            fn is_live(&self, _: &Name) -> bool {
                true
            }
            fn in_hand(&self, _: &Name) -> usize {
                0
            }
            fn is_done(&self, _: &Name) -> bool {
                false
            }
        }
        let roster = Roster::new(present.iter().map(|one| one.card.clone()));
        let point = |topic: &&str| {
            let query = Query { requesting_agent: name("manager"), ..asker.search(topic) };
            let top = query.gather.as_ref().and_then(|gather| gather.top).map(|top| top as usize);
            Pointed::new(topic, roster.choose(&Asked { query: &query, to: &To::Any, path: &[] }, top, &Quiet))
        };
        choose(&topics.iter().map(point).collect::<Vec<_>>(), asker, present)
    }

    fn chosen(present: &[Presence], topics: &[&str]) -> Vec<(String, Vec<String>)> {
        let choice = choose_for("alice", &["alice", "manager"], &MayCost::Nobody, topics, present);
        assert_eq!(choice.too_dear, []);
        choice.errands.into_iter().map(|errand| (errand.agent.to_string(), errand.topics)).collect()
    }

    fn to(agent: &str, topics: &[&str]) -> (String, Vec<String>) {
        (agent.to_owned(), topics.iter().copied().map(str::to_owned).collect())
    }

    #[test]
    fn each_topic_goes_to_who_fits_it_and_each_expert_is_asked_once() {
        let topics = ["test coverage", "error budget", "flaky tests", "growth projections"];
        let expected = [to("qa", &["test coverage", "flaky tests"]), to("sre", &["error budget"])];
        assert_eq!(chosen(&team(), &topics), expected);
        let mut turned = team();
        turned.reverse();
        assert_eq!(chosen(&turned, &topics), expected, "whoever was known first");
    }

    #[test]
    fn what_is_asked_names_the_expert_and_its_topics() {
        let (query, path) = (Query::new(name("alice"), "get_project_context", "x"), [name("alice"), name("manager")]);
        let query = Query { domain: Some("web".to_owned()), context_tags: Some(vec!["ci".to_owned()]), ..query };
        let asker = Asker { query: &query, path: &path, may_cost: &MayCost::Nobody };
        let choice = choose_as(&asker, &["test coverage", "flaky tests"], &team());
        let question = choice.errands[0].question(&asker);
        assert_eq!(
            (question.payload.query.as_str(), question.request_type.as_str()),
            ("Context needed: test coverage; flaky tests.", REQUEST)
        );
        assert_eq!(
            (question.target, question.domain, question.context_tags),
            (Some(name("qa")), query.domain.clone(), query.context_tags.clone())
        );
        assert_eq!(choice.errands[0].why.len(), 2);
        let one = choose_as(&asker, &["error budget"], &team());
        assert_eq!(one.errands[0].question(&asker).payload.query, "error budget");
    }

    #[rstest::rstest]
    #[case::of_facts(present("qa", "context", QA, &json!({})))]
    #[case::fallback(present("qa", "exec", QA, &json!({ "fallback": true })))]
    #[case::silent(Presence { instances: Vec::new(), ..present("qa", "exec", QA, &json!({})) })]
    #[case::the_requester(present("alice", "exec", QA, &json!({})))]
    #[case::on_the_path(present("manager", "exec", QA, &json!({})))]
    fn whoever_cannot_tell_more_is_not_asked(#[case] expert: Presence) {
        assert_eq!(chosen(&[expert.clone(), team()[2].clone()], &["test coverage"]), []);
        // The second best is, where there is one.
        let others = [expert, reviewer(), team()[2].clone(), team()[3].clone()];
        assert_eq!(chosen(&others, &["test coverage"]), [to("reviewer", &["test coverage"])]);
    }

    #[test]
    fn one_that_leaves_takes_nothing_any_more() {
        let mut leaving = team();
        leaving[1].instances[0].capacity = 0;
        assert_eq!(chosen(&leaving, &["test coverage"]), []);
    }

    #[rstest::rstest]
    #[case("llm")]
    #[case("claude-code")]
    #[case("http")]
    #[case("synadia")]
    fn one_that_may_cost_money_is_asked_where_that_is_allowed(#[case] handler: &str) {
        let present = [present("qa", handler, QA, &json!({})), team()[2].clone()];
        let choose = |may_cost: &MayCost| choose_for("alice", &["alice", "manager"], may_cost, &["test coverage"], &present);
        let refused = choose(&MayCost::Nobody);
        assert_eq!((refused.errands, refused.too_dear), (vec![], vec![("test coverage".to_owned(), name("qa"))]));
        let other = MayCost::Only([name("sre")].into());
        assert_eq!(choose(&other).errands, []);
        for allowed in [MayCost::Anybody, MayCost::Only([name("qa")].into())] {
            let choice = choose(&allowed);
            assert_eq!((choice.errands[0].agent.clone(), choice.too_dear), (name("qa"), vec![]));
        }
    }

    #[test]
    fn one_that_is_free_goes_before_a_better_one_that_is_not_allowed() {
        let present = [present("qa", "llm", QA, &json!({})), reviewer(), team()[2].clone(), team()[3].clone()];
        assert_eq!(chosen(&present, &["test coverage"]), [to("reviewer", &["test coverage"])]);
    }

    #[test]
    fn whoever_is_registered_for_everything_is_no_expert_for_everything() {
        let mut present = team();
        present[3].card.answers = vec!["*".to_owned()];
        assert_eq!(chosen(&present, &["test coverage", "growth projections"]), [to("qa", &["test coverage"])]);
        present[1].card.answers = vec![REQUEST.to_owned()];
        assert_eq!(chosen(&present, &["test coverage"]), [to("qa", &["test coverage"])]);
        // A fallback is found where nobody else is, and is none either.
        present[0].card.fallback = true;
        assert_eq!(chosen(&[present[0].clone()], &["growth projections"]), []);
    }

    #[test]
    fn behind_many_who_may_not_be_asked_the_one_who_may_is_found() {
        let better = (0..12).map(|n| present(&format!("qa-{n}"), "context", QA, &json!({})));
        let others = (0..60).map(|n| present(&format!("painter-{n}"), "context", "Paints walls.", &json!({})));
        let present: Vec<_> = better.chain(others).chain([reviewer()]).collect();
        assert_eq!(chosen(&present, &["test coverage"]), [to("reviewer", &["test coverage"])]);
    }
}
