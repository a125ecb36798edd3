//! `agentbus init` and `agentbus completions`: what is written for people and shells.

use crate::case::Folder;

#[test]
fn init_writes_a_commented_file_and_replaces_none() {
    let folder = Folder::new("init");
    folder.case("written", &["init"]);
    let written = std::fs::read_to_string(folder.path().join("agentbus.toml")).expect("the file");
    assert!(written.lines().all(|line| line.is_empty() || line.starts_with('#')), "{written}");
    folder.case("there_already", &["init"]);
    folder.write("agentbus.toml", "mine");
    folder.case("replaced", &["init", "--force"]);
    assert_eq!(std::fs::read_to_string(folder.path().join("agentbus.toml")).ok(), Some(written));
    folder.case("no_such_folder", &["init", "nowhere"]);
    folder.wall("wall");
    folder.case("a_folder_that_cannot_be_written", &["init", "wall"]);
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
