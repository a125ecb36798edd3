//! The routing decision: who answers a query, and why. Pure and deterministic.
//!
//! One function a step, in order of precedence; the first that finds somebody decides. Nothing
//! here depends on the order in which agents became known.

use std::cmp::Reverse;

use protocol::{Candidate, Card, Decision, Extra, Name, Step, StepTaken, To, message::Query};

use crate::{Pattern, Roster, score};

/// How many names a hint offers.
const HINTS: usize = 3;

impl Roster {
    /// Decides who answers a query that was sent to `to`:
    ///
    /// 1. *target*: the agent that the subject or the body names, by name or alias. An unknown
    ///    one makes the query unroutable; it is never guessed.
    /// 2. *registration*: whoever `answers` the request type, the most precise pattern first.
    /// 3. *score*: who fits the text best. Not part of this version.
    /// 4. *fallback*: profiles that answer when nobody else does. They take part in no other step
    ///    but the first.
    /// 5. *none*: the query is unroutable.
    ///
    /// Within a step, agents that are `live` come before silent ones, then by name. The requester is never its
    /// own answer unless it names itself. An agent without a live instance can be chosen: its
    /// queries wait.
    ///
    /// Who is `done` with the query has had all its attempts at it, and is no candidate any more.
    pub fn route(&self, query: &Query, to: &To, live: impl Fn(&Name) -> bool, done: impl Fn(&Name) -> bool) -> Decision {
        let routing = Routing { roster: self, query, live: &live, done: &done };
        if let Some(target) = to.name().or(query.target.as_ref()) {
            return routing.target(target);
        }
        let mut steps = vec![taken(Step::Target, "the query names no agent")];
        for (step, tried) in
            [(Step::Registration, routing.registration()), (Step::Score, routing.score()), (Step::Fallback, routing.fallback())]
        {
            steps.push(taken(step, tried.found.clone()));
            if let Some(first) = tried.candidates.first() {
                let agent = Some(first.agent.clone());
                return decision(agent, step, tried.found, steps, tried.candidates);
            }
        }
        let reason = format!("nobody answers '{}'", query.request_type);
        steps.push(taken(Step::None, reason.clone()));
        let hint = self.unanswered(query);
        Decision { hint: Some(hint), ..decision(None, Step::None, reason, steps, Vec::new()) }
    }

    /// What a requester can do about a request type that nobody answers.
    fn unanswered(&self, query: &Query) -> String {
        let registered = |card: &Card| Some(format!("{} ({})", card.answers.first()?, card.agent));
        let types: Vec<_> = self.cards().filter_map(registered).take(HINTS).collect();
        let known = if types.is_empty() { String::new() } else { format!(", ask for a type that is answered, as {}", types.join(", ")) };
        format!("name an agent{known}, or let one declare `answers: [\"{}\"]`", query.request_type)
    }
}

struct Routing<'a> {
    roster: &'a Roster,
    query: &'a Query,
    live: &'a dyn Fn(&Name) -> bool,
    done: &'a dyn Fn(&Name) -> bool,
}

/// What a step found.
struct Tried {
    candidates: Vec<Candidate>,
    found: String,
}

impl Routing<'_> {
    fn target(&self, target: &Name) -> Decision {
        let Some(card) = self.roster.resolve(target) else {
            let reason = format!("no agent goes by the name '{target}'");
            let steps = vec![taken(Step::Target, reason.clone())];
            let hint = Some(self.nearest(target));
            return Decision { hint, ..decision(None, Step::Target, reason, steps, Vec::new()) };
        };
        if (self.done)(&card.agent) {
            let reason = format!("{} has had all its attempts, and the query names nobody else", card.agent);
            return decision(None, Step::Target, reason.clone(), vec![taken(Step::Target, reason)], Vec::new());
        }
        let alias = if card.agent == *target { String::new() } else { format!(" by its alias '{target}'") };
        let found = format!("the query names {}{alias}{}", card.agent, self.silence(&card.agent));
        let candidate = self.candidate(card, "named as the target".to_owned());
        let steps = vec![taken(Step::Target, found.clone())];
        decision(Some(card.agent.clone()), Step::Target, found, steps, vec![candidate])
    }

    fn registration(&self) -> Tried {
        let request_type = &self.query.request_type;
        let mut fits: Vec<_> = self.others(false).filter_map(|card| Some((best_pattern(card, request_type)?, card))).collect();
        fits.sort_by(|(a, one), (b, other)| a.by_precision(b).then_with(|| self.rank(one).cmp(&self.rank(other))));
        let found = fits.first().map_or_else(
            || format!("nobody is registered for '{request_type}'{}", self.excluded()),
            |(pattern, card)| format!("{} is registered for '{}'{}", card.agent, pattern.as_str(), self.silence(&card.agent)),
        );
        let why = |pattern: &Pattern| format!("registered for '{}'", pattern.as_str());
        let candidates = fits.iter().map(|(pattern, card)| self.candidate(card, why(pattern))).collect();
        Tried { candidates, found }
    }

    fn score(&self) -> Tried {
        let mut cards: Vec<_> = self.others(false).collect();
        cards.sort_by_key(|card| self.rank(card));
        let scored = score::rank(self.query, &cards);
        Tried { candidates: scored.candidates, found: scored.found }
    }

    fn fallback(&self) -> Tried {
        let mut cards: Vec<_> = self.others(true).collect();
        cards.sort_by_key(|card| self.rank(card));
        let found = cards.first().map_or_else(
            || "there is no fallback".to_owned(),
            |card| format!("{} is a fallback: it answers because nobody else does{}", card.agent, self.silence(&card.agent)),
        );
        let candidates = cards.iter().map(|card| self.candidate(card, "a fallback".to_owned())).collect();
        Tried { candidates, found }
    }

    /// Everybody but the requester and who has had its turn: those who compete, or the fallbacks.
    fn others(&self, fallback: bool) -> impl Iterator<Item = &Card> {
        let requester = &self.query.requesting_agent;
        let cards = self.roster.cards().filter(move |card| card.fallback == fallback && card.agent != *requester);
        cards.filter(|card| !(self.done)(&card.agent))
    }

    /// Live before silent, then by name.
    fn rank<'c>(&self, card: &'c Card) -> (Reverse<bool>, &'c Name) {
        (Reverse((self.live)(&card.agent)), &card.agent)
    }

    fn candidate(&self, card: &Card, why: String) -> Candidate {
        Candidate { agent: card.agent.clone(), why: why + self.silence(&card.agent), extra: Extra::new() }
    }

    fn silence(&self, agent: &Name) -> &'static str {
        if (self.live)(agent) { "" } else { "; it has no live instance" }
    }

    /// Says so if the requester itself would have been found.
    fn excluded(&self) -> String {
        let requester = self.roster.get(&self.query.requesting_agent);
        let fits = requester.is_some_and(|card| best_pattern(card, &self.query.request_type).is_some());
        if fits { format!(" but {}, which asks", self.query.requesting_agent) } else { String::new() }
    }

    fn nearest(&self, target: &Name) -> String {
        let names: Vec<_> = self.roster.nearest(target.as_str(), HINTS).iter().map(Name::to_string).collect();
        match names.as_slice() {
            [] => "no agent is known yet".to_owned(),
            names => format!("the nearest names are {}", names.join(", ")),
        }
    }
}

/// The most precise of an agent's patterns that a request type fits.
fn best_pattern(card: &Card, request_type: &str) -> Option<Pattern> {
    let patterns = card.answers.iter().filter_map(|text| Pattern::try_from(text.clone()).ok());
    patterns.filter(|pattern| pattern.matches(request_type)).min_by(Pattern::by_precision)
}

fn taken(step: Step, found: impl Into<String>) -> StepTaken {
    StepTaken { step, found: found.into() }
}

fn decision(agent: Option<Name>, step: Step, reason: String, steps: Vec<StepTaken>, candidates: Vec<Candidate>) -> Decision {
    Decision { agent, step, reason, steps, candidates, hint: None, extra: Extra::new() }
}
