//! Parts that are killed under load: coordinators, agent hosts, the server.

use std::time::Duration;

use testkit::{Lab, Plan, faults::physical, time::now_ms};

use super::{BACK, BUSY, back, endings, probe};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f1_a_coordinator_that_is_killed_is_back_within_five_seconds_and_nothing_is_lost() {
    let mut lab = Lab::start(Plan::default().capacity(16)).await;
    lab.add_client(&["--count", "220", "--rate", "60", "--text", "echo hello", "--text", "sleep 300", "--text", "progress 3"]);
    let probe = probe(&lab).await;
    for kill in 1..=5 {
        endings(&lab, kill * 10).await;
        lab.coordinators[0].part.kill();
        lab.coordinators[0].part.start();
        let took = back(&probe).await;
        assert!(took < BACK + BUSY, "kill {kill}: {took:?}");
    }
    endings(&lab, 200).await;
    let verdict = lab.settle().await;
    verdict.demand();
    assert!(verdict.acknowledged.len() >= 200, "{}", verdict.acknowledged.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f1_a_coordinator_that_crashes_at_any_step_of_its_work_loses_nothing() {
    let mut lab = Lab::start(Plan::default().capacity(16).options(&["--archive-after", "1s"])).await;
    lab.add_client(&["--rate", "20", "--text", "echo hello", "--text", "sleep 200"]);
    // Nobody can answer these: the coordinator itself ends them.
    lab.add_client(&["--rate", "10", "--to", "nobody"]);
    // Of these one part is answered, and one is not.
    lab.add_client(&["--rate", "5", "--to", "worker,nobody"]);
    let probe = probe(&lab).await;
    for point in physical::CRASH_POINTS {
        lab.coordinators[0].part.kill();
        assert!(physical::crash_at(&mut lab.coordinators[0], point), "nothing crashed at {point}");
        let took = back(&probe).await;
        assert!(took < BACK + BUSY, "{point}: {took:?}");
    }
    lab.settle().await.demand();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f2_work_of_an_agent_host_that_is_killed_is_taken_up_soon_by_the_next_attempt() {
    // The lease, and two seconds; and what a busy machine adds.
    const BOUND_MS: u64 = 3000 + 2000;
    let mut lab = Lab::start(Plan::default().hosts(3).capacity(8)).await;
    lab.add_client(&["--rate", "30", "--inflight", "12", "--text", "sleep 400"]);
    let mut kills = Vec::new();
    for kill in 0..10 {
        endings(&lab, (kill + 1) * 8).await;
        kills.push(now_ms());
        let host = &mut lab.hosts[kill % 3];
        host.part.kill();
        host.part.start_ready();
    }
    let verdict = lab.settle().await;
    verdict.demand();
    let evidence = lab.evidence().await;
    let again = evidence
        .stored
        .entries
        .iter()
        .filter(|entry| entry.kind == "assign" && entry.body.as_ref().is_some_and(|body| body["attempt"] != 1));
    let mut taken_up = 0;
    for entry in again {
        let killed = kills.iter().rev().find(|killed| **killed <= entry.time_ms).expect("only a kill ends an attempt");
        assert!(entry.time_ms - killed < BOUND_MS, "{} was taken up after {} ms", entry.id, entry.time_ms - killed);
        taken_up += 1;
    }
    assert!(taken_up >= 10, "the kills struck only {taken_up}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f3_after_the_server_is_killed_all_are_back_within_five_seconds() {
    let mut lab = Lab::start(Plan::default().coordinators(2).hosts(2).watched()).await;
    lab.add_client(&["--rate", "40", "--text", "echo hello", "--text", "sleep 200", "--text", "progress 3"]);
    let probe = probe(&lab).await;
    for kill in 1..=2 {
        endings(&lab, kill * 15).await;
        lab.node().part().kill();
        lab.node().restart();
        let took = back(&probe).await;
        assert!(took < BACK + BUSY, "kill {kill}: {took:?}");
    }
    endings(&lab, 60).await;
    let verdict = lab.settle().await;
    verdict.demand();
    assert!(verdict.unknown.is_empty(), "what was unknown was sent again: {:?}", verdict.unknown);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f10_a_network_that_fails_in_any_way_loses_nothing_and_leaks_no_connections() {
    use testkit::Flow;
    let late = Flow::Late(Duration::from_millis(100));
    let ways = [
        (Flow::Held, Flow::Pass),
        (Flow::Pass, Flow::Held),
        (Flow::Held, Flow::Held),
        (Flow::Trickle(64), Flow::Trickle(64)),
        (late, late),
    ];
    let mut lab = Lab::start(Plan::default().coordinators(2).hosts(2).proxied()).await;
    lab.add_client(&["--rate", "30", "--text", "echo hello", "--text", "sleep 200"]);
    let probe = probe(&lab).await;
    endings(&lab, 10).await;
    let before: Vec<usize> = lab.parts().map(|placed| placed.part.open_files()).collect();
    let mut ended = 10;
    for (to, from) in ways {
        for part in [&lab.coordinators[0], &lab.hosts[0]] {
            part.net.as_ref().expect("a network of its own").set(to, from);
        }
        // The others carry on.
        ended += 15;
        endings(&lab, ended).await;
        for part in [&lab.coordinators[0], &lab.hosts[0]] {
            let net = part.net.as_ref().expect("a network of its own");
            net.cut();
            net.mend();
        }
        let _ = back(&probe).await;
    }
    let verdict = lab.settle().await;
    verdict.demand();
    testkit::eventually("no more open files than before", || {
        let after: Vec<usize> = lab.parts().map(|placed| placed.part.open_files()).collect();
        if after.iter().zip(&before).all(|(after, before)| *after <= before + 4) { Ok(()) } else { Err((before.clone(), after)) }
    });
}
