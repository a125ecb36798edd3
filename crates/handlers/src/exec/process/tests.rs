//! Real commands: how they start, what they may do, and that nothing of them is left.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::{
    collections::BTreeMap,
    fs,
    os::unix::{fs::PermissionsExt, process::ExitStatusExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use roster::Command;
use tempfile::TempDir;

use super::{Groups, GroupsGuard, Input, Launch, Line, Process, StartError, TooMuch, Unheard};

/// A bound on what must take no time at all.
const SOON: Duration = Duration::from_secs(20);

fn launch(command: Command, workdir: &Path) -> Launch {
    let own = vec![("AGENTBUS_AGENT", "tester".to_owned())];
    Launch { command, env: BTreeMap::new(), pass: Vec::new(), own, workdir: workdir.to_owned(), memory: None, mark: None }
}

fn words(words: &[&str]) -> Command {
    Command::Words(words.iter().map(|word| (*word).to_owned()).collect())
}

fn line(line: &str) -> Command {
    Command::Line(line.to_owned())
}

fn start(command: Command, input: Input) -> Process {
    Process::start(&launch(command, Path::new("/")), input, 1 << 20, &Groups::new(None)).unwrap()
}

fn start_error(command: Command, workdir: &Path) -> StartError {
    Process::start(&launch(command, workdir), Input::default(), 1, &Groups::new(None)).unwrap_err()
}

async fn lines(process: &mut Process) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(Line::Whole(line) | Line::Cut(line)) = process.line().await.unwrap() {
        all.push(line);
    }
    all
}

async fn next(process: &mut Process) -> String {
    match tokio::time::timeout(SOON, process.line()).await.unwrap().unwrap().unwrap() {
        Line::Whole(line) | Line::Cut(line) => line,
    }
}

/// Returns when nobody in the group that this number leads runs any more. Zombies do not run: they
/// wait for a parent that is slow to notice, or for that of all, which may be none of ours.
async fn gone(leader: &str, within: Duration) {
    let begun = Instant::now();
    while runs(leader) {
        assert!(begun.elapsed() < within, "the group {leader} is still there after {within:?}");
        tokio::task::yield_now().await;
    }
}

fn runs(group: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let stats = processes.filter_map(|process| fs::read_to_string(process.path().join("stat")).ok());
    // The name in brackets may hold anything; after it come state, parent and group.
    let rest = stats.filter_map(|stat| Some(stat.rsplit_once(") ")?.1.to_owned()));
    rest.map(|rest| rest.split(' ').map(str::to_owned).collect::<Vec<_>>()).any(|stat| stat[0] != "Z" && stat[2] == group)
}

#[tokio::test]
async fn a_command_reads_its_input_and_is_heard() {
    let input = Input { text: "hello\n".to_owned(), stays_open: false };
    let mut process = start(words(&["sh", "-c", "cat; echo on stderr >&2; exit 3"]), input);
    assert_eq!(lines(&mut process).await, ["hello"]);
    assert_eq!(process.status().await.unwrap().code(), Some(3));
    assert_eq!(process.stderr(), "on stderr\n");
}

#[tokio::test]
async fn an_open_input_ends_when_it_is_closed() {
    let mut process = start(line("read first; echo $first; cat; echo end"), Input { text: "one\n".to_owned(), stays_open: true });
    assert_eq!(next(&mut process).await, "one");
    process.close_input();
    assert_eq!(next(&mut process).await, "end");
    assert!(process.status().await.unwrap().success());
}

#[tokio::test]
async fn a_command_that_does_not_read_is_not_waited_for() {
    let input = Input { text: "x".repeat(1 << 20), stays_open: false };
    let mut process = start(line("exec 0<&-; echo deaf"), input.clone());
    assert_eq!(lines(&mut process).await, ["deaf"]);
    assert!(process.status().await.unwrap().success());
    let mut process = start(words(&["echo", "not interested"]), input);
    assert_eq!(lines(&mut process).await, ["not interested"]);
    assert!(process.status().await.unwrap().success());
}

#[tokio::test]
async fn a_command_sees_a_small_environment() {
    let mut launch = launch(words(&["env"]), Path::new("/"));
    launch.env = [("GREETING", "hello"), ("AGENTBUS_AGENT", "somebody else")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    let mut process = Process::start(&launch, Input::default(), 1 << 20, &Groups::new(None)).unwrap();
    let seen = lines(&mut process).await;
    assert!(seen.contains(&"GREETING=hello".to_owned()) && seen.contains(&"AGENTBUS_AGENT=tester".to_owned()), "{seen:?}");
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    assert!(!seen.iter().any(|variable| variable.starts_with("CARGO")), "{seen:?}");
}

#[tokio::test]
async fn a_command_that_cannot_be_started_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    script(&folder, "plain", "echo hi", 0o644);
    script(&folder, "lost", "#!/no/such/shell\n", 0o755);
    script(&folder, "noise", "\u{1}\u{2}", 0o755);
    let code = |command: &[&str]| start_error(words(command), at).code();
    assert_eq!(code(&["no-such-program-anywhere"]), "command_not_found");
    assert_eq!(code(&["./missing"]), "command_not_found");
    assert_eq!(code(&["./plain"]), "command_not_executable");
    assert_eq!(code(&["."]), "command_not_executable");
    assert_eq!(code(&["./lost"]), "command_not_executable");
    assert_eq!(code(&["./noise"]), "command_not_executable");
    assert_eq!(code(&[]), "bad_command");
    assert_eq!(code(&["echo", "a\0b"]), "bad_command");
    assert_eq!(start_error(line(" "), at).code(), "bad_command");
    assert_eq!(start_error(words(&["true"]), &at.join("away")).code(), "no_such_folder");
}

fn script(folder: &TempDir, name: &str, text: &str, mode: u32) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path
}

#[tokio::test]
async fn a_relative_program_is_in_the_working_directory() {
    let folder = tempfile::tempdir().unwrap();
    script(&folder, "here", "#!/bin/sh\npwd\n", 0o755);
    for memory in [None, Some(1 << 30)] {
        let launch = Launch { memory, ..launch(words(&["./here"]), folder.path()) };
        let mut process = Process::start(&launch, Input::default(), 1 << 20, &Groups::new(None)).unwrap();
        assert_eq!(lines(&mut process).await, [folder.path().canonicalize().unwrap().display().to_string()]);
    }
}

#[tokio::test]
async fn no_more_is_read_than_may_be_printed() {
    let mut process = Process::start(&launch(words(&["yes"]), Path::new("/")), Input::default(), 10_000, &Groups::new(None)).unwrap();
    let too_much = loop {
        match process.line().await {
            Ok(line) => assert_eq!(line, Some(Line::Whole("y".to_owned()))),
            Err(too_much) => break too_much,
        }
    };
    assert_eq!(too_much, TooMuch(10_000));
    tokio::time::timeout(SOON, process.end()).await.unwrap();
}

#[tokio::test]
async fn memory_is_limited() {
    let limited =
        |memory| Launch { memory, ..launch(words(&["dd", "if=/dev/zero", "of=/dev/null", "bs=256M", "count=1"]), Path::new("/")) };
    for (memory, ends_well) in [(Some(64 << 20), false), (Some(4 << 30), true), (None, true)] {
        let mut process = Process::start(&limited(memory), Input::default(), 1 << 20, &Groups::new(None)).unwrap();
        assert_eq!(process.status().await.unwrap().success(), ends_well, "{memory:?}: {}", process.stderr());
    }
}

#[tokio::test]
async fn a_program_that_is_missing_is_told_in_the_same_words_under_a_limit_of_memory() {
    for program in ["nosuchprog", "./nosuchprog"] {
        for memory in [None, Some(1 << 30)] {
            let launch = Launch { memory, ..launch(words(&[program]), Path::new("/")) };
            let error = Process::start(&launch, Input::default(), 1 << 20, &Groups::new(None)).unwrap_err();
            assert_eq!(error.to_string(), format!("there is no program '{program}'"));
        }
    }
}

#[tokio::test]
async fn a_signal_is_told() {
    let mut process = start(line("kill -SEGV $$"), Input::default());
    assert_eq!(process.status().await.unwrap().signal(), Some(11));
}

#[tokio::test]
async fn what_is_left_running_holds_nothing_up_and_is_ended() {
    let mut process = start(line("sleep 60 & echo $$"), Input::default());
    let leader = next(&mut process).await;
    let begun = Instant::now();
    assert!(lines(&mut process).await.is_empty());
    assert!(process.status().await.unwrap().success());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    gone(&leader, Duration::from_secs(2)).await;
}

#[tokio::test]
async fn a_group_that_ignores_sigterm_is_gone_soon_after_it_is_dropped() {
    let groups = Groups::new(None);
    let deaf = "trap '' TERM; sh -c 'trap \"\" TERM; while :; do sleep 60; done' & echo $$; while :; do sleep 60; done";
    let mut process = Process::start(&launch(line(deaf), Path::new("/")), Input::default(), 1 << 20, &groups).unwrap();
    let leader = next(&mut process).await;
    drop(process);
    gone(&leader, Duration::from_secs(2)).await;
    groups.ended(SOON).await;
}

#[tokio::test]
async fn sigterm_comes_at_once_and_leaves_time_to_tidy_up() {
    let mut process = start(line("trap 'echo tidied >&2; exit 0' TERM; echo $$; while :; do sleep 0.05; done"), Input::default());
    let leader = next(&mut process).await;
    process.end().await;
    // The shell may say first that its `sleep` was terminated, too.
    assert!(process.stderr().ends_with("tidied\n"), "{}", process.stderr());
    gone(&leader, Duration::from_secs(2)).await;
}

#[tokio::test]
async fn what_a_shell_runs_has_as_much_time_to_tidy_up_as_the_shell() {
    let tidy = "sh -c 'trap \"sleep 0.1; echo tidied >&2; exit 0\" TERM; echo ready; while :; do sleep 0.05; done'; true";
    let mut process = start(line(&format!("echo $$; {tidy}")), Input::default());
    let leader = next(&mut process).await;
    assert_eq!(next(&mut process).await, "ready");
    process.end().await;
    assert!(process.stderr().contains("tidied\n"), "{}", process.stderr());
    gone(&leader, Duration::from_secs(2)).await;
}

#[tokio::test]
async fn groups_end_with_their_owner_and_none_begins_after_that() {
    let guard = GroupsGuard(Groups::new(None));
    let groups = guard.0.clone();
    let start = || Process::start(&launch(line("trap '' TERM; echo $$; sleep 60"), Path::new("/")), Input::default(), 1 << 20, &groups);
    let mut process = start().unwrap();
    let leader = next(&mut process).await;
    drop(guard);
    gone(&leader, Duration::from_secs(1)).await;
    assert_eq!(start().unwrap_err().code(), "command_not_started");
}

#[test]
fn a_group_ends_with_its_runtime() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (process, leader) = runtime.block_on(async {
        let mut process = start(line("trap '' TERM; echo $$; while :; do sleep 60; done"), Input::default());
        let leader = next(&mut process).await;
        (process, leader)
    });
    runtime.shutdown_background();
    drop(process);
    let other = tokio::runtime::Builder::new_current_thread().build().unwrap();
    other.block_on(gone(&leader, SOON));
}

#[tokio::test]
async fn much_is_told_to_whoever_reads_and_the_rest_is_not_waited_for_for_ever() {
    let input = || Input { text: String::new(), stays_open: true };
    let mut reader = start(line("while read -r line; do echo $line; done"), input());
    for n in 0..200 {
        reader.say(format!("{n}\n"), SOON).await.unwrap();
    }
    for n in 0..200 {
        assert_eq!(next(&mut reader).await, n.to_string());
    }
    let deaf = start(line("sleep 60"), input());
    let long = "x".repeat(64 << 10);
    let mut told = Ok(());
    for _ in 0..40 {
        told = told.and(deaf.say(long.clone(), Duration::from_millis(50)).await);
    }
    assert_eq!(told, Err(Unheard::Full));
}
