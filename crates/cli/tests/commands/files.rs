//! `agentbus init` and `agentbus completions`: what is written for people and shells.

use testkit::{Process, agentbus};

use crate::case::Folder;

#[test]
fn init_writes_a_commented_file_and_replaces_none() {
    let folder = Folder::new("init");
    folder.case("written", &["init", "--handler", "context"]);
    let written = std::fs::read_to_string(folder.path().join("agentbus.toml")).expect("the file");
    assert!(written.lines().all(|line| line.is_empty() || line.starts_with('#')), "{written}");
    folder.case("there_already", &["init", "--handler", "context"]);
    folder.write("agentbus.toml", "mine");
    folder.case("replaced", &["init", "--force", "--handler", "context"]);
    assert_eq!(std::fs::read_to_string(folder.path().join("agentbus.toml")).ok(), Some(written));
    folder.case("no_such_folder", &["init", "nowhere"]);
    folder.wall("wall");
    folder.case("a_folder_that_cannot_be_written", &["init", "wall"]);
    folder.case("no_such_handler", &["init", "--handler", "oracle"]);
}

/// What a machine has is not the test's to say, so it is made.
#[test]
fn init_finds_what_can_do_the_work_and_says_why() {
    let folder = Folder::new("init_found");
    folder.write("claude", "#!/bin/sh\n");
    let program = folder.path().join("claude");
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("executable");
    let output = Process::run(
        agentbus(folder.path()).arg("init").env_remove("ANTHROPIC_API_KEY").env_remove("OPENAI_API_KEY").env("PATH", folder.path()),
    );
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(
        output
            .stderr
            .contains(&format!("are done by claude-code: no key for a model is in the environment, and {} is there", program.display())),
        "{output:?}"
    );
    assert!(output.stderr.contains("agentbus trust ."), "{output:?}");
    let written = std::fs::read_to_string(folder.path().join("agentbus.toml")).expect("the file");
    assert!(written.contains("\n[defaults]\n") && written.contains("\nhandler = \"claude-code\"\n"), "{written}");
}

#[test]
fn completions_know_every_command_and_shell() {
    let folder = Folder::new("completions");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = folder.run(&["completions", shell]);
        let knows = |word: &str| output.stdout.contains(word);
        assert!(output.code == Some(0) && knows("history") && knows("from-seq") && !knows("guard"), "{shell}: {output:?}");
    }
    folder.case("unknown_shell", &["completions", "tcsh"]);
    folder.case("no_shell", &["completions"]);
}
