//! What clients should not send, under load: each is refused with a reason, and nobody else is affected.

use testkit::{
    Lab, Plan,
    faults::{self, Fault},
    random::Random,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f14_f15_f16_f18_f28_bad_input_is_refused_and_the_others_are_served() {
    const KIB: u64 = 1024;
    let mut lab = Lab::start(Plan::default()).await;
    lab.add_client(&["--rate", "10", "--text", "echo hello"]);
    let before = lab.coordinators[0].part.resident_kib();
    for (fault, times) in [(Fault::F14, 1), (Fault::F15, 600), (Fault::F16, 1), (Fault::F18, 1), (Fault::F28, 1)] {
        if let Err(why) = faults::script(fault, &lab.site(), &mut Random::new(15), times).await {
            panic!("{why}");
        }
    }
    let after = lab.coordinators[0].part.resident_kib();
    assert!(after < before + 64 * KIB, "the coordinator's memory went from {before} to {after} KiB");
    lab.settle().await.demand();
}
