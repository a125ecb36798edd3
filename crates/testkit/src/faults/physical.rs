//! Faults that break a part of a laboratory: begun here, and healed when their time is over.

use std::time::{Duration, Instant};

use crate::{Flow, Lab, Placed, faults::Fault, random::Random};

/// Where a coordinator may be told to crash, besides by a kill.
pub const CRASH_POINTS: &[&str] = &[
    "entry.read",
    "assign.decided",
    "assign.stored",
    "work.handing",
    "work.handed",
    "close.decided",
    "close.stored",
    "part.decided",
    "part.stored",
    "gathered.decided",
    "gathered.stored",
    "end.signalling",
    "end.signalled",
];

/// The variable that names the crash point.
const CRASH_POINT: &str = "AGENTBUS_CRASH_POINT";

/// Which part a fault is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Server,
    Coordinator(usize),
    Host(usize),
    Client(usize),
    Watcher,
}

/// A fault that lasts.
#[derive(Clone, Copy, Debug)]
pub struct Lasting {
    fault: Fault,
    part: Part,
    until: Instant,
}

impl Lasting {
    /// When it is to be healed.
    #[must_use]
    pub const fn until(&self) -> Instant {
        self.until
    }

    /// Which one it is.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        self.fault
    }
}

/// Begins a fault; `None` where it is no physical one, or every part that it could strike is struck already.
pub fn begin(fault: Fault, lab: &mut Lab, random: &mut Random) -> Option<Lasting> {
    let part = match fault {
        Fault::F1 | Fault::F6 => Part::Coordinator(healthy(&mut lab.coordinators, random)?),
        Fault::F2 | Fault::F5 => Part::Host(healthy(&mut lab.hosts, random)?),
        Fault::F3 | Fault::F7 if lab.node().part().is_running() && !lab.node().part().is_frozen() => Part::Server,
        Fault::F10 => anywhere(lab, random)?,
        Fault::F31 if lab.watcher.is_some() && random.below(3) == 0 => Part::Watcher,
        Fault::F31 => Part::Client(healthy(&mut lab.clients, random)?),
        _ => return None,
    };
    // Longer than a lease where the lease is the point, longer than clients wait where waiting is.
    let lasts = match fault {
        Fault::F5 | Fault::F6 => random.between(1500, 4000),
        Fault::F7 => random.between(1000, 12_000),
        Fault::F10 => random.between(1000, 10_000),
        Fault::F31 => random.between(500, 3000),
        _ => random.between(0, 1500),
    };
    match (fault, part) {
        (Fault::F10, _) => cut(placed(lab, part)?, random),
        (Fault::F5 | Fault::F6, _) => placed(lab, part)?.part.stop(),
        (Fault::F7, _) => lab.node().part().stop(),
        (_, Part::Server) => lab.node().part().kill(),
        _ => placed(lab, part)?.part.kill(),
    }
    Some(Lasting { fault, part, until: Instant::now() + Duration::from_millis(lasts) })
}

/// Heals it: what is cut is mended, what is frozen thaws, what is dead is started.
///
/// # Panics
/// When a part does not start again.
pub fn heal(lasting: &Lasting, lab: &mut Lab, random: &mut Random) {
    if lasting.part == Part::Server {
        lab.node().part().cont();
        if !lab.node().part().is_running() {
            lab.node().restart();
        }
        return;
    }
    let Some(placed) = placed(lab, lasting.part) else { return };
    if let Some(net) = &placed.net {
        net.mend();
    }
    placed.part.cont();
    if placed.part.is_running() {
        return;
    }
    // Now and then it comes back only to crash at a chosen point.
    let point = random.pick(CRASH_POINTS).filter(|_| lasting.fault == Fault::F1 && random.below(2) == 0);
    let Some(point) = point else { return placed.part.start() };
    crash_at(placed, point);
}

/// Starts a coordinator that crashes at a point; if that does not come about soon it is killed instead. Then it
/// is started for good.
///
/// # Panics
/// When it cannot be started.
pub fn crash_at(placed: &mut Placed, point: &str) -> bool {
    placed.part.start_with(|command| {
        command.env(CRASH_POINT, point);
    });
    let begun = Instant::now();
    let mut crashed = false;
    while !crashed && begun.elapsed() < Duration::from_secs(4) {
        crashed = placed.part.has_crashed();
        pause();
    }
    placed.part.kill();
    placed.part.start();
    crashed
}

#[expect(clippy::disallowed_methods, reason = "between two looks, in the laboratory's own thread")]
fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}

/// One that runs and is not struck.
fn healthy(parts: &mut [Placed], random: &mut Random) -> Option<usize> {
    let up = |placed: &mut Placed| placed.part.is_running() && !placed.part.is_frozen();
    let able: Vec<usize> = parts.iter_mut().enumerate().filter_map(|(at, placed)| up(placed).then_some(at)).collect();
    random.pick(&able).copied()
}

/// Some part that has a network of its own.
fn anywhere(lab: &mut Lab, random: &mut Random) -> Option<Part> {
    let mut kinds = [0, 1, 2];
    random.shuffle(&mut kinds);
    let place = |kind: &u64, lab: &mut Lab, random: &mut Random| match kind {
        0 => healthy(&mut lab.coordinators, random).map(Part::Coordinator),
        1 => healthy(&mut lab.hosts, random).map(Part::Host),
        _ => healthy(&mut lab.clients, random).map(Part::Client),
    };
    let part = kinds.iter().find_map(|kind| place(kind, lab, random))?;
    placed(lab, part)?.net.is_some().then_some(part)
}

fn placed(lab: &mut Lab, part: Part) -> Option<&mut Placed> {
    match part {
        Part::Server => None,
        Part::Watcher => lab.watcher.as_mut(),
        Part::Coordinator(at) => lab.coordinators.get_mut(at),
        Part::Host(at) => lab.hosts.get_mut(at),
        Part::Client(at) => lab.clients.get_mut(at),
    }
}

/// Breaks a network in one of its ways.
fn cut(placed: &Placed, random: &mut Random) {
    let Some(net) = &placed.net else { return };
    match random.below(6) {
        0 => net.cut(),
        1 => net.set(Flow::Held, Flow::Pass),
        2 => net.set(Flow::Pass, Flow::Held),
        3 => net.set(Flow::Held, Flow::Held),
        4 => net.set(Flow::Trickle(64), Flow::Trickle(64)),
        _ => net.set(Flow::Late(Duration::from_millis(150)), Flow::Late(Duration::from_millis(150))),
    }
}
