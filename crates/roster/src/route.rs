//! The routing decision: who answers a query, and why. Pure and deterministic.
//!
//! One function a step, in order of precedence; the first that finds somebody decides. What each
//! step finds stands in `steps.rs`.

use std::collections::BTreeSet;

use protocol::{Card, Decision, Name, Step, StepTaken, message::Query};

use crate::{
    Asked, Roster, Standing,
    score::SHOWN,
    steps::{HINTS, Routing, taken},
};

impl Roster {
    /// Decides who answers a query:
    ///
    /// 1. *target*: the agent that the subject or the body names, by name or alias. An unknown
    ///    one makes the query unroutable; it is never guessed.
    /// 2. *registration*: whoever `answers` the request type, the most precise pattern first.
    /// 3. *score*: who fits the text best.
    /// 4. *fallback*: profiles that answer when nobody else does. They take part in no other step
    ///    but the first.
    /// 5. *none*: the query is unroutable.
    ///
    /// Within a step, equals are ordered: live before silent, then who has fewer queries in hand, then by
    /// name. Who asks, and who stands on the path, is no candidate unless the query names it. An
    /// agent without a live instance can be chosen: its queries wait. Who is done with the query is no
    /// candidate any more.
    #[must_use]
    pub fn route(&self, asked: &Asked<'_>, standing: &dyn Standing) -> Decision {
        let routing = Routing { roster: self, asked, standing, most: SHOWN };
        if let Some(target) = asked.to.name().or(asked.query.target.as_ref()) {
            return routing.target(target);
        }
        let mut steps = vec![taken(Step::Target, "the query names no agent")];
        for step in SEARCHING {
            let tried = routing.search(step);
            steps.push(taken(step, tried.found.clone()));
            if let Some(first) = tried.candidates.first() {
                let chosen = Decision::new(Some(first.agent.clone()), step, tried.found);
                let others = u32::try_from(tried.others + tried.candidates.len().saturating_sub(SHOWN)).unwrap_or(u32::MAX);
                let candidates = tried.candidates.into_iter().take(SHOWN).collect();
                return Decision { steps, pass: tried.pass, candidates, others, ..chosen };
            }
        }
        self.nobody(asked.query, steps)
    }

    /// Whom to ask at once: the candidates of the registration step, then those of the score step, nobody
    /// twice; fallbacks only where there is nobody else. The best `most` of them; without a number, every agent
    /// that has a live instance, also those that no step found. A target is not looked at.
    ///
    /// Nobody is chosen (`agent` is none): all `candidates` are to be asked.
    #[must_use]
    pub fn choose(&self, asked: &Asked<'_>, most: Option<usize>, standing: &dyn Standing) -> Decision {
        let routing = Routing { roster: self, asked, standing, most: usize::MAX };
        let (mut steps, mut candidates, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
        let mut first = None;
        for step in SEARCHING {
            if step == Step::Fallback && !candidates.is_empty() {
                break;
            }
            let mut tried = routing.search(step);
            steps.push(taken(step, tried.found));
            if step == Step::Score && most.is_none() {
                tried.candidates.extend(routing.everybody());
            }
            let live = |agent: &Name| most.is_some() || standing.is_live(agent);
            let fresh: Vec<_> = tried.candidates.into_iter().filter(|c| live(&c.agent) && seen.insert(c.agent.clone())).collect();
            first = first.or((!fresh.is_empty()).then_some(step));
            candidates.extend(fresh);
        }
        let Some(first) = first else { return self.nobody(asked.query, steps) };
        candidates.truncate(most.unwrap_or(usize::MAX));
        // The decision travels: the first explain their score in full.
        candidates.iter_mut().skip(SHOWN).for_each(|candidate| candidate.score = None);
        let reason = format!("{} of {} agents are asked at once", candidates.len(), seen.len());
        Decision { steps, candidates, ..Decision::new(None, first, reason) }
    }

    fn nobody(&self, query: &Query, mut steps: Vec<StepTaken>) -> Decision {
        let reason = format!("nobody answers '{}'", query.request_type);
        steps.push(taken(Step::None, reason.clone()));
        let hint = Some(self.unanswered(query));
        Decision { steps, hint, ..Decision::new(None, Step::None, reason) }
    }

    /// What a requester can do about a request type that nobody answers.
    fn unanswered(&self, query: &Query) -> String {
        let registered = |card: &Card| Some(format!("{} ({})", card.answers.first()?, card.agent));
        let types: Vec<_> = self.cards().filter_map(registered).take(HINTS).collect();
        let known = if types.is_empty() { String::new() } else { format!(", ask for a type that is answered, as {}", types.join(", ")) };
        format!("name an agent{known}, or let one declare `answers: [\"{}\"]`", query.request_type)
    }
}

/// The steps that look for somebody where the query names nobody, in order of precedence.
const SEARCHING: [Step; 3] = [Step::Registration, Step::Score, Step::Fallback];
