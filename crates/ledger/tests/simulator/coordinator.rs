//! A coordinator around a real desk: what it reads, hears and is told, its clock, and its lives.
//!
//! It does what the service must do: it stops listening when it may be deaf, and begins afresh.

use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
};

use jiff::Timestamp;
use ledger::{Action, Appended, Desk, Key};
use protocol::{Heartbeat, InstanceId, Kind, QueryId};

use crate::{
    event::{Event, Life},
    mutant::{self, Mutant},
    rules::{self, Checked},
    stream::{Ms, Stored, at, ms},
    tally::Happening,
    world::{Routes, World},
};

/// How often a coordinator's own heartbeat goes round.
pub(crate) const ROUND: Ms = 1000;

/// After so long without its own heartbeat, or behind the ledger, it counts itself deaf.
const DEAF: Ms = 2500;

/// A pause longer than this is noticed.
const PAUSE: Ms = 200;

pub(crate) struct Coordinator {
    pub(crate) desk: Option<Desk>,
    pub(crate) me: InstanceId,
    pub(crate) epoch: u32,
    /// How far its clock is ahead of the server's.
    pub(crate) skew: Ms,
    /// How many entries it has read.
    pub(crate) read: usize,
    pub(crate) replay_to: usize,
    pub(crate) live: bool,
    /// From when, and until when.
    pub(crate) frozen: Option<(Ms, Ms)>,
    pub(crate) heard_itself: Ms,
    /// Since when it really hears everything.
    pub(crate) listening: Option<Ms>,
    pub(crate) wake_at: Option<Ms>,
    pub(crate) beat: Option<Rc<Heartbeat>>,
    /// The one query that an instance takes, as it was last heard to say.
    pub(crate) wants: HashMap<InstanceId, QueryId>,
    /// When anything was last heard of which attempt, and which were once silent for too long.
    pub(crate) heard: HashMap<(Key, u32), Ms>,
    /// When it last showed progress in the ledger.
    pub(crate) worked: HashMap<(Key, u32), Ms>,
    pub(crate) lapsed: HashSet<(Key, u32)>,
    pub(crate) handed: HashSet<(Key, u32)>,
    /// Appends under way, or that failed just now.
    pub(crate) busy: HashMap<Key, Ms>,
    /// Appends of which it does not know yet what became of them.
    pub(crate) underway: HashSet<Key>,
    pub(crate) premature: HashSet<Key>,
}

impl Coordinator {
    pub(crate) fn new(skew: Ms) -> Self {
        Self {
            desk: None,
            me: "c".parse().unwrap(),
            epoch: 0,
            skew,
            read: 0,
            replay_to: 0,
            live: false,
            frozen: None,
            heard_itself: 0,
            listening: None,
            wake_at: None,
            beat: None,
            wants: HashMap::new(),
            heard: HashMap::new(),
            worked: HashMap::new(),
            lapsed: HashSet::new(),
            handed: HashSet::new(),
            busy: HashMap::new(),
            underway: HashSet::new(),
            premature: HashSet::new(),
        }
    }

    pub(crate) fn has_read(&self, stored: usize) -> bool {
        self.live && self.read == stored
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.desk.as_ref().is_some_and(Desk::is_idle)
    }

    /// The time by its own clock.
    pub(crate) fn clock(&self, now: Ms) -> Timestamp {
        at(now + self.skew)
    }
}

impl World {
    /// Whether a coordinator gets an event now. While it is frozen, the event waits.
    fn reach(&mut self, life: Life, event: impl FnOnce() -> Event) -> bool {
        let now = self.now;
        let coordinator = &mut self.coordinators[life.index];
        if coordinator.desk.is_none() || coordinator.epoch != life.epoch {
            return false;
        }
        if let Some((from, until)) = coordinator.frozen {
            if until > now {
                self.agenda.put(until, event());
                return false;
            }
            coordinator.frozen = None;
            if now - from > PAUSE {
                self.deafen(life.index);
            }
        }
        self.notice_deafness(life.index);
        true
    }

    fn notice_deafness(&mut self, index: usize) {
        let coordinator = &self.coordinators[index];
        let unread = self.stream.get(coordinator.read).is_some_and(|stored| self.now - stored.at > DEAF);
        if coordinator.listening.is_some() && (unread || self.now - coordinator.heard_itself > DEAF) {
            self.deafen(index);
        }
    }

    fn deafen(&mut self, index: usize) {
        self.note_lapses(index);
        let coordinator = &mut self.coordinators[index];
        if coordinator.listening.take().is_none() {
            return;
        }
        self.tally.count(Happening::Deaf);
        if self.mutant != Some(Mutant::ListensWhileDeaf)
            && let Some(desk) = &mut coordinator.desk
        {
            desk.listening(None);
        }
    }

    /// What was given up before this stays given up, although the clocks begin afresh.
    fn note_lapses(&mut self, index: usize) {
        let held = self.truths.keys().filter_map(|key| Some((key.clone(), self.truths.now(key)?.current.as_ref()?.1)));
        let lost: Vec<_> = held.filter(|(key, attempt)| rules::is_lost(self, index, key, *attempt)).collect();
        self.coordinators[index].lapsed.extend(lost);
    }

    /// Reads on after a start; when all is read that was there, it begins to act.
    pub(crate) fn replay(&mut self, life: Life) -> Checked {
        if !self.reach(life, || Event::Replay(life)) {
            return Ok(());
        }
        let (read, end) = (self.coordinators[life.index].read, self.coordinators[life.index].replay_to);
        let upto = end.min(read + 1 + self.rng.below(12));
        self.read_entries(life, upto)?;
        if upto < end {
            let next = self.now + self.rng.between(0, 5);
            self.agenda.put(next, Event::Replay(life));
            return Ok(());
        }
        self.coordinators[life.index].live = true;
        self.agenda.put(self.now, Event::Read(life, self.stream.len()));
        self.with_desk(life, Desk::caught_up)
    }

    pub(crate) fn read(&mut self, life: Life, upto: usize) -> Checked {
        if !self.reach(life, || Event::Read(life, upto)) || !self.coordinators[life.index].live {
            return Ok(());
        }
        self.read_entries(life, upto)
    }

    fn read_entries(&mut self, life: Life, upto: usize) -> Checked {
        while self.coordinators[life.index].read < upto && self.lives(life) {
            let Some(stored) = self.stream.get(self.coordinators[life.index].read) else { break };
            if self.family {
                self.note_lapses(life.index);
            }
            self.coordinators[life.index].read += 1;
            let Some(entry) = mutant::seen(self, &stored) else {
                if self.mutant != Some(Mutant::JunkUnnoticed) && stored.entry.is_none() {
                    self.with_desk(life, |desk, _, _| {
                        desk.passed_over(&stored.slot, stored.seq);
                        Vec::new()
                    })?;
                }
                continue;
            };
            let actions = self.ask(life, |desk, now, routes| desk.read(&entry, now, routes));
            if matches!(entry.subject.kind(), Kind::Assign | Kind::Close) {
                self.coordinators[life.index].busy.remove(&stored.slot);
            }
            self.note_heard(life.index, &stored);
            rules::folds(self, life.index, &stored)?;
            self.perform_all(life, actions)?;
        }
        Ok(())
    }

    fn lives(&self, life: Life) -> bool {
        let coordinator = &self.coordinators[life.index];
        coordinator.desk.is_some() && coordinator.epoch == life.epoch
    }

    /// Something of the current attempt was read.
    fn note_heard(&mut self, index: usize, stored: &Stored) {
        let Some(entry) = &stored.entry else { return };
        self.note_child(index, stored);
        let agents = matches!(entry.subject.kind(), Kind::Assign | Kind::Accept | Kind::Progress | Kind::Question);
        let Some(key) = entry.key().filter(|_| agents && self.coordinators[index].live) else { return };
        let Some(truth) = self.truths.at(&key, stored.seq) else { return };
        let counted = truth.verdicts.last() == Some(&(stored.seq, protocol::Verdict::Counted));
        if let Some((_, attempt, _)) = truth.current.as_ref().filter(|_| counted) {
            self.heard_of(index, key.clone(), *attempt);
            self.coordinators[index].worked.insert((key, *attempt), self.now);
        }
    }

    fn heard_of(&mut self, index: usize, key: Key, attempt: u32) {
        if rules::is_lost(self, index, &key, attempt) {
            self.coordinators[index].lapsed.insert((key.clone(), attempt));
        }
        self.coordinators[index].heard.insert((key, attempt), self.now);
    }

    pub(crate) fn heard(&mut self, life: Life, beat: &Rc<Heartbeat>) -> Checked {
        if !self.reach(life, || Event::Heard(life, Rc::clone(beat))) {
            return Ok(());
        }
        for lease in &beat.leases {
            let key = Key { id: lease.id, requester: lease.requester.clone() };
            let truth = self.truths.at(&key, self.coordinators[life.index].read as u64);
            let holder = (beat.agent.clone(), lease.attempt, beat.instance_id.clone());
            if truth.is_some_and(|truth| truth.current.as_ref() == Some(&holder)) {
                self.heard_of(life.index, key, lease.attempt);
            }
        }
        let wants = &mut self.coordinators[life.index].wants;
        match beat.only {
            Some(only) => drop(wants.insert(beat.instance_id.clone(), only)),
            None => drop(wants.remove(&beat.instance_id)),
        }
        mutant::eager_stops(self, life, beat)?;
        let beat = mutant::heartbeat(self, beat);
        self.with_desk(life, |desk, now, routes| desk.heartbeat(&beat, now, routes))
    }

    /// Its own heartbeat goes out, and it looks at the time.
    pub(crate) fn beat(&mut self, life: Life) -> Checked {
        if !self.reach(life, || Event::Beat(life)) {
            return Ok(());
        }
        let Some(beat) = self.coordinators[life.index].beat.clone() else { return Ok(()) };
        let (sent, stored) = (self.now, self.stream.len());
        for to in self.coordinator_lives() {
            self.send_core(|| Event::Peer { to, beat: Rc::clone(&beat), from: life, sent, stored });
        }
        self.agenda.put(self.now + ROUND, Event::Beat(life));
        if self.mutant != Some(Mutant::TimersForgotten) {
            self.with_desk(life, Desk::tick)?;
        }
        rules::no_hand_idles(self, life.index)?;
        if self.family { self.look_at_families(life.index) } else { Ok(()) }
    }

    pub(crate) fn peer(&mut self, to: Life, beat: &Rc<Heartbeat>, from: Life, sent: Ms, stored: usize) -> Checked {
        if !self.reach(to, || Event::Peer { to, beat: Rc::clone(beat), from, sent, stored }) {
            return Ok(());
        }
        let now = self.now;
        let coordinator = &mut self.coordinators[to.index];
        let caught_up = coordinator.live && coordinator.read >= stored;
        if from == to && caught_up && now - sent < ROUND {
            coordinator.heard_itself = now;
            if coordinator.listening.is_none() {
                coordinator.listening = Some(now);
                let since = coordinator.clock(now);
                self.with_desk(to, |desk, _, _| {
                    desk.listening(Some(since));
                    Vec::new()
                })?;
            }
        }
        self.with_desk(to, |desk, now, routes| desk.heartbeat(beat, now, routes))
    }

    pub(crate) fn acked(&mut self, life: Life, key: Key, outcome: Appended) -> Checked {
        if !self.reach(life, || Event::Acked(life, key.clone(), outcome)) {
            return Ok(());
        }
        let outcome = mutant::outcome(self, outcome);
        let coordinator = &mut self.coordinators[life.index];
        coordinator.underway.remove(&key);
        if matches!(outcome, Appended::Refused | Appended::Unknown) {
            coordinator.busy.insert(key.clone(), self.now + 100);
        }
        self.with_desk(life, |desk, now, routes| desk.appended(&key, outcome, now, routes))
    }

    pub(crate) fn rerouted(&mut self, life: Life) -> Checked {
        if !self.reach(life, || Event::Rerouted(life)) {
            return Ok(());
        }
        self.with_desk(life, Desk::roster_changed)
    }

    pub(crate) fn wake(&mut self, life: Life, set: Ms) -> Checked {
        if self.coordinators[life.index].wake_at != Some(set) || !self.reach(life, || Event::Wake(life, set)) {
            return Ok(());
        }
        self.coordinators[life.index].wake_at = None;
        self.with_desk(life, Desk::tick)
    }

    /// Lets the desk do something, and does what it wants.
    pub(crate) fn with_desk(&mut self, life: Life, event: impl FnOnce(&mut Desk, Timestamp, &Routes) -> Vec<Action>) -> Checked {
        let actions = self.ask(life, event);
        self.perform_all(life, actions)
    }

    fn ask(&mut self, life: Life, event: impl FnOnce(&mut Desk, Timestamp, &Routes) -> Vec<Action>) -> Vec<Action> {
        let coordinator = &mut self.coordinators[life.index];
        let now = coordinator.clock(self.now);
        let Some(desk) = &mut coordinator.desk else { return Vec::new() };
        event(desk, now, &self.routes)
    }

    fn perform_all(&mut self, life: Life, actions: Vec<Action>) -> Checked {
        for action in actions {
            if self.rng.per_mille(self.faults.crash) {
                self.tally.count(Happening::CrashBetween);
                self.crash_coordinator(life.index);
                return Ok(());
            }
            self.note(|| format!("  c{} wants {action:?}", life.index));
            self.perform(life, action)?;
        }
        self.set_alarm(life);
        Ok(())
    }

    /// Wakes the coordinator when its desk wants to look again.
    fn set_alarm(&mut self, life: Life) {
        let coordinator = &mut self.coordinators[life.index];
        if self.mutant == Some(Mutant::TimersForgotten) {
            return;
        }
        let Some(due) = coordinator.desk.as_ref().and_then(Desk::next_due) else { return };
        let due = (ms(due) - coordinator.skew).max(self.now + 1);
        if coordinator.wake_at.is_none_or(|set| set > due) {
            coordinator.wake_at = Some(due);
            self.agenda.put(due, Event::Wake(life, due));
        }
    }
}
