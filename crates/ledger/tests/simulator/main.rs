//! The seeded simulator: real desks in a small world of trouble, held to the rules after every step.
//!
//! A run has a ledger with its compare-and-set, one to three coordinators (each a real
//! [`ledger::Desk`]), agents with their instances, requesters and an enemy. First messages are
//! lost, late and repeated, and parts crash, freeze and come back; then it is calm, and everything must
//! finish. In one run in four agents ask each other, and people several at once. A failed run prints its seed and its
//! steps.
//!
//! - `AGENTBUS_SIM_SCHEDULES`: how many runs; 100,000 if not set.
//! - `AGENTBUS_SIM_SEED`: make only the run of this seed, and print its steps if it fails.
//!
//! Reading order: [`world`] with its [`trouble`] and its [`server`], then [`coordinator`] with its [`lives`], [`instance`],
//! [`requests`] and [`family`], who live in it; [`model`] and [`kin`], [`rules`], [`lineage`] and [`whole`], which judge it;
//! [`mutant`], which shows that they can fail.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod coordinator;
mod event;
mod family;
mod instance;
mod kin;
mod lineage;
mod lives;
mod model;
mod mutant;
mod mutant_kin;
mod perform;
mod record;
mod requests;
mod rng;
mod rules;
mod runner;
mod server;
mod stream;
mod tally;
mod trouble;
mod truths;
mod whole;
mod world;

#[test]
fn the_rules_hold_in_every_schedule() {
    if let Some(seed) = runner::number("AGENTBUS_SIM_SEED") {
        return runner::replay(seed);
    }
    let runs = runner::number("AGENTBUS_SIM_SCHEDULES").unwrap_or(100_000);
    let tally = runner::many(runs);
    // Fewer runs need not meet everything.
    if runs >= 10_000 {
        assert_eq!(tally.missing(), Vec::<&str>::new(), "this never happened");
    }
}

#[test]
fn the_runs_that_catch_mutants_are_clean_without_them() {
    runner::many(runner::MUTANT_RUNS);
}

#[test]
fn a_seed_is_one_run() {
    for seed in 0..200 {
        let (first, second) = (world::run(seed, None, true).trace, world::run(seed, None, true).trace);
        let parts = first.iter().zip(&second).position(|(a, b)| a != b);
        assert_eq!((parts, first.len()), (None, second.len()), "seed {seed} does not repeat");
    }
}
