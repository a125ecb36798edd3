//! Many runs on all cores, and what to say of them.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use crate::{
    mutant::{self, Mutant},
    rules::Broken,
    tally::Tally,
    world::{self, Run},
};

pub(crate) fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// One run. A panic in the code under test is a broken rule too.
fn run(seed: u64, mutant: Option<Mutant>) -> Run {
    catch_unwind(AssertUnwindSafe(|| world::run(seed, mutant, false))).unwrap_or_else(|_| Run {
        broken: Some(Broken::new("no panic", "see above".to_owned())),
        tally: Tally::default(),
        steps: 0,
        trace: Vec::new(),
    })
}

/// The run of one seed, with its steps if it fails.
pub(crate) fn replay(seed: u64) {
    let run = world::run(seed, None, true);
    if let Some(Broken { rule, how }) = run.broken {
        let tail = run.trace.join("\n");
        panic!("{tail}\n\nseed {seed} breaks the rule \"{rule}\": {how}");
    }
    eprintln!("seed {seed}: {} steps; {}", run.steps, run.tally);
}

/// As many runs as asked for; what happened in them.
pub(crate) fn many(runs: u64) -> Tally {
    let next = AtomicU64::new(0);
    let total = Mutex::new((Tally::default(), 0_u64));
    let failed = AtomicU64::new(u64::MAX);
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                let (mut tally, mut steps) = (Tally::default(), 0);
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= runs || failed.load(Ordering::Relaxed) != u64::MAX {
                        break;
                    }
                    let run = run(seed, None);
                    tally.add(&run.tally);
                    steps += run.steps;
                    if run.broken.is_some() {
                        failed.fetch_min(seed, Ordering::Relaxed);
                    }
                }
                let mut total = total.lock().unwrap();
                total.0.add(&tally);
                total.1 += steps;
            });
        }
    });
    let seed = failed.into_inner();
    if seed != u64::MAX {
        replay(seed);
    }
    let (tally, steps) = total.into_inner().unwrap();
    eprintln!("{runs} schedules, {steps} steps; {tally}");
    tally
}

/// Tries each mutant until its rule catches it; what was not caught, or by another rule only.
pub(crate) fn mutants(runs: u64) -> Vec<String> {
    let next = AtomicU64::new(0);
    let missed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((mutant, rule)) = mutant::ALL.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    missed.lock().unwrap().extend(verdict(*mutant, rule, runs));
                }
            });
        }
    });
    missed.into_inner().unwrap()
}

fn verdict(mutant: Mutant, rule: &str, runs: u64) -> Option<String> {
    let mut others = std::collections::BTreeMap::new();
    for seed in 0..runs {
        let Some(broken) = run(seed, Some(mutant)).broken else { continue };
        if broken.rule == rule {
            eprintln!("{mutant:?} is caught in run {seed} by \"{rule}\"; before that by {others:?}");
            return None;
        }
        *others.entry(broken.rule).or_insert(0) += 1;
    }
    Some(format!("{mutant:?} is not caught by \"{rule}\" in {runs} runs, only by {others:?}"))
}
