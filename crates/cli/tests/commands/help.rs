//! What can be typed: the help of every command.

use crate::case::Folder;

/// Every command that can be typed, in the order of the list.
const COMMANDS: &[&str] = &[
    "up",
    "serve",
    "serve coordinator",
    "serve agents",
    "ask",
    "post",
    "watch",
    "status",
    "history",
    "list",
    "cancel",
    "reply",
    "inbox",
    "inbox take",
    "inbox progress",
    "inbox answer",
    "inbox release",
    "inbox ask",
    "attachment",
    "dead",
    "dead list",
    "dead replay",
    "erase",
    "progress",
    "notify",
    "agents",
    "route",
    "lint",
    "context",
    "context set",
    "context get",
    "context unset",
    "context list",
    "context import",
    "trust",
    "schema",
    "verify",
    "backup",
    "restore",
    "bench",
    "doctor",
    "init",
    "mcp",
    "completions",
];

/// Where the options begin that are the same for all commands.
const SHARED: &str = "\nConnection:\n";

#[test]
fn every_command_says_what_it_takes() {
    let folder = Folder::new("help");
    let all = folder.case("agentbus", &["--help"]);
    let listed = all.stdout.lines().filter_map(|line| line.strip_prefix("  ")?.split_once("  ")).map(|(name, _)| name.trim());
    let listed: Vec<_> = listed.filter(|name| !name.is_empty() && !name.starts_with('-') && *name != "help").collect();
    let first: Vec<_> = COMMANDS.iter().filter(|command| !command.contains(' ')).collect();
    for name in &listed {
        assert!(first.contains(&name), "{name} has no case here");
    }
    let (_, shared) = all.stdout.split_once(SHARED).expect("the shared options");
    let (shared, _) = shared.split_once("\nExit codes:").expect("the exit codes");
    for command in COMMANDS {
        let args: Vec<_> = command.split(' ').chain(["--help"]).collect();
        let mut output = folder.run(&args);
        let (own, connection) = output.stdout.split_once(SHARED).unwrap_or_else(|| panic!("{command}: {output:?}"));
        assert_eq!(connection.trim(), shared.trim(), "{command}");
        output.stdout = format!("{own}{SHARED}  as everywhere\n");
        folder.keep(&command.replace(' ', "_"), &args, "", &output);
    }
}

#[test]
fn what_is_no_command_is_told_with_the_nearest_one() {
    let folder = Folder::new("help");
    folder.case("nothing_typed", &[]);
    folder.case("unknown_command", &["histroy"]);
    folder.case("unknown_option", &["list", "--staet", "dead"]);
    folder.case("version", &["--version"]);
}
