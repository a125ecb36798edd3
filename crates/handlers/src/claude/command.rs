//! How Claude Code is started: its command line and its environment.
//!
//! Pure. Every value stands in one word with its option (`--model=opus`), so that none that begins with a dash is
//! taken for an option.

use std::path::Path;

use roster::{Bus as Block, Command, Definition, Permissions, Tools};

/// The program, where the block names no command.
const PROGRAM: &str = "claude";

/// What it needs to speak lines of JSON.
const SPEAKS: [&str; 4] = ["-p", "--input-format=stream-json", "--output-format=stream-json", "--verbose"];

/// A model that stands for "the one that the session has".
const INHERITED: &str = "inherit";

/// What it sees of our environment, besides what every command sees: how to reach and pay its API, and where it is
/// configured.
const ENVIRONMENT: [&str; 15] = [
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_BASE_URL",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CONFIG_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "NODE_EXTRA_CA_CERTS",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "XDG_CONFIG_HOME",
];

/// Files of the folder in which it runs that may bring commands of their own: hooks, and servers of tools.
const SETTINGS: [&str; 3] = [".claude/settings.json", ".claude/settings.local.json", ".mcp.json"];

/// The program of a block.
pub(crate) fn program(block: &Block) -> Command {
    block.command.clone().unwrap_or_else(|| Command::Words(vec![PROGRAM.to_owned()]))
}

/// The files that decide what it runs, as words that name them.
pub(crate) fn settings() -> Command {
    Command::Words(SETTINGS.map(str::to_owned).to_vec())
}

/// The variables that it may see.
pub(super) fn environment(block: &Block) -> Vec<String> {
    ENVIRONMENT.into_iter().map(str::to_owned).chain(block.pass_env.iter().flatten().cloned()).collect()
}

/// The command with this system prompt. What is in `folder`, it may read unasked, if it can read at all.
pub(super) fn command(definition: &Definition, system: &str, folder: Option<&Path>) -> Command {
    let block = &definition.bus;
    let mut words = match program(block) {
        Command::Words(words) => words,
        // A line is the shell's, and gets the options as its arguments.
        Command::Line(line) => ["sh", "-c", &format!("{line} \"$@\""), PROGRAM].map(str::to_owned).to_vec(),
    };
    words.extend(SPEAKS.map(str::to_owned));
    words.push(format!("--system-prompt={system}"));
    let model = block.model.as_deref().or(definition.model.as_deref()).map(str::trim);
    words.extend(model.filter(|model| !model.is_empty() && *model != INHERITED).map(|model| format!("--model={model}")));
    words.extend(block.turns.map(|turns| format!("--max-turns={turns}")));
    words.extend(tools(&definition.tools));
    // A rule for a path from the root begins with two slashes.
    words.extend(folder.map(|folder| format!("--allowedTools=Read(/{}/**)", folder.display())));
    // Without it, what is not allowed is refused.
    if block.permissions.unwrap_or_default() == Permissions::Ask {
        words.push("--permission-prompt-tool=stdio".to_owned());
    }
    Command::Words(words)
}

/// As for a subagent: the tools of a definition are those that it has, not those that it may use unasked. `Bash(git
/// *)` is a rule as well, and allows what it names.
fn tools(tools: &Tools) -> Vec<String> {
    let Tools::Only(tools) = tools else { return Vec::new() };
    let mut names: Vec<&str> = Vec::new();
    for tool in tools {
        let name = tool.split('(').next().unwrap_or_default().trim();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let rules = tools.iter().filter(|tool| tool.contains('(')).map(|rule| format!("--allowedTools={rule}"));
    std::iter::once(format!("--tools={}", names.join(","))).chain(rules).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn words(front: &str) -> Vec<String> {
        let text = format!("---\nname: poet\n{front}\n---\nYou write.\n");
        let definition = roster::parse(Path::new("poet.md"), &text).0.unwrap();
        match command(&definition, "SYSTEM", None) {
            Command::Words(words) => words,
            Command::Line(line) => panic!("{line}"),
        }
    }

    fn options(front: &str) -> String {
        let words = words(front);
        words.iter().skip_while(|word| !word.starts_with("--system-prompt")).skip(1).cloned().collect::<Vec<_>>().join(" ")
    }

    #[rstest::rstest]
    #[case("bus: {handler: claude-code}", "--permission-prompt-tool=stdio")]
    #[case("bus: {permissions: deny}", "")]
    #[case("model: opus\nbus: {permissions: deny}", "--model=opus")]
    #[case("model: opus\nbus: {permissions: deny, model: haiku}", "--model=haiku")]
    #[case("model: inherit\nbus: {permissions: deny}", "")]
    #[case("bus: {permissions: deny, turns: 3}", "--max-turns=3")]
    #[case("tools: '*'\nbus: {permissions: deny}", "")]
    #[case("tools: []\nbus: {permissions: deny}", "--tools=")]
    #[case("tools: Read, Bash, Read\nbus: {permissions: deny}", "--tools=Read,Bash")]
    #[case(
        "tools: 'Read, Bash(git log *), Bash(git diff *)'\nbus: {permissions: deny}",
        "--tools=Read,Bash --allowedTools=Bash(git log *) --allowedTools=Bash(git diff *)"
    )]
    fn the_definition_makes_the_options(#[case] front: &str, #[case] expected: &str) {
        assert_eq!(options(front), expected);
    }

    #[test]
    fn files_that_came_with_the_query_may_be_read() {
        let definition = roster::parse(Path::new("poet.md"), "---\nname: poet\nbus: {permissions: deny}\n---\n").0.unwrap();
        let Command::Words(words) = command(&definition, "SYSTEM", Some(Path::new("/tmp/agentbus-x"))) else { panic!() };
        assert_eq!(words.last().unwrap(), "--allowedTools=Read(//tmp/agentbus-x/**)");
    }

    #[test]
    fn the_program_is_claude_or_what_the_block_says() {
        assert_eq!(words("bus: {}").first().unwrap(), "claude");
        assert_eq!(words("bus: {command: [./claude, --debug]}").get(..3).unwrap(), ["./claude", "--debug", "-p"]);
        assert_eq!(words("bus: {command: 'nice claude'}").get(..5).unwrap(), ["sh", "-c", "nice claude \"$@\"", "claude", "-p"]);
        let text = "---\nname: poet\nbus: {pass_env: [AWS_REGION]}\n---\n";
        let definition = roster::parse(Path::new("poet.md"), text).0.unwrap();
        assert!(environment(&definition.bus).contains(&"AWS_REGION".to_owned()));
    }
}
