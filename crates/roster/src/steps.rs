//! The steps of routing: what each finds among the cards. Which of them decides stands in `route.rs`.
//!
//! Nothing here depends on the order in which agents became known.

use std::cmp::Reverse;

use protocol::{Candidate, Card, Decision, Name, Step, StepTaken, score::Pass};

use crate::{Asked, Pattern, Roster, Standing, score};

/// How many names a hint offers.
pub(crate) const HINTS: usize = 3;

/// One query on its way through the steps.
pub(crate) struct Routing<'a> {
    pub(crate) roster: &'a Roster,
    pub(crate) asked: &'a Asked<'a>,
    pub(crate) standing: &'a dyn Standing,
    /// How many of those that score are told.
    pub(crate) most: usize,
}

/// What a step found.
pub(crate) struct Tried {
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) found: String,
    /// How the score step chose whom to score.
    pub(crate) pass: Option<Pass>,
    /// How many more candidates there are, that are not told.
    pub(crate) others: usize,
}

impl Routing<'_> {
    /// The agent that the query names, even if it asks or stands on the path.
    pub(crate) fn target(&self, target: &Name) -> Decision {
        let Some(card) = self.roster.resolve(target) else {
            let reason = format!("no agent goes by the name '{target}'");
            let hint = Some(self.nearest(target));
            return Decision { hint, ..self.only(reason) };
        };
        if self.standing.is_done(&card.agent) {
            return self.only(format!("{} has had all its attempts, and the query names nobody else", card.agent));
        }
        let alias = if card.agent == *target { String::new() } else { format!(" by its alias '{target}'") };
        let found = format!("the query names {}{alias}{}", card.agent, self.silence(&card.agent));
        let candidates = vec![self.candidate(card, "named as the target".to_owned())];
        Decision { agent: Some(card.agent.clone()), candidates, ..self.only(found) }
    }

    /// What one of the steps finds that look for somebody.
    pub(crate) fn search(&self, step: Step) -> Tried {
        match step {
            Step::Registration => self.registration(),
            Step::Score => self.score(),
            Step::Fallback => self.fallback(),
            Step::Target | Step::None => Tried { candidates: Vec::new(), found: String::new(), pass: None, others: 0 },
        }
    }

    /// Whoever is registered for the request type, the most precise pattern first.
    fn registration(&self) -> Tried {
        let request_type = &self.asked.query.request_type;
        let mut fits: Vec<_> = self.others(false).filter_map(|card| Some((best_pattern(card, request_type)?, card))).collect();
        fits.sort_by(|(a, one), (b, other)| a.by_precision(b).then_with(|| self.rank(one).cmp(&self.rank(other))));
        let found = fits.first().map_or_else(
            || format!("nobody is registered for '{request_type}'{}", self.passed_over()),
            |(pattern, card)| format!("{} is registered for '{}'{}", card.agent, pattern.as_str(), self.silence(&card.agent)),
        );
        let why = |pattern: &Pattern| format!("registered for '{}'", pattern.as_str());
        let candidates = fits.iter().map(|(pattern, card)| self.candidate(card, why(pattern))).collect();
        Tried { candidates, found, pass: None, others: 0 }
    }

    /// Whoever fits the text best.
    fn score(&self) -> Tried {
        let scored = score::rank(self.roster.index(), self.asked, self.standing, self.most);
        let found = match (scored.pass, scored.candidates.first()) {
            (Some(Pass::Asserted), Some(first)) => format!("{} requires what the query asserts: {}", first.agent, first.why),
            (_, Some(first)) => format!("{} fits the text best: {}", first.agent, first.why),
            (_, None) => "the text fits nobody".to_owned(),
        };
        Tried { candidates: scored.candidates, found, pass: scored.pass, others: scored.others }
    }

    /// Everybody that competes, whether or not the query fits them.
    pub(crate) fn everybody(&self) -> Vec<Candidate> {
        let mut cards: Vec<_> = self.others(false).collect();
        cards.sort_by_key(|card| self.rank(card));
        cards.into_iter().map(|card| self.candidate(card, "every live agent is asked".to_owned())).collect()
    }

    /// Profiles that answer when nobody else does.
    fn fallback(&self) -> Tried {
        let mut cards: Vec<_> = self.others(true).collect();
        cards.sort_by_key(|card| self.rank(card));
        let found = cards.first().map_or_else(
            || "there is no fallback".to_owned(),
            |card| format!("{} is a fallback: it answers because nobody else does{}", card.agent, self.silence(&card.agent)),
        );
        let candidates = cards.iter().map(|card| self.candidate(card, "a fallback".to_owned())).collect();
        Tried { candidates, found, pass: None, others: 0 }
    }

    /// The decision of the target step, where it is the only one.
    fn only(&self, reason: String) -> Decision {
        let steps = vec![taken(Step::Target, reason.clone())];
        Decision { steps, ..Decision::new(None, Step::Target, reason) }
    }

    /// Everybody but who asks, who stands on the path and who has had its turn: those who compete,
    /// or the fallbacks.
    fn others(&self, fallback: bool) -> impl Iterator<Item = &Card> {
        let cards = self.roster.cards().filter(move |card| card.fallback == fallback && !self.asked.excludes(&card.agent));
        cards.filter(|card| !self.standing.is_done(&card.agent))
    }

    /// Live before silent, then who has fewer queries in hand, then by name.
    fn rank<'c>(&self, card: &'c Card) -> (Reverse<bool>, usize, &'c Name) {
        (Reverse(self.standing.is_live(&card.agent)), self.standing.in_hand(&card.agent), &card.agent)
    }

    fn candidate(&self, card: &Card, why: String) -> Candidate {
        Candidate::new(card.agent.clone(), why + self.silence(&card.agent))
    }

    fn silence(&self, agent: &Name) -> &'static str {
        if self.standing.is_live(agent) { "" } else { "; it has no live instance" }
    }

    /// Says who would have been found, had it not asked itself or stood on the path.
    fn passed_over(&self) -> String {
        let query = self.asked.query;
        let fits = |name: &&Name| self.roster.get(name).is_some_and(|card| best_pattern(card, &query.request_type).is_some());
        let mut passed: Vec<_> = [&query.requesting_agent].into_iter().filter(fits).map(|name| format!("{name}, which asks")).collect();
        let between = self.asked.path.iter().filter(|name| **name != query.requesting_agent);
        passed.extend(between.filter(fits).map(|name| format!("{name}, which waits for the answer")));
        if passed.is_empty() { String::new() } else { format!(" but {}", passed.join(", and ")) }
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

/// What a step found, on record.
pub(crate) fn taken(step: Step, found: impl Into<String>) -> StepTaken {
    StepTaken { step, found: found.into() }
}
