//! Many runs on all cores, and what to say of them.

use std::{
    collections::BTreeMap,
    io::Write,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use crate::{
    mutant::Mutant,
    rules::Broken,
    tally::Tally,
    world::{self, Run},
};

/// Within how many runs each mutant must be caught.
pub(crate) const MUTANT_RUNS: u64 = 2000;

pub(crate) fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Says something also where the test passes: the macros for printing would be silent then.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
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
        let steps = run.trace.join("\n");
        panic!("{steps}\n\nseed {seed} breaks the rule \"{rule}\": {how}\nagain: AGENTBUS_SIM_SEED={seed}");
    }
    say(&format!("seed {seed}: {} steps; {}", run.steps, run.tally));
}

/// As many runs as asked for; what happened in them.
pub(crate) fn many(runs: u64) -> Tally {
    let next = AtomicU64::new(0);
    let failed = AtomicU64::new(u64::MAX);
    let total = Mutex::new((Tally::default(), 0_u64));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                let (mut tally, mut steps) = (Tally::default(), 0);
                while failed.load(Ordering::Relaxed) == u64::MAX {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= runs {
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
        panic!("seed {seed} fails, and then does not");
    }
    let (tally, steps) = total.into_inner().unwrap();
    say(&format!("{runs} schedules, {steps} steps; {tally}"));
    tally
}

/// Tries a mutant until its rule catches it.
pub(crate) fn catch(mutant: Mutant, rule: &str) {
    let mut others = BTreeMap::new();
    for seed in 0..MUTANT_RUNS {
        let Some(broken) = run(seed, Some(mutant)).broken else { continue };
        if broken.rule == rule {
            return;
        }
        *others.entry(broken.rule).or_insert(0) += 1;
    }
    panic!("{mutant:?} is not caught by \"{rule}\" in {MUTANT_RUNS} runs, only by {others:?}");
}
