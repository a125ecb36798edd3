//! One round of a long run: a fresh laboratory under load, in which faults come and go, several at once.
//! Its seed decides everything that can be decided.

use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::task::JoinSet;

use super::report::{Report, Round};
use crate::{
    Lab, Plain, Plan,
    checker::{Verdict, Violation},
    faults::{self, Fault, physical},
    plain::Ask,
    random::Random,
    time,
};

/// Faults that share one laboratory. The others need one of their own (see `special`).
pub(super) const SHARED: &[Fault] = &[
    Fault::F1,
    Fault::F2,
    Fault::F3,
    Fault::F5,
    Fault::F6,
    Fault::F7,
    Fault::F8,
    Fault::F10,
    Fault::F12,
    Fault::F13,
    Fault::F14,
    Fault::F15,
    Fault::F16,
    Fault::F18,
    Fault::F20,
    Fault::F21,
    Fault::F23,
    Fault::F28,
    Fault::F31,
    Fault::F32,
];

/// How long a script may take before it counts as stuck.
const SCRIPT: Duration = Duration::from_secs(150);

/// The longest that the bus may be away after a fault.
const RECOVERY: Duration = Duration::from_secs(30);

/// How long a probe waits for an answer before it asks again: else its own patience would be what is measured.
pub(super) const PROBE: Duration = Duration::from_millis(500);

/// What the load asks for.
const LOAD: &[&str] =
    &["echo hello", "echo world", "echo again", "sleep 100", "sleep 700", "progress 5", "flaky 1", "crash 1", "fail", "sleep 2000"];

/// When a fault was made and over, in milliseconds since 1970.
struct Made {
    fault: Fault,
    from: u64,
    to: u64,
    recovery_ms: u64,
}

/// Makes a round of about so long, with these faults, and takes it into the report.
pub(super) async fn round(seed: u64, lasts: Duration, faults: &[Fault], binaries: &Path, report: &mut Report) {
    let begun = Instant::now();
    let mut random = Random::new(seed);
    let plan = Plan {
        binaries: Some(binaries.to_owned()),
        old: Some(binaries.join(super::OLD)).filter(|old| old.exists()),
        coordinators: usize::try_from(random.between(2, 4)).unwrap_or(2),
        hosts: usize::try_from(random.between(2, 4)).unwrap_or(2),
        capacity: 16,
        // Records go to the archive while faults come and go.
        ..Plan::default().proxied().watched().options(&["--archive-after", "3s"])
    };
    let old = plan.old.is_some();
    let mut lab = Lab::start(plan).await;
    load(&mut lab, &mut random);
    // What came with the newer version, the older one refuses.
    if !old {
        lab.add_client(&["--rate", "4", "--to", "worker,nobody", "--text", "echo part", "--text", "fail"]);
    }
    let probe = lab.plain("probe").await.impatient(PROBE);
    let (mut made, mut broken) = (Vec::new(), Vec::new());
    let mut turns: Vec<Fault> = Vec::new();
    while begun.elapsed() < lasts {
        // Each comes once before any comes twice.
        if turns.len() < 3 {
            let mut more = faults.to_vec();
            random.shuffle(&mut more);
            turns.splice(0..0, more);
        }
        let several = usize::try_from(random.between(1, 4)).unwrap_or(1).min(turns.len());
        let at_once: BTreeSet<Fault> = turns.split_off(turns.len() - several).into_iter().collect();
        let at_once: Vec<Fault> = at_once.into_iter().collect();
        super::tell(&format!("{seed}: {}", names(&at_once)));
        pass(&mut lab, &at_once, &mut random, &probe, &mut made, &mut broken).await;
    }
    let verdict = lab.settle().await;
    if old {
        made.push(Made { fault: Fault::F25, from: 0, to: time::now_ms(), recovery_ms: 0 });
    }
    conclude(lab, seed, begun, verdict, made, broken, report);
}

fn names(faults: &[Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join(" + ")
}

/// Two clients that ask until they are told to stop.
fn load(lab: &mut Lab, random: &mut Random) {
    for _ in 0..2 {
        let seed = random.next().to_string();
        let mut options = vec!["--rate", "25", "--inflight", "48", "--seed", seed.as_str()];
        options.extend(LOAD.iter().flat_map(|text| ["--text", text]));
        lab.add_client(&options);
    }
}

/// Some faults at once, from the first one's beginning until the bus works again.
async fn pass(lab: &mut Lab, at_once: &[Fault], random: &mut Random, probe: &Plain, made: &mut Vec<Made>, broken: &mut Vec<Violation>) {
    let from = time::now_ms();
    let mut lasting: Vec<_> = at_once.iter().filter_map(|fault| physical::begin(*fault, lab, random)).collect();
    let mut scripts = JoinSet::new();
    for fault in at_once.iter().copied() {
        let (site, mut own) = (lab.site(), Random::new(random.next()));
        let times = times(fault);
        scripts.spawn(async move {
            let run = tokio::time::timeout(SCRIPT, faults::script(fault, &site, &mut own, times)).await;
            (fault, run.unwrap_or_else(|_| Err(format!("{fault}: its script was not done within {SCRIPT:?}"))))
        });
    }
    lasting.sort_by_key(physical::Lasting::until);
    for fault in &lasting {
        tokio::time::sleep_until(fault.until().into()).await;
        physical::heal(fault, lab, random);
    }
    lab.supervise();
    let healed = Instant::now();
    let recovery_ms = recover(probe, broken).await.map_or(0, |at| u64::try_from((at - healed).as_millis()).unwrap_or(u64::MAX));
    while let Some(done) = scripts.join_next().await {
        match done {
            Ok((_, Ok(()))) => {}
            Ok((_, Err(why))) => broken.push(Violation { rule: "script", id: String::new(), what: why }),
            Err(why) => broken.push(Violation { rule: "script", id: String::new(), what: why.to_string() }),
        }
    }
    let to = time::now_ms();
    super::tell(&format!("  back after {recovery_ms} ms"));
    let physical: BTreeSet<Fault> = lasting.iter().map(physical::Lasting::fault).collect();
    made.extend(at_once.iter().map(|fault| {
        let recovery_ms = if physical.contains(fault) { recovery_ms } else { 0 };
        Made { fault: *fault, from, to, recovery_ms }
    }));
}

/// How often a script does its thing: as many as take some seconds under load.
const fn times(fault: Fault) -> u64 {
    match fault {
        Fault::F8 | Fault::F13 => 1,
        Fault::F12 | Fault::F20 => 3,
        Fault::F32 => 6,
        Fault::F15 => 200,
        _ => 24,
    }
}

/// Waits until a query is answered again; says when.
async fn recover(probe: &Plain, broken: &mut Vec<Violation>) -> Option<Instant> {
    let until = Instant::now() + RECOVERY;
    let mut why = String::new();
    while Instant::now() < until {
        match probe.ask(&Ask::probe(), until.saturating_duration_since(Instant::now())).await {
            Ok(record) if record["state"] == "completed" => return Some(Instant::now()),
            other => why = format!("{other:?}"),
        }
    }
    broken.push(Violation {
        rule: "I5",
        id: String::new(),
        what: format!("no query was answered within {RECOVERY:?} after a fault: {why}"),
    });
    None
}

/// Counts what was under way during each fault, and closes the round.
pub(super) fn conclude_one(report: &mut Report, fault: Fault, verdict: &Verdict, recovery_ms: u64, seed: u64) {
    let tally = report.tally(fault);
    tally.runs += 1;
    tally.acknowledged += verdict.acknowledged.len();
    tally.lost += verdict.lost.len();
    tally.duplicated += verdict.duplicated.len();
    tally.unknown += verdict.unknown.len();
    if recovery_ms >= tally.worst_recovery_ms {
        (tally.worst_recovery_ms, tally.worst_seed) = (recovery_ms, seed);
    }
}

fn conclude(mut lab: Lab, seed: u64, begun: Instant, mut verdict: Verdict, made: Vec<Made>, broken: Vec<Violation>, report: &mut Report) {
    verdict.violations.extend(broken);
    let clients: Vec<Value> =
        lab.clients.iter().flat_map(|client| crate::checker::lines(&lab.path().join(format!("{}.jsonl", client.part.name())))).collect();
    for run in &made {
        let during = under_way(&clients, run.from, run.to);
        let of = |ids: &BTreeSet<String>| ids.iter().filter(|id| during.contains(id.as_str())).cloned().collect();
        let (acknowledged, lost) = (of(&verdict.acknowledged), of(&verdict.lost));
        let (duplicated, unknown) = (of(&verdict.duplicated), of(&verdict.unknown));
        let part = Verdict { acknowledged, lost, duplicated, unknown, violations: Vec::new() };
        conclude_one(report, run.fault, &part, run.recovery_ms, seed);
    }
    let faults = made.iter().map(|made| made.fault.to_string()).collect();
    report.add(summed(seed, begun, faults, verdict, &mut lab));
}

/// The round as the report has it; its evidence is kept where a rule was broken.
pub(super) fn summed(seed: u64, begun: Instant, faults: Vec<String>, verdict: Verdict, lab: &mut Lab) -> Round {
    let evidence = (!verdict.holds()).then(|| lab.keep());
    Round {
        seed,
        seconds: begun.elapsed().as_secs(),
        faults,
        acknowledged: verdict.acknowledged.len(),
        lost: verdict.lost.len(),
        duplicated: verdict.duplicated.len(),
        unknown: verdict.unknown.len(),
        violations: verdict.violations,
        evidence,
    }
}

/// The queries that were under way at some moment between two.
fn under_way(clients: &[Value], from: u64, to: u64) -> BTreeSet<&str> {
    let at = |line: &Value| line["t"].as_u64().unwrap_or_default();
    let of = |event: &'static str| clients.iter().filter(move |line| line["event"] == event);
    let over: BTreeSet<&str> = of("ended").filter(|line| at(line) < from).filter_map(|line| line["id"].as_str()).collect();
    of("sent").filter(|line| at(line) <= to).filter_map(|line| line["id"].as_str()).filter(|id| !over.contains(id)).collect()
}
